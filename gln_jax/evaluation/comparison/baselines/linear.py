"""What linear methods share: the moments of pairs of LR and HR faces, and a linear map from the one to the other."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images

AT_ONCE = 256  # faces; in doubles these are 34 MB


class Moments(NamedTuple):
    """Of faces as rows of pixels in [0, 1], float64; divided by the number of faces."""

    lr_mean: np.ndarray  # [l], l LR pixels
    hr_mean: np.ndarray  # [h], h HR pixels
    lr_covariance: np.ndarray  # [l, l]
    hr_lr_covariance: np.ndarray  # [h, l]


def moments(hr, scale, degradation):
    """`Moments` of training faces uint8 [n, H, W, 1] and their LR faces, in one pass over the faces."""
    lr = low_resolution(hr, scale, degradation)
    lr_mean = lr.mean(axis=0)
    hr_mean = np.mean(hr, axis=0, dtype=np.float64).reshape(-1) / 255
    centred = lr - lr_mean
    covariance = np.zeros((len(hr_mean), len(lr_mean)))
    for start in range(0, len(hr), AT_ONCE):
        covariance += (rows(hr[start:start + AT_ONCE]) - hr_mean).T @ centred[start:start + AT_ONCE]
    return Moments(lr_mean, hr_mean, centred.T @ centred / len(hr), covariance / len(hr))


def low_resolution(hr, scale, degradation):
    """LR faces as rows, float64 [n, H/scale * W/scale] in [0, 1], of faces uint8 [n, H, W, 1].

    As `images.degrade`, but in doubles: solving for weights magnifies the rounding of single precision.
    """
    down, across = (images.reduction_matrix(size, scale, degradation).astype(np.float64) for size in hr.shape[1:3])
    parts = [down @ (np.asarray(hr[start:start + AT_ONCE], np.float64)[..., 0] / 255) @ across.T
             for start in range(0, len(hr), AT_ONCE)]
    return np.concatenate(parts).reshape(len(hr), -1)


def rows(hr):
    """uint8 [n, H, W, 1] as float64 [n, H * W] in [0, 1]."""
    return np.asarray(hr, np.float64).reshape(len(hr), -1) / 255


def model(matrix, moments):
    """What `restorer` takes: HR = hr_mean + matrix (LR - lr_mean), as float32."""
    return {'matrix': matrix.astype(np.float32), 'lr_mean': moments.lr_mean.astype(np.float32),
            'hr_mean': moments.hr_mean.astype(np.float32)}


def restorer(model, scale):
    """The function of LR faces [n, h, w, 1] to HR faces [n, h*scale, w*scale, 1] that `model` (of a fit) is."""
    arrays = {name: jnp.asarray(model[name]) for name in ('matrix', 'lr_mean', 'hr_mean')}
    return functools.partial(_restored, arrays, scale)


@functools.partial(jax.jit, static_argnums=1)
def _restored(model, scale, lr):
    n, height, width, _ = lr.shape
    hr = model['hr_mean'] + jnp.matmul(lr.reshape(n, -1) - model['lr_mean'], model['matrix'].T, precision='highest')
    return hr.reshape(n, height * scale, width * scale, 1)
