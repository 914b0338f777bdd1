"""The layers of the paper's networks, in the forms that devices compute faster. What they give is the same, up to rounding."""

import contextlib
from typing import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gln_jax.models import convolutions

COLUMNS_AT_ONCE_WHERE_NARROW = 2
"""Neighbouring columns taken as one in layers with one or two channels on a side, which take a third of the time so."""

COLUMNS_AT_ONCE_ON_TPU = 2

_columns_at_once = None  # None: COLUMNS_AT_ONCE_ON_TPU on TPUs, 1 elsewhere


@contextlib.contextmanager
def columns_at_once(count):
    """What is traced inside takes so many neighbouring columns as one; they must divide an image's width."""
    global _columns_at_once
    before, _columns_at_once = _columns_at_once, count
    try:
        yield
    finally:
        _columns_at_once = before


class Conv(nn.Module):
    """A convolution of maps [n, h, w, c], stride 1, same padding, then its activation: [n, h, w, filters].

    A TPU multiplies matrices of 128x128; the paper's convolutions have 1 to 64 channels, and most of the unit idles. Two
    neighbouring columns [.., 2, c] taken as one of 2c channels are the same numbers in memory, and a convolution of them is
    one with a rearranged kernel: each of its taps that would lie outside the original kernel is zero. That is a fifth to two
    fifths more multiplications, on half as many, twice as full places.
    """

    kernel_size: int
    filters: int
    kernel_init: Callable
    activation: Callable = lambda maps: maps

    @nn.compact
    def __call__(self, maps):
        n, height, width, inputs = maps.shape
        kernel = self.param('kernel', self.kernel_init, (self.kernel_size, self.kernel_size, inputs, self.filters))
        bias = self.param('bias', nn.initializers.zeros, (self.filters,))
        columns = self._columns(inputs)
        maps = maps.reshape(n, height, width // columns, columns * inputs)
        maps = convolutions.convolved(maps, folded_kernel(kernel, columns)) + jnp.tile(bias, columns)
        return self.activation(maps).reshape(n, height, width, self.filters)

    def _columns(self, inputs):
        columns = _columns_at_once or (COLUMNS_AT_ONCE_ON_TPU if jax.default_backend() == 'tpu' else 1)
        return max(columns, COLUMNS_AT_ONCE_WHERE_NARROW) if min(inputs, self.filters) <= 2 else columns


def folded_kernel(kernel, columns):
    """The kernel by which so many columns, taken as one, are convolved as single ones are by `kernel`.

    [k, k, inputs, filters], k odd -> [k, k', columns * inputs, columns * filters], k' odd, about k / columns + 1 or 2.
    """
    height, width, inputs, filters = kernel.shape
    if columns == 1:
        return kernel
    reach = width // 2
    folded_reach = -(-reach // columns)
    offsets, places = np.arange(-folded_reach, folded_reach + 1), np.arange(columns)
    # Column `place` of the result takes column `other` of its neighbour at `offset` by this tap of the kernel.
    taps = columns * offsets[:, None, None] + places[None, :, None] - places[None, None, :] + reach
    one_hot = jnp.asarray(taps[..., None] == np.arange(width), kernel.dtype)  # [k', other, place, k]
    rearranged = jnp.einsum('yxif,kopx->ykoipf', kernel, one_hot, precision='highest')
    return rearranged.reshape(height, len(offsets), columns * inputs, columns * filters)


def pass_on(key, shape, dtype=jnp.float32):
    """A kernel [height, width, inputs, filters] whose filter 0 passes on the image, with zeros elsewhere.

    The image is what stands in channel 0, or the sum of both channels where there are only the two maps.
    """
    del key
    height, width, inputs, _ = shape
    return jnp.zeros(shape, dtype).at[height // 2, width // 2, :2 if inputs == 2 else 1, 0].set(1)


def pass_on_and_he_normal(key, shape, dtype=jnp.float32):
    """As `pass_on` for filter 0; the other filters as in He et al. 2015."""
    he_normal = nn.initializers.he_normal()(key, shape, dtype)
    return pass_on(key, shape, dtype).at[..., 1:].set(he_normal[..., 1:])


class Deconvolution(nn.Module):
    """A deconvolution of one map [n, h, w, 1] by `stride`, its kernel twice as wide, initially bilinear interpolation.

    That is a 2x2 convolution to stride^2 channels, dealt out as pixels; this form computes the same without the zeros. The
    image is continued by its border pixels, not by black.
    """

    stride: int

    @nn.compact
    def __call__(self, lr):
        stride = self.stride
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


def bilinear_kernel(key, shape, dtype=jnp.float32):
    """The deconvolution kernel [2 * stride, 2 * stride] of bilinear interpolation."""
    del key
    stride = shape[0] // 2
    tent = 1 - np.abs(np.arange(2 * stride) - (2 * stride - 1) / 2) / stride
    return jnp.asarray(np.outer(tent, tent), dtype)
