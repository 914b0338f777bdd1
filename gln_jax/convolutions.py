"""The local networks' convolution, with a gradient of its kernel in a form that CPUs compute faster.

XLA's CPU backend takes the gradient of a kernel as a convolution whose window is the image, and reaches half of the
processor's peak over a batch of images, but four fifths over one image after the other, if the gradient has more
channels than the maps. Where it has fewer, the two change places.
"""

import jax
import jax.numpy as jnp

MANY_CHANNELS = 32
"""From so many on, a kernel's gradient is taken image by image on CPUs."""


@jax.custom_vjp
def convolved(maps, kernel):
    """Maps [n, h, w, c] convolved with a kernel [k, k', c, filters] of odd k and k', stride 1, same padding."""
    return _plain(maps, kernel)


def _plain(maps, kernel):
    return jax.lax.conv_general_dilated(maps, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def _forward(maps, kernel):
    return _plain(maps, kernel), (maps, kernel)


def _backward(saved, gradient):
    maps, kernel = saved
    of_maps, = jax.linear_transpose(lambda maps: _plain(maps, kernel), maps)(gradient)
    size = kernel.shape[:2]
    of_kernel = jax.lax.platform_dependent(maps, gradient, cpu=lambda *both: _on_cpu(*both, size),
                                           default=lambda *both: _of_kernel(*both, size))
    return of_maps, of_kernel


convolved.defvjp(_forward, _backward)


def _of_kernel(maps, gradient, size):
    """The gradient [*size, c, filters] of a kernel, from maps [n, h, w, c] and the result's gradient [n, h, w, filters]."""
    kernel = jax.ShapeDtypeStruct((*size, maps.shape[-1], gradient.shape[-1]), maps.dtype)
    return jax.linear_transpose(lambda kernel: _plain(maps, kernel), kernel)(gradient)[0]


def _on_cpu(maps, gradient, size):
    if maps.shape[-1] > gradient.shape[-1]:  # a tap that looks right from the maps looks left from the gradient
        return _on_cpu(gradient, maps, size)[::-1, ::-1].swapaxes(2, 3)
    if gradient.shape[-1] < MANY_CHANNELS:
        return _of_kernel(maps, gradient, size)
    # Written out, as XLA computes convolutions a hundred times as slowly in its loops.
    of_images = [_of_kernel(maps[image:image + 1], gradient[image:image + 1], size) for image in range(len(maps))]
    return sum(gradient.astype(jnp.float32) for gradient in of_images).astype(maps.dtype)
