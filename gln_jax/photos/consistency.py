"""How well a restored face fits the LR face that it was made from, and making it fit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images
from gln_jax.data.photo_degradation import BLOCK, DCT

TURNS = 3
"""Turns of `back_projected`. One would do, if no pixel left [0, 1]."""

NOISE = {8: (1.1, 1.5), 4: (1.1, 1.5), 2: (1.7, 2.2)}
"""Grey levels of `noise`, by scale, in the difference between an LR face and what a network for photographs made of it, reduced:
up to the first all of it is projected back, from the second on nothing. By PSNR on faces of val, clean and with noise."""


def slack(jpeg_steps, lr_size, source_pixels):
    """By how much JPEG may have moved the coefficients of an LR face's 8x8 blocks: half a step, float32 [8, 8] in [0, 1].

    For an LR face that is a JPEG file itself, these are the quantisation intervals, to the bit. One that was resampled from
    a photograph has other blocks, and averages over its pixels where these are smaller: there, it is an estimate.

    Args:
        jpeg_steps: the photograph's quantisation steps of luminance [8, 8], in grey levels; None where it is no JPEG.
        lr_size: the LR face's height and width in pixels.
        source_pixels: what the face spans in the photograph.
    """
    if jpeg_steps is None:
        return np.zeros((8, 8), np.float32)
    return np.float32(np.asarray(jpeg_steps) / 2 / 255 * min(1, lr_size / source_pixels))


@functools.partial(jax.jit, static_argnums=(2, 3))
def consistency(hr, lr, scale, degradation, slack=None):
    """PSNR in dB between the degraded HR faces and the LR faces: float32 [n], infinite where they are equal.

    hr: [n, 128, 128, 1], lr: [n, 128 / scale, 128 / scale, 1], both in [0, 1]; slack: [n, 8, 8] of `slack`, by which a
    block's coefficients may differ and count as equal, None is none.
    """
    difference = _beyond(images.degrade(hr, scale, degradation) - lr, slack)
    return -10 * jnp.log10(jnp.mean(difference**2, axis=(1, 2, 3)))


@functools.partial(jax.jit, static_argnums=(2, 3))
def back_projected(hr, lr, scale, degradation, slack=None):
    """HR faces changed by a bicubic interpolation, such that their degradation gives the LR faces, up to the slack.

    This is where iterative back-projection (Irani and Peleg, "Improving resolution by image registration", CVGIP 1991)
    ends that enlarges what is missing bicubically, reached in one turn; the others are for what was clipped. Least
    change in the square mean, by the pseudo-inverse of the degradation, gained less on the validation faces: 0.050 dB
    and not 0.067. Towards what JPEG made of an LR face it goes only until that could have been made of it: up to the next
    border of the quantisation intervals. And a network for photographs leaves noise out, which is not put back: the more there
    is in what is missing, the less of it is projected. Shapes and range as in `consistency`; returns float32 [n, 128, 128, 1], clipped
    to [0, 1] after each turn.
    """
    back = back_projection(hr.shape[1], scale, degradation)
    if degradation == 'photo':
        missing = _beyond(lr - images.degrade(hr, scale, degradation), slack)
        none, all_of_it = NOISE[scale]
        left_out = jnp.clip((noise(missing) - none) / (all_of_it - none), 0, 1)
        lr = lr - left_out[:, None, None, None] * missing
    for _ in range(TURNS):
        missing = _beyond(lr - images.degrade(hr, scale, degradation), slack)
        change = jnp.einsum('hy,nyxc,wx->nhwc', back, missing, back, precision='highest')
        hr = jnp.clip(hr + change, 0, 1)
    return hr


def noise(pictures):
    """An estimate of the standard deviation of white noise, in grey levels, float32 [n], in pictures [n, h, w, 1] in [0, 1].

    Immerkaer, "Fast noise variance estimation", 1996: the mean absolute value of what two second differences leave.
    """
    left = jnp.diff(jnp.diff(pictures, 2, axis=1), 2, axis=2) / 6
    return 255 * np.sqrt(np.pi / 2) * jnp.maximum(left, -left).mean(axis=(1, 2, 3))


def _beyond(difference, slack):
    """What is left of a difference [n, h, w, 1] where the coefficients of its 8x8 blocks come nearer to 0 by `slack`."""
    if slack is None:
        return difference
    n, height, width, _ = difference.shape
    blocks = difference.reshape(n, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    coefficients = jnp.einsum('ky,naybx,lx->nabkl', DCT, blocks, DCT, precision='highest')
    slack = slack[:, None, None]
    coefficients -= jnp.clip(coefficients, -slack, slack)
    return jnp.einsum('ky,nabkl,lx->naybx', DCT, coefficients, DCT, precision='highest').reshape(difference.shape)


@functools.cache
def back_projection(size, scale, degradation):
    """The matrix float32 [size, size / scale] that makes of LR pixels the bicubic image whose degradation they are."""
    reduction = images.reduction_matrix(size, scale, degradation).astype(np.float64)
    enlargement = images.enlargement_matrix(size // scale, scale, 'bicubic')
    return (enlargement @ np.linalg.inv(reduction @ enlargement)).astype(np.float32)
