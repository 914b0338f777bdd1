"""The paper's networks (section 3, figure 2): global, local, their join, and the discriminator.

Images are luminance in [0, 1], shape [batch, height, width, 1]. The paper does not say how weights start. Here a local
network starts as the sum of its input maps, by a path of ones through its first channels, with He's normal weights (He et
al. 2015) beside it: a GLN's first output is nearly the bilinear image, LN-Only's is the bilinear image, and they learn
what is missing. GN-Only starts at random. The fast network and the baselines' networks say themselves how they start.
"""

import functools
import math
from typing import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import columns, convolutions, fast_network, images, parallel, patch_discriminator, precision, starts
from gln_jax.baselines import bccnn, srcnn

DETAIL_WIDTHS = {4: (512, 256, 512), 8: (256, 256, 256)}
"""Units of the detail stream's hidden layers, for each scale."""

LOCAL_LAYERS = {
    'ln4': ((5, 16), (7, 64), (5, 16), (5, 1)),
    'ln6': ((5, 16), (7, 32), (7, 64), (7, 32), (5, 16), (5, 1)),
    'ln8': ((5, 16), (7, 32), (7, 64), (7, 64), (7, 64), (7, 32), (5, 16), (5, 1)),
    'ln3': ((5, 8), (5, 16), (5, 1)),  # not in the paper: small enough for the quickstart
}
"""(kernel size, filters) of each convolution of the local networks."""

PARTS = {'gln3': ('gn',), 'gln4': ('gn',), 'gln6': ('gn', 'gln4'), 'gln8': ('gn', 'gln4', 'gln6')}
"""Networks whose parameters a network may start from, besides its own (`starts.from_part`)."""

COLUMNS_AT_ONCE_ON_TPU = 2
"""Neighbouring columns that the local network's convolutions take as one, where `config.columns_at_once` leaves it open."""

COLUMNS_AT_ONCE_WHERE_NARROW = 2
"""Likewise, at least, of layers with one or two channels on a side: elsewhere, too, these take a third of the time so."""

RECONSTRUCTION = 1
"""Which of the discriminator's two classes means 'a reconstruction'; the other means 'a real HR image'."""


def generator(config):
    """The Flax module that `config.network` and `config.scale` name: LR [n, h, w, 1] -> HR [n, h*scale, w*scale, 1]."""
    if config.network == 'fast':
        return fast_network.FastGlobalLocalNetwork(config.scale, **config.fast)
    if config.network == 'srcnn':
        return srcnn.Srcnn(config.scale)
    if config.network == 'bccnn':
        return bccnn.Bccnn(config.scale)
    if config.network == 'gn':
        return GlobalNetwork(config.scale)
    if config.network == 'gn_only':
        return GlobalNetworkOnly(config.scale)
    if config.network == 'ln_only':
        return LocalNetworkOnly(config.scale, columns_at_once=_columns_at_once(config))
    return GlobalLocalNetwork(config.scale, 'ln' + config.network.removeprefix('gln'), _columns_at_once(config))


def discriminator(config):
    """The Flax module that `config.adversarial.discriminator` names: HR [n, 128, 128, 1] -> logits [n, 2] or [n, h, w, 2]."""
    return patch_discriminator.PatchDiscriminator() if config.adversarial.discriminator == 'patch' else Discriminator()


def _columns_at_once(config):
    return config.columns_at_once or (COLUMNS_AT_ONCE_ON_TPU if jax.default_backend() == 'tpu' else 1)


def upsampler(config, parameters):
    """The compiled function of LR luminance [n, h, w, 1] in [0, 1] to HR luminance [n, h*scale, w*scale, 1], not clipped.

    Both are float32; a batch is split over this host's devices where it can be.
    """
    return functools.partial(parallel.over_devices(precision.applied(generator(config), jnp.float32)), parameters)


def with_mirror_image(upsampler):
    """`upsampler` twice: the mean of what it makes of an image, and, mirrored back, of its mirror image.

    A face is about as likely as its mirror image, so that their errors partly cancel (Timofte et al. 2016, "enhanced
    prediction").
    """
    return lambda lr: (upsampler(lr) + upsampler(lr[:, :, ::-1])[:, :, ::-1]) / 2


class GlobalLocalNetwork(nn.Module):
    """GLN: the global network's two maps, joined by a local network."""

    scale: int
    local: str = 'ln8'
    columns_at_once: int = 1

    @nn.compact
    def __call__(self, lr):
        maps = jnp.concatenate(_global_maps(self.scale, lr), axis=-1)
        return LocalNetwork(LOCAL_LAYERS[self.local], self.columns_at_once, name='local')(maps)


class GlobalNetwork(nn.Module):
    """The global network's two maps, summed: what a GLN gives whose local network only passes them on.

    On a CPU it trains a hundred times as fast as GLN4, which can start from it (`train.py --init`).
    """

    scale: int

    @nn.compact
    def __call__(self, lr):
        return sum(_global_maps(self.scale, lr))


