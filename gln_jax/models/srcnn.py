"""SRCNN, the first convolutional network for the resolution of images: three convolutions on the bicubic image.

Source: C. Dong, C. C. Loy, K. He and X. Tang, "Learning a deep convolutional network for image super-resolution", ECCV
2014; longer in IEEE Transactions on Pattern Analysis and Machine Intelligence 38(2), 2016. This is its 9-1-5 network.

Three things differ. The paper's convolutions are not padded, so that its outputs are smaller than its inputs; here they
have the same size, and the border is continued by zeros. The paper's initial weights are N(0, 0.001) and are trained by
plain gradient descent, the last layer ten times slower, here they pass the image on at first, as
GLN's, and are trained as GLN is, so that the comparison is one of networks.
"""

import flax.linen as nn

from gln_jax import images
from gln_jax.models import layers

LAYERS = ((9, 64), (1, 32), (5, 1))  # (kernel size, filters) of the convolutions; ReLU follows each but the last


class Srcnn(nn.Module):
    """LR luminance [n, h, w, 1] in [0, 1] -> HR luminance [n, h*scale, w*scale, 1], not clipped."""

    scale: int

    @nn.compact
    def __call__(self, lr):
        features = images.upsample(lr, self.scale, 'bicubic')
        for size, filters in LAYERS[:-1]:
            features = nn.relu(nn.Conv(filters, (size, size), kernel_init=layers.pass_on_and_he_normal)(features))
        size, filters = LAYERS[-1]
        return nn.Conv(filters, (size, size), kernel_init=layers.pass_on)(features)
