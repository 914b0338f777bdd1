"""How well a restored face fits the LR face that it was made from, and making it fit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images

TURNS = 3
"""Turns of `back_projected`. One would do, if no pixel left [0, 1]."""


@functools.partial(jax.jit, static_argnums=(2, 3))
def consistency(hr, lr, scale, degradation):
    """PSNR in dB between the degraded HR faces and the LR faces: float32 [n], infinite where they are equal.

    hr: [n, 128, 128, 1], lr: [n, 128 / scale, 128 / scale, 1], both in [0, 1].
    """
    difference = images.degrade(hr, scale, degradation) - lr
    return -10 * jnp.log10(jnp.mean(difference**2, axis=(1, 2, 3)))


@functools.partial(jax.jit, static_argnums=(2, 3))
def back_projected(hr, lr, scale, degradation):
    """HR faces changed as little as need be, in the square mean, for their degradation to give the LR faces.

    Each turn is a projection: where the LR face was made by that very degradation, without noise, the truth is among the
    images that fit, and no turn takes the result farther from it. (Iterative back-projection after Irani and Peleg, "Improving
    resolution by image registration", CVGIP 1991, with the pseudo-inverse of the degradation as its kernel.)
    Shapes and range as in `consistency`; returns float32 [n, 128, 128, 1], clipped to [0, 1] after each turn.
    """
    back = _pseudo_inverse(hr.shape[1], scale, degradation)
    for _ in range(TURNS):
        missing = lr - images.degrade(hr, scale, degradation)
        change = jnp.einsum('hy,nyxc,wx->nhwc', back, missing, back, precision='highest')
        hr = jnp.clip(hr + change, 0, 1)
    return hr


@functools.cache
def _pseudo_inverse(size, scale, degradation):
    return np.linalg.pinv(images.reduction_matrix(size, scale, degradation).astype(np.float64)).astype(np.float32)
