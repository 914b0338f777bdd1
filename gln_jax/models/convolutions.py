"""The networks' convolution, on CPUs in the form that they compute faster: in the Fourier domain or directly.

Kernels of 3x3 and 7x7 between many channels go through `fourier`. In the direct form, XLA's CPU backend takes the gradient of a
kernel as a convolution whose window is the image. Over a batch of images it reaches a quarter to a half of the processor's
peak, over pieces that fit into its caches three quarters, if the gradient has more channels than the maps. Where it has
fewer, the two change places.
"""

import contextlib

import jax
import jax.numpy as jnp

from gln_jax.models import fourier

FORMS = 'direct', 'fourier'

FEWEST_CHANNELS = {3: 40, 7: 16}
"""On both sides, from which a kernel of this size is faster in the Fourier domain on CPUs (docs/speed.md)."""

_form = 'fourier'

MANY_CHANNELS = 32
"""From so many on, a kernel's gradient is taken piece by piece on CPUs."""

PIECE = 4096
"""Pixels of a piece, at most: rows of one image, or several images."""


@contextlib.contextmanager
def traced_in(form):
    """What is traced inside has all convolutions in the direct form ('direct'), or in the faster one of both ('fourier')."""
    global _form
    before, _form = _form, form
    try:
        yield
    finally:
        _form = before


@jax.custom_vjp
def convolved(maps, kernel):
    """Maps [n, h, w, c] convolved with a kernel [k, k', c, filters] of odd k and k', stride 1, same padding."""
    if _is_faster_by_fourier(maps, kernel):
        return jax.lax.platform_dependent(maps, kernel, cpu=fourier.convolved, default=_plain)
    return _plain(maps, kernel)


def form_here(parameters, dtype):
    """The form on this device: 'fourier' if one of the kernels among the parameters goes that way, or 'direct'."""
    takes_fourier = any(_goes_through_fourier(leaf.shape, dtype) for leaf in jax.tree.leaves(parameters))
    return 'fourier' if takes_fourier and jax.default_backend() == 'cpu' else 'direct'


def _is_faster_by_fourier(maps, kernel):
    return _goes_through_fourier(kernel.shape, maps.dtype)


def _goes_through_fourier(shape, dtype):
    """Whether maps of this type and a kernel of this shape [k, k', c, filters] take that form on CPUs."""
    return (_form == 'fourier' and dtype != jnp.bfloat16 and len(shape) == 4 and shape[0] == shape[1] in FEWEST_CHANNELS
            and min(shape[2:]) >= FEWEST_CHANNELS[shape[0]])


def _plain(maps, kernel, padding='SAME'):
    precision = 'highest' if maps.dtype == jnp.float32 else None  # said here, since gradients are taken outside of `precision`
    return jax.lax.conv_general_dilated(maps, kernel, (1, 1), padding, dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
                                        precision=precision)


def _forward(maps, kernel):
    return convolved(maps, kernel), (maps, kernel)


def _backward(saved, gradient):
    if _is_faster_by_fourier(*saved):
        return jax.lax.platform_dependent(*saved, gradient, cpu=fourier.gradients, default=_direct_gradients)
    return _direct_gradients(*saved, gradient)


def _direct_gradients(maps, kernel, gradient):
    of_maps, = jax.linear_transpose(lambda maps: _plain(maps, kernel), maps)(gradient)
    size = kernel.shape[:2]
    of_kernel = jax.lax.platform_dependent(maps, gradient, cpu=lambda *both: _on_cpu(*both, size),
                                           default=lambda *both: _of_kernel(*both, size))
    return of_maps, of_kernel


convolved.defvjp(_forward, _backward)


def _of_kernel(maps, gradient, size, padding='SAME'):
    """The gradient [*size, c, filters] of a kernel, from maps [n, h, w, c] and the result's gradient [n, h, w, filters]."""
    kernel = jax.ShapeDtypeStruct((*size, maps.shape[-1], gradient.shape[-1]), maps.dtype)
    return jax.linear_transpose(lambda kernel: _plain(maps, kernel, padding), kernel)(gradient)[0]


def _on_cpu(maps, gradient, size):
    if maps.shape[-1] > gradient.shape[-1]:  # a tap that looks right from the maps looks left from the gradient
        return _on_cpu(gradient, maps, size)[::-1, ::-1].swapaxes(2, 3)
    if gradient.shape[-1] < MANY_CHANNELS:
        return _of_kernel(maps, gradient, size)
    # Written out, as XLA computes convolutions a hundred times as slowly in its loops.
    return sum(_of_kernel(*piece, size, padding).astype(jnp.float32)
               for *piece, padding in _pieces(maps, gradient, size)).astype(maps.dtype)


def _pieces(maps, gradient, size):
    """(maps, gradient, padding) of some images each, or of some rows of one, with the rows about them that its taps see."""
    count, height, width, _ = maps.shape
    images, rows = max(1, PIECE // (height * width)), max(1, PIECE // width)
    above, beside = size[0] // 2, size[1] // 2
    padded = jnp.pad(maps, ((0, 0), (above, above), (0, 0), (0, 0)))
    for image in range(0, count, images):
        for row in range(0, height, rows):
            seen = padded[image:image + images, row:row + rows + 2 * above]
            yield seen, gradient[image:image + images, row:row + rows], ((0, 0), (beside, beside))
