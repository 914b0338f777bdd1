"""PSNR and SSIM under named protocols, and the uncertainty of their means.

The same images score up to 3 dB apart under different protocols, so that a score without its protocol says nothing:

| protocol  | compared channel                                           | border cut | SSIM window               |
|-----------|------------------------------------------------------------|------------|---------------------------|
| `paper`   | luminance of YUV (`images.LUMINANCE_WEIGHTS`), not rounded | none       | Gaussian 11x11, sigma 1.5 |
| `rgb`     | R, G and B together, not rounded                           | none       | Gaussian 11x11, sigma 1.5 |
| `y`       | MATLAB's Y, floored to whole numbers                       | none       | Gaussian 11x11, sigma 1.5 |
| `y-crop8` | MATLAB's Y, rounded to whole numbers                       | 8 pixels   | uniform 7x7               |

All values are on the scale of 0 to 255, and 255 is the peak of PSNR and the data range of SSIM. MATLAB's Y is
16 + 65.481 R + 128.553 G + 24.966 B with R, G and B in [0, 1], and so spans 16 to 235 only.

The scores equal scikit-image's to 1e-4 dB and 1e-4 of SSIM (tested for each protocol).
"""

import functools
from typing import Callable, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images

PEAK = 255.0
K1, K2 = 0.01, 0.03  # SSIM's two constants: C1 = (K1 * PEAK)^2 and C2 = (K2 * PEAK)^2 keep its divisions away from zero


class Protocol(NamedTuple):
    channels: Callable  # [n, H, W, 3 or 1] in [0, 1] -> what is compared, [n, H, W, 3 or 1] in 0..255
    border: int = 0  # HR pixels cut from each side before anything is measured
    window: np.ndarray = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)  # SSIM's weights along y and along x, up to a factor
    variance_factor: float = 1.0  # makes its variances unbiased


def _paper_luminance(values):
    if values.shape[-1] == 3:
        values = (values @ np.array(images.LUMINANCE_WEIGHTS))[..., None]
    return values * PEAK


def _matlab_luminance(values):
    return (16 + _colour(values) @ np.array([65.481, 128.553, 24.966]))[..., None]


def _colour(values):
    if values.shape[-1] != 3:
        raise ValueError(f'only the paper protocol takes luminance; this one compares RGB, got shape {values.shape}')
    return values


_TABLE = {
    'paper': Protocol(_paper_luminance),
    'rgb': Protocol(lambda values: _colour(values) * PEAK),
    'y': Protocol(lambda values: np.floor(_matlab_luminance(values))),
    'y-crop8': Protocol(lambda values: np.round(_matlab_luminance(values)), 8, np.ones(7), 49 / 48),
}

PROTOCOLS = tuple(_TABLE)


def psnr(restored, truth, protocol='paper'):
    """Peak signal-to-noise ratio of each image, in dB: 10 log10(255^2 / mean squared error), float64 [n].

    The mean runs over all pixels left by the protocol's border and, under 'rgb', over the three channels. An image that
    equals its truth scores infinity, and a pixel that is not a number makes its image's score not a number.

    Args:
        restored: images [n, H, W, 3], RGB in [0, 1]; what lies outside is clipped. Under 'paper' also luminance
            [n, H, W, 1], which is scored as it is: a network's output should not go through clipped colours first.
        truth: the images to match, of the same shape.
        protocol: one of PROTOCOLS.
    Raises:
        ValueError: the shapes differ, are not those above, or the protocol is unknown.
    """
    error = np.mean((np.subtract(*_compared(restored, truth, protocol))) ** 2, axis=(1, 2, 3))
    with np.errstate(divide='ignore'):
        return 10 * np.log10(PEAK ** 2 / error)


def ssim(restored, truth, protocol='paper'):
    """Structural similarity (Wang et al. 2004) of each image, at most 1, float64 [n]; arguments, errors as in `psnr`.

    Its map is averaged where the whole window lies inside the image (after the protocol's border was cut), so that
    nothing is made up outside: 118x118 places for the Gaussian window on a 128x128 image, 106x106 under 'y-crop8'.
    Under 'rgb' it is the mean of the three channels' SSIMs. Local variances are weighted means under the Gaussian
    window (scikit-image: gaussian_weights=True, sigma=1.5, use_sample_covariance=False) and the unbiased ones, times
    49 / 48, under the uniform window (scikit-image's defaults). Images smaller than the window raise ValueError too.
    """
    x, y = (values.astype(np.float32) for values in _compared(restored, truth, protocol))
    return np.asarray(_ssim(x, y, protocol), np.float64)


