"""A second generator in GLN's slot: the same idea, a global view of the whole face joined with local convolutions.

At 8x it costs an eighteenth of GLN8. The paper's local network works at full resolution, where one 7x7 convolution of
64 channels takes 3.3 billion multiply-adds. Here almost all of the work is done on a grid of 16x16, where a 3x3 convolution spans the
mouth, and the image is enlarged by sub-pixel convolutions (Shi et al. 2016). Where the paper joins the two views once,
here fully connected layers see the LR pixels first and then, between residual blocks, what the convolutions have made
of them. What is learnt is a detail map that is added to the bicubic image; it is zero at first.
"""

import math

import flax.linen as nn
import jax.numpy as jnp

from gln_jax import images
from gln_jax.models import convolutions

HR_PIXELS_OF_THE_GRID = 8
"""A place of the body's feature maps spans so many HR pixels at every scale: they are 16x16 for a face of 128x128."""

BODY = ('block_', 'view_')  # how the names of parameters begin whose shapes are the same at every scale

FIRST_VIEW_CHANNELS, FIRST_VIEW_UNITS = 16, 256
LATER_VIEW_CHANNELS, LATER_VIEW_UNITS = 8, 112

_he = nn.initializers.he_normal()
_small = nn.initializers.variance_scaling(0.02, 'fan_in', 'normal')
_moderate = nn.initializers.variance_scaling(0.1, 'fan_in', 'normal')


class FastGlobalLocalNetwork(nn.Module):
    """LR luminance [n, h, w, 1] in [0, 1] -> HR luminance [n, h*scale, w*scale, 1], not clipped."""

    scale: int
    width: int
    blocks: int
    upsampling_widths: tuple
    upsampling_blocks: tuple
    global_streams: bool = True

    @nn.compact
    def __call__(self, lr):
        pixels = space_to_depth(2 * lr - 1, HR_PIXELS_OF_THE_GRID // self.scale)
        features = self._body(self._first_features(pixels))
        for width, blocks in zip(self.upsampling_widths, self.upsampling_blocks, strict=True):
            features = depth_to_space(conv(4 * width)(features), 2)
            if features.shape[1:3] == lr.shape[1:3]:  # 32x32, 64x64: the LR pixels as they are, which the body saw in blocks
                features += conv(width)(2 * lr - 1)
            for _ in range(blocks):
                features = ResidualBlock()(features)
        left = self.scale * lr.shape[1] // features.shape[1]
        detail = depth_to_space(conv(left**2, kernel_init=nn.initializers.zeros)(features), left)
        return images.upsample(lr, self.scale, 'bicubic') + detail

    def _first_features(self, pixels):
        if not self.global_streams:
            return conv(self.width)(pixels)
        local = conv(self.width - FIRST_VIEW_CHANNELS)(pixels)
        return jnp.concatenate([local, FirstGlobalView(name='first_view')(pixels)], axis=-1)

    def _body(self, first):
        features = first
        for number in range(1, self.blocks + 1):
            features = ResidualBlock(name=f'block_{number}')(features)
            if self.global_streams and number % 2 == 0:
                features = GlobalView(name=f'view_{number}')(features)
        return features + first


class FirstGlobalView(nn.Module):
    """Fully connected layers from all LR pixels [n, h, w, c] to a map [n, h, w, 16], as in the paper."""

    @nn.compact
    def __call__(self, pixels):
        code = pixels.reshape(pixels.shape[0], -1)
        for _ in range(2):
            code = nn.relu(nn.Dense(FIRST_VIEW_UNITS, kernel_init=_he)(code))
        n, height, width, _ = pixels.shape
        view = nn.Dense(height * width * FIRST_VIEW_CHANNELS, kernel_init=_moderate)(code)
        return view.reshape(n, height, width, FIRST_VIEW_CHANNELS)


class GlobalView(nn.Module):
    """A residual that sees the whole face: a few channels of all positions to one code, and from it back to all."""

    @nn.compact
    def __call__(self, features):
        seen = nn.relu(conv(LATER_VIEW_CHANNELS, 1)(features))
        code = nn.relu(nn.Dense(LATER_VIEW_UNITS, kernel_init=_he)(seen.reshape(seen.shape[0], -1)))
        view = nn.relu(nn.Dense(math.prod(seen.shape[1:]), kernel_init=_he)(code)).reshape(seen.shape)
        return features + conv(features.shape[-1], 1, _small)(view)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, without normalisation (Lim et al. 2017, EDSR)."""

    @nn.compact
    def __call__(self, features):
        channels = features.shape[-1]
        return features + conv(channels, kernel_init=_small)(nn.relu(conv(channels)(features)))


def conv(channels, size=3, kernel_init=_he):
    return nn.Conv(channels, (size, size), kernel_init=kernel_init, conv_general_dilated=_convolved)


def _convolved(maps, kernel, *_, **__):
    """In place of `lax.conv_general_dilated`, whose strides and padding are `nn.Conv`'s own here: 1, and the same."""
    return convolutions.convolved(maps, kernel)


def depth_to_space(features, factor):
    """[n, h, w, factor^2 * c] -> [n, h*factor, w*factor, c]."""
    n, height, width, channels = features.shape
    blocks = features.reshape(n, height, width, factor, factor, channels // factor**2).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, height * factor, width * factor, channels // factor**2)


def space_to_depth(features, factor):
    """The inverse of `depth_to_space`."""
    n, height, width, channels = features.shape
    blocks = features.reshape(n, height // factor, factor, width // factor, factor, channels).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, height // factor, width // factor, factor**2 * channels)
