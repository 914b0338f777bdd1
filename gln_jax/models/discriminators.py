"""A second discriminator in the paper's slot, which judges every patch of an image rather than all of it at once.

The paper's ends in fully connected layers, so it has to know a face's place to judge its texture. This one is a
convolution throughout (Isola et al. 2017, "PatchGAN"): each of its 16x16 answers is about a patch of 34x34 pixels,
and the losses average them. It sees neighbouring pixels as channels, so that a pattern that repeats with the
generator's sub-pixels stands out.
"""

import flax.linen as nn

from gln_jax.models import fast

WIDTHS, STRIDES = (32, 64, 96, 96), (1, 2, 2, 1)

_he = nn.initializers.he_normal()


class PatchDiscriminator(nn.Module):
    """Logits [n, 16, 16, 2] of 'a real HR image' and 'a reconstruction' for images [n, 128, 128, 1] in [0, 1]."""

    @nn.compact
    def __call__(self, image):
        features = fast.space_to_depth(2 * image - 1, 2)
        for width, stride in zip(WIDTHS, STRIDES, strict=True):
            features = nn.leaky_relu(nn.Conv(width, (3, 3), (stride, stride), kernel_init=_he)(features), 0.2)
        return nn.Conv(2, (1, 1))(features)


class Discriminator(nn.Module):
    """Logits [n, 2] of 'a real HR image' and 'a reconstruction' for images [n, 128, 128, 1] (section 3.3)."""

    @nn.compact
    def __call__(self, image):
        features = 2 * image - 1
        for _ in range(2):
            features = nn.relu(nn.Conv(16, (5, 5), kernel_init=nn.initializers.he_normal())(features))
            features = nn.max_pool(features, (2, 2), strides=(2, 2))
        features = features.reshape(features.shape[0], -1)
        features = nn.relu(nn.Dense(50, kernel_init=nn.initializers.he_normal())(features))
        return nn.Dense(2)(features)