@functools.partial(jax.jit, static_argnames='protocol')
def _ssim(x, y, protocol):
    *_, window, variance_factor = _TABLE[protocol]
    down, across = (_sliding(window / window.sum(), length) for length in x.shape[1:3])
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    x, y = jnp.moveaxis(x, -1, 1), jnp.moveaxis(y, -1, 1)
    x, y = x - PEAK / 2, y - PEAK / 2  # single precision then suffices for the variances, which no shift changes
    windowed_means = jnp.einsum('yh,...hw,xw->...yx', down, jnp.stack([x, y, x * x, y * y, x * y]), across,
                                precision='highest')
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = windowed_means
    variance_x = variance_factor * (mean_xx - mean_x ** 2)
    variance_y = variance_factor * (mean_yy - mean_y ** 2)
    covariance = variance_factor * (mean_xy - mean_x * mean_y)
    mean_x, mean_y = mean_x + PEAK / 2, mean_y + PEAK / 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x ** 2 + mean_y ** 2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def gradient_energy(luminance):
    """How sharp each image is: the mean squared difference of neighbouring pixels, down and across; float64 [n].

    luminance: [n, H, W, 1] in [0, 1]. Compared with the truth's, it shows detail that is missing (below 1) from detail
    that is too much (above 1), though not whether it is the right detail.
    """
    luminance = np.asarray(luminance, np.float64)
    down, across = np.diff(luminance, axis=1), np.diff(luminance, axis=2)
    return np.mean(down ** 2, axis=(1, 2, 3)) + np.mean(across ** 2, axis=(1, 2, 3))


def _compared(restored, truth, protocol):
    if protocol not in _TABLE:
        raise ValueError(f'protocol {protocol!r} is not known; choose one of {", ".join(PROTOCOLS)}')
    restored, truth = (np.asarray(values, np.float64) for values in (restored, truth))
    if restored.shape != truth.shape or truth.ndim != 4 or truth.shape[-1] not in (1, 3):
        raise ValueError(f'images [n, H, W, 3 or 1] of one shape are compared, got {restored.shape} and {truth.shape}')
    channels, border, *_ = _TABLE[protocol]
    inside = slice(border, -border or None)
    return (channels(np.clip(values, 0, 1))[:, inside, inside] for values in (restored, truth))


def _sliding(weights, length):
    """[length - window + 1, length]: row i holds the window's weights from column i on."""
    if length < len(weights):
        raise ValueError(f'SSIM needs images of at least {len(weights)} pixels a side, this one has {length}')
    places = length - len(weights) + 1
    matrix = np.zeros((places, length), np.float32)
    for offset, weight in enumerate(weights):
        matrix[np.arange(places), np.arange(places) + offset] = weight
    return matrix


FEWEST_PEOPLE = 20  # below it the percentile bootstrap comes out too narrow, and no interval is given, whoever asks


def bootstrap_interval(values, level=0.95, groups=None, resamples=10_000, seed=0):
    """(low, high) of the percentile bootstrap interval of the mean of `values`, or None where there is none.

    Where people appear in several images, their scores are alike, and resampling images would claim too much: whole
    groups are drawn instead, with replacement, as many as there are.

    Args:
        values: one score per image, [n].
        level: the share of repetitions of the whole study whose interval should contain the true mean.
        groups: who is in each image, n hashable values (identities); without it every image is a group of its own.
        resamples: how many bootstrap samples are drawn. The same seed draws the same samples.
    Returns:
        A pair of floats in the unit of `values`; None for fewer than FEWEST_PEOPLE groups, or if any value is not finite.
    """
    values = np.asarray(values, np.float64)
    numbers = {}
    member_of = [numbers.setdefault(group, len(numbers)) for group in (range(len(values)) if groups is None else groups)]
    if len(member_of) != len(values):
        raise ValueError(f'{len(values)} values with {len(member_of)} groups')
    if len(numbers) < FEWEST_PEOPLE or not np.isfinite(values).all():
        return None
    sums, sizes = np.bincount(member_of, weights=values), np.bincount(member_of)
    from scipy import stats  # only now: it takes half a second to import
    found = stats.bootstrap(
        (sums, sizes), lambda sums, sizes, axis: sums.sum(axis) / sizes.sum(axis), paired=True, vectorized=True,
        confidence_level=level, n_resamples=resamples, method='percentile', rng=np.random.default_rng(seed),
        batch=max(1, 4_000_000 // len(sizes)))  # bounds the memory to some 100 MB for any number of images
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
