"""Eigentransformation, the linear model of whole faces whose place GLN's fully connected stream takes.

Source: X. Wang and X. Tang, "Hallucinating face by eigentransformation", IEEE Transactions on Systems, Man, and
Cybernetics C 35(3), 2005. An LR face is written in the first eigenfaces of the LR training faces, and these as weighted
sums of training faces; the same weights on the HR training faces give the HR face. That is least squares from the
first principal components of LR to HR, and so one matrix.

The paper also bounds the HR face's coefficients in HR eigenfaces, against weights learnt from few faces; this is left out.
"""

import numpy as np

from gln_jax.evaluation.comparison.baselines import linear

SETTINGS = {'components': 256}
"""LR eigenfaces kept, at most as many as LR pixels or training faces less one. All of them are best for 10,000 faces; a
few hundred faces teach fewer: 64 of 300 drawn ones."""

restorer = linear.restorer

SMALLEST = 1e-12
"""Eigenfaces whose variance is a smaller share of the largest are rounding errors."""


def fit(hr, scale, degradation, components=SETTINGS['components']):
    """The linear map of the eigentransformation; arguments and result as in `gln_jax.evaluation.comparison.baselines`."""
    moments = linear.moments(hr, scale, degradation)
    variances, eigenfaces = np.linalg.eigh(moments.lr_covariance)
    kept = np.flatnonzero(variances > SMALLEST * variances[-1])[-components:]
    inverse = eigenfaces[:, kept] / variances[kept] @ eigenfaces[:, kept].T
    return linear.model(moments.hr_lr_covariance @ inverse, moments)
