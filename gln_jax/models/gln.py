"""The paper's generator (section 3, figure 2): the global network, the local one, and their join.

Images are luminance in [0, 1], shape [batch, height, width, 1]. The paper names no initial weights. Here a local
network first gives the sum of its input maps, by a path of ones through its first channels, with He's normal weights (He et
al. 2015) beside it: a GLN's first output is nearly the bilinear image, LN-Only's is the bilinear image, and they learn
what is missing. GN-Only is random at first. The fast network and the baselines' networks name their own.
"""

from typing import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images
from gln_jax.models import convolutions, initializers, width_folding

DETAIL_WIDTHS = {4: (512, 256, 512), 8: (256, 256, 256)}
"""Units of the detail stream's hidden layers, for each scale."""

LOCAL_LAYERS = {
    'ln4': ((5, 16), (7, 64), (5, 16), (5, 1)),
    'ln6': ((5, 16), (7, 32), (7, 64), (7, 32), (5, 16), (5, 1)),
    'ln8': ((5, 16), (7, 32), (7, 64), (7, 64), (7, 64), (7, 32), (5, 16), (5, 1)),
    'ln3': ((5, 8), (5, 16), (5, 1)),  # not in the paper: small enough for the quickstart
}
"""(kernel size, filters) of each convolution of the local networks."""

COLUMNS_AT_ONCE_WHERE_NARROW = 2
"""Neighbouring columns taken as one in layers with one or two channels on a side, which take a third of the time so."""


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

    On a CPU it trains a hundred times as fast as GLN4, which can begin with its weights (`train.py --init`).
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
    """The upsampling stream: one deconvolution, kernel 2 x stride, initially bilinear interpolation.

    A deconvolution whose kernel is twice its stride is a 2x2 convolution to stride^2 channels, dealt out as pixels; this
    form computes the same without the zeros. The image is continued by its border pixels, not by black.
    """

    scale: int

    @nn.compact
    def __call__(self, lr):
        stride = self.scale
        kernel = self.param('kernel', bilinear_kernel, (2 * stride, 2 * stride))
        bias = self.param('bias', nn.initializers.zeros, (1,))
        lr = jnp.concatenate([lr[:, :1], lr, lr[:, -1:]], axis=1)  # jnp.pad would take operations that ONNX has not
        lr = jnp.concatenate([lr[:, :, :1], lr, lr[:, :, -1:]], axis=2)
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
            maps = width_folding.folded(width_folding.unfolded(maps, before), folds)
            maps = Conv(kernel_size, filters, initializers.pass_on if is_last else initializers.pass_on_and_he_normal, folds)(maps)
            maps = maps if is_last else nn.relu(maps)
        return width_folding.unfolded(maps, folds)


class Conv(nn.Module):
    """A convolution of maps [n, h, w / columns_at_once, columns_at_once * c], folded by `width_folding`, and so is the result."""

    kernel_size: int
    filters: int
    kernel_init: Callable
    columns_at_once: int

    @nn.compact
    def __call__(self, maps):
        inputs = maps.shape[-1] // self.columns_at_once
        kernel = self.param('kernel', self.kernel_init, (self.kernel_size, self.kernel_size, inputs, self.filters))
        bias = self.param('bias', nn.initializers.zeros, (self.filters,))
        maps = convolutions.convolved(maps, width_folding.folded_kernel(kernel, self.columns_at_once))
        return maps + jnp.tile(bias, self.columns_at_once)


def bilinear_kernel(key, shape, dtype=jnp.float32):
    """The deconvolution kernel [2 * stride, 2 * stride] of bilinear interpolation."""
    del key
    stride = shape[0] // 2
    tent = 1 - np.abs(np.arange(2 * stride) - (2 * stride - 1) / 2) / stride
    return jnp.asarray(np.outer(tent, tent), dtype)
