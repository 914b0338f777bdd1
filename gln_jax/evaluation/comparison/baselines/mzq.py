"""Position patches: each patch of a face is a weighted sum of the training faces' patches at the same place.

Source: X. Ma, J. Zhang and C. Qi, "Hallucinating face by position-patch", Pattern Recognition 43(6), 2010. The weights
sum to one and are those that come nearest to the LR patch in the square mean; the same weights on the HR patches give
the HR patch. Where patches overlap, their mean is taken. There is no residue compensation, as in the paper.

With more training faces than pixels in a patch many weights come equally near. Of these we take the smallest in the
square mean (the paper leaves it open). The HR patch is then a linear function of the LR patch, that of least squares
from LR patches to HR patches, which `fit` finds once; the weights themselves are never needed. The patches' mean is
linear too, so that all of it is one matrix. That both ways give the same is tested.
"""

import numpy as np

from gln_jax import images
from gln_jax.evaluation.comparison.baselines import linear

SETTINGS = {'patch': 7, 'step': 1, 'ridge': 1e-9}
"""Height and width of a patch and the distance between neighbouring patches, in LR pixels; and the share of the mean
variance of a patch's pixels that is added to their variances, which keeps weights finite where patches are all alike."""

restorer = linear.restorer


def fit(hr, scale, degradation, patch=SETTINGS['patch'], step=SETTINGS['step'], ridge=SETTINGS['ridge']):
    """The linear map of all position patches; arguments and result as in `gln_jax.evaluation.comparison.baselines`."""
    moments = linear.moments(hr, scale, degradation)
    size = images.FACE_SIZE // scale
    lr_pixels, hr_pixels = _pixels(size), _pixels(images.FACE_SIZE)
    matrix, covered = np.zeros_like(moments.hr_lr_covariance), np.zeros(len(moments.hr_mean))
    starts = places(size, patch, step)
    for y in starts:
        for x in starts:
            of_lr = lr_pixels[y:y + patch, x:x + patch].reshape(-1)
            of_hr = hr_pixels[scale * y:scale * (y + patch), scale * x:scale * (x + patch)].reshape(-1)
            variance = moments.lr_covariance[np.ix_(of_lr, of_lr)]
            variance = variance + ridge * np.trace(variance) / len(of_lr) * np.eye(len(of_lr))
            matrix[np.ix_(of_hr, of_lr)] += moments.hr_lr_covariance[np.ix_(of_hr, of_lr)] @ np.linalg.pinv(
                variance, rcond=1e-12, hermitian=True)
            covered[of_hr] += 1
    return linear.model(matrix / covered[:, None], moments)


def places(size, patch, step):
    """Where patches start along a side of `size` pixels: every `step` pixels, and the last at the end."""
    return sorted({*range(0, size - patch, step), size - patch})


def _pixels(size):
    return np.arange(size * size).reshape(size, size)
