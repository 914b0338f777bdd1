"""A second generator in GLN's slot: the same idea, a global view of the whole face joined with local convolutions, for less.

The paper's local network works at full resolution, where a 7x7 convolution of 64 channels costs 3.3 billion multiply-adds.
Here almost all of the work is done on the LR grid of 16x16, where a pixel of the body sees a whole feature of a face, and
the image is enlarged by sub-pixel convolutions (Shi et al. 2016). What is learnt is a detail map that is added to the bicubic
image; it starts near zero.
"""

import flax.linen as nn
import jax.numpy as jnp

from gln_jax import images

GRID = 16
"""Height and width of the feature maps of the body, at every scale."""

GLOBAL_STREAMS = ('none', 'input', 'body', 'both', 'attention', 'input_attention')

_he = nn.initializers.he_normal()
_small = nn.initializers.variance_scaling(0.02, 'fan_in', 'normal')
_moderate = nn.initializers.variance_scaling(0.1, 'fan_in', 'normal')


class FastGlobalLocalNetwork(nn.Module):
    """LR luminance [n, h, w, 1] in [0, 1] -> HR luminance [n, h*scale, w*scale, 1]; h and w are multiples of 16."""

    scale: int
    width: int = 64
    blocks: int = 6
    upsampling_widths: tuple = (48, 32)
    upsampling_blocks: tuple = (2, 2)
    global_stream: str = 'both'
    channel_attention: bool = False
    base: str = 'bicubic'

    @nn.compact
    def __call__(self, lr):
        pixels = space_to_depth(2 * lr - 1, lr.shape[1] // GRID)
        has_input_view = self.global_stream in ('input', 'both', 'input_attention')
        features = conv(self.width - (CODE_CHANNELS if has_input_view else 0))(pixels)
        if has_input_view:
            features = jnp.concatenate([features, GlobalStream(name='global')(pixels)], axis=-1)
        if 'attention' in self.global_stream:
            features += self.param('position', nn.initializers.normal(0.02), (1, *features.shape[1:]))
        first = features
        for number in range(self.blocks):
            features = ResidualBlock(self.channel_attention)(features)
            if number % 2 and self.global_stream in ('body', 'both'):
                features = GlobalView()(features)
            if number % 2 and 'attention' in self.global_stream:
                features = SelfAttention()(features)
        features += first
        for width, blocks in zip(self.upsampling_widths, self.upsampling_blocks, strict=True):
            features = depth_to_space(conv(4 * width)(features), 2)
            if features.shape[1:3] == lr.shape[1:3] and self.scale != 128 // GRID:
                features += conv(width)(2 * lr - 1)
            for _ in range(blocks):
                features = ResidualBlock(self.channel_attention)(features)
        left = lr.shape[1] * self.scale // features.shape[1]
        detail = depth_to_space(conv(left**2, kernel_init=nn.initializers.zeros)(features), left)
        if self.base == 'none':
            return detail
        return images.upsample(lr, self.scale, self.base) + detail


CODE_CHANNELS = 16


class GlobalStream(nn.Module):
    """Fully connected layers from all LR pixels [n, 16, 16, c] to a map [n, 16, 16, 16], as the paper's detail stream."""

    @nn.compact
    def __call__(self, pixels):
        code = pixels.reshape(len(pixels), -1)
        for _ in range(2):
            code = nn.relu(nn.Dense(256, kernel_init=_he)(code))
        view = nn.Dense(GRID * GRID * CODE_CHANNELS, kernel_init=_moderate)(code)
        return view.reshape(len(pixels), GRID, GRID, CODE_CHANNELS)


class GlobalView(nn.Module):
    """A residual with a fully connected view of the whole face: 8 channels, all positions, to 128 numbers and back."""

    @nn.compact
    def __call__(self, features):
        n, height, width, channels = features.shape
        seen = nn.relu(conv(8, 1)(features)).reshape(n, -1)
        code = nn.relu(nn.Dense(128, kernel_init=_he)(seen))
        view = nn.relu(nn.Dense(seen.shape[1], kernel_init=_he)(code)).reshape(n, height, width, 8)
        return features + conv(channels, 1, _small)(view)


class SelfAttention(nn.Module):
    """A transformer layer over the 256 positions, with 4 heads."""

    @nn.compact
    def __call__(self, features):
        n, height, width, channels = features.shape
        tokens = features.reshape(n, height * width, channels)
        tokens += nn.MultiHeadDotProductAttention(num_heads=4)(nn.LayerNorm()(tokens))
        hidden = nn.gelu(nn.Dense(2 * channels)(nn.LayerNorm()(tokens)))
        return (tokens + nn.Dense(channels, kernel_init=_small)(hidden)).reshape(features.shape)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity; with channel attention, weighted by it (Zhang et al. 2018, RCAN)."""

    channel_attention: bool = False

    @nn.compact
    def __call__(self, features):
        channels = features.shape[-1]
        change = conv(channels, kernel_init=_small)(nn.relu(conv(channels)(features)))
        if self.channel_attention:
            code = nn.relu(nn.Dense(max(channels // 4, 8))(jnp.mean(change, axis=(1, 2))))
            change *= nn.sigmoid(nn.Dense(channels)(code) + 1)[:, None, None]
        return features + change


def conv(channels, size=3, kernel_init=_he):
    return nn.Conv(channels, (size, size), kernel_init=kernel_init)


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