def _global_maps(scale, lr):
    """The two maps of the global network, [n, h*scale, w*scale, 1] each, made inside the module that calls."""
    return Upsampling(scale, name='upsampling')(lr), Detail(scale, last_layer_gain=0.01, name='detail')(lr)


class GlobalNetworkOnly(nn.Module):
    """The ablation GN-Only: the fully connected stream gives the HR image itself."""

    scale: int

    @nn.compact
    def __call__(self, lr):
        return Detail(self.scale, name='detail')(lr)


class LocalNetworkOnly(nn.Module):
    """The ablation LN-Only: GLN8's local network on the bilinearly upsampled image."""

    scale: int
    columns_at_once: int = 1

    @nn.compact
    def __call__(self, lr):
        network = LocalNetwork(LOCAL_LAYERS['ln8'], self.columns_at_once, name='local')
        return network(images.upsample(lr, self.scale, 'bilinear'))


class Upsampling(nn.Module):
    """The upsampling stream: one deconvolution, kernel 2 x stride, that starts as bilinear interpolation.

    A deconvolution whose kernel is twice its stride is a 2x2 convolution to stride^2 channels, dealt out as pixels; this
    form computes the same without the zeros. The image is continued by its border pixels, not by black.
    """

    scale: int

    @nn.compact
    def __call__(self, lr):
        stride = self.scale
        kernel = self.param('kernel', bilinear_kernel, (2 * stride, 2 * stride))
        bias = self.param('bias', nn.initializers.zeros, (1,))
        lr = jnp.pad(lr, ((0, 0), (1, 1), (1, 1), (0, 0)), mode='edge')
        # Output pixel stride * i + a takes LR pixel i - 1 by kernel row stride + a and LR pixel i by kernel row a.
        taps = kernel.reshape(2, stride, 2, stride)[::-1, :, ::-1].transpose(0, 2, 1, 3).reshape(2, 2, 1, stride**2)
        blocks = jax.lax.conv_general_dilated(lr, taps, (1, 1), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
        n, rows, columns, _ = blocks.shape
        hr = blocks.reshape(n, rows, columns, stride, stride).transpose(0, 1, 3, 2, 4)
        hr = hr.reshape(n, rows * stride, columns * stride, 1) + bias
        return hr[:, stride // 2:-(stride // 2), stride // 2:-(stride // 2)]


class Detail(nn.Module):
    """The global detail stream: fully connected layers from all LR pixels to a signed map of all HR pixels."""

    scale: int
    last_layer_gain: float = 1.0

    @nn.compact
    def __call__(self, lr):
        n, height, width, _ = lr.shape
        code = lr.reshape(n, height * width)
        for units in DETAIL_WIDTHS[self.scale]:
            code = nn.relu(nn.Dense(units, kernel_init=nn.initializers.he_normal())(code))
        small_normal = nn.initializers.variance_scaling(self.last_layer_gain, 'fan_in', 'normal')
        detail = nn.Dense(height * width * self.scale**2, kernel_init=small_normal)(code)
        return detail.reshape(n, height * self.scale, width * self.scale, 1)


class LocalNetwork(nn.Module):
    """Convolutions at full resolution, stride 1, same padding, ReLU between them, the last one linear.

    `columns_at_once` changes how it is computed (`columns`), and neither its result nor its parameters.
    """

    layers: tuple
    columns_at_once: int = 1

    @nn.compact
    def __call__(self, maps):
        folds = 1
        for kernel_size, filters in self.layers:
            is_last = filters == 1
            is_narrow = min(maps.shape[-1] // folds, filters) <= 2
            before, folds = folds, max(self.columns_at_once, COLUMNS_AT_ONCE_WHERE_NARROW if is_narrow else 1)
            maps = columns.folded(columns.unfolded(maps, before), folds)
            maps = Conv(kernel_size, filters, starts.pass_on if is_last else starts.pass_on_and_he_normal, folds)(maps)
            maps = maps if is_last else nn.relu(maps)
        return columns.unfolded(maps, folds)


class Conv(nn.Module):
    """A convolution of maps [n, h, w / columns_at_once, columns_at_once * c], folded as of `columns`, likewise folded."""

    kernel_size: int
    filters: int
    kernel_init: Callable
    columns_at_once: int

    @nn.compact
    def __call__(self, maps):
        inputs = maps.shape[-1] // self.columns_at_once
        kernel = self.param('kernel', self.kernel_init, (self.kernel_size, self.kernel_size, inputs, self.filters))
        bias = self.param('bias', nn.initializers.zeros, (self.filters,))
        maps = convolutions.convolved(maps, columns.folded_kernel(kernel, self.columns_at_once))
        return maps + jnp.tile(bias, self.columns_at_once)


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


def bilinear_kernel(key, shape, dtype=jnp.float32):
    """The deconvolution kernel [2 * stride, 2 * stride] of bilinear interpolation."""
    del key
    stride = shape[0] // 2
    tent = 1 - np.abs(np.arange(2 * stride) - (2 * stride - 1) / 2) / stride
    return jnp.asarray(np.outer(tent, tent), dtype)


def parameter_count(parameters):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(parameters))
