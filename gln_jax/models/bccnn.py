"""BCCNN, the bi-channel network: a face generated from features of the LR face is mixed with the enlarged LR face.

Source: E. Zhou, H. Fan, Z. Cao, Y. Jiang and Q. Yin, "Learning face hallucination in the wild", AAAI 2015. Three
convolutions, each followed by tanh and max pooling, extract features. Of two groups of fully connected layers on them
one gives the face image, the other a number alpha in [0, 1], the share of the enlarged LR face in the result.

Chosen here, as the paper's sizes do not fit ours (its LR faces are 48x48, its HR faces 100x100) or are not known to us:
the LR face goes in as it is, 16x16 or 32x32, and is enlarged bicubically for the mixture; kernels and filters of the
convolutions; 2000 units, as in the paper, before the 128x128 pixels, and 100 before alpha; the face image is linear in
its last layer. It is mid-grey at first, and alpha at one half. Training is GLN's.
"""

import flax.linen as nn
import jax.numpy as jnp

from gln_jax import images

CONVOLUTIONS = ((5, 32), (3, 64), (3, 128))
"""(kernel size, filters) of the convolutions, stride 1, same padding; each is pooled 2x2."""

FACE_UNITS, ALPHA_UNITS = 2000, 100

_small_normal = nn.initializers.variance_scaling(0.01, 'fan_in', 'normal')


class Bccnn(nn.Module):
    """LR luminance [n, h, w, 1] in [0, 1], h and w 16 or 32 -> HR luminance [n, h*scale, w*scale, 1], not clipped."""

    scale: int

    def __call__(self, lr):
        enlarged, face, alpha = self.channels(lr)
        return alpha * enlarged + (1 - alpha) * face

    @nn.compact
    def channels(self, lr):
        """(the enlarged LR face, the generated face, alpha): [n, h*scale, w*scale, 1] twice, and [n, 1, 1, 1]."""
        enlarged = images.upsample(lr, self.scale, 'bicubic')
        features = 2 * lr - 1
        for size, filters in CONVOLUTIONS:
            features = nn.max_pool(nn.tanh(nn.Conv(filters, (size, size))(features)), (2, 2), strides=(2, 2))
        features = features.reshape(lr.shape[0], -1)
        code = nn.tanh(nn.Dense(FACE_UNITS, name='face_code')(features))
        face = nn.Dense(enlarged[0].size, kernel_init=_small_normal, bias_init=nn.initializers.constant(0.5),
                        name='face')(code)
        mixture = nn.tanh(nn.Dense(ALPHA_UNITS, name='alpha_code')(features))
        alpha = nn.sigmoid(nn.Dense(1, kernel_init=nn.initializers.zeros, name='alpha')(mixture))
        return enlarged, face.reshape(enlarged.shape), jnp.reshape(alpha, (-1, 1, 1, 1))
