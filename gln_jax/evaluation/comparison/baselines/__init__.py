"""The methods that GLN is compared with, under one interface.

A method is a module of this package with

- `SETTINGS`: what it takes besides faces, {name: value}, chosen on validation faces at 8x;
- `fit(hr, scale, degradation, **settings)`: what it learns of training faces, {name: array};
- `restorer(model, scale)`: of what `fit` returned, the function of LR faces to HR faces.

Training faces `hr` are luminance as bytes, uint8 [n, 128, 128, 1]; a memory map will do. LR faces are float32
[n, 128 / scale, 128 / scale, 1] in [0, 1], HR faces float32 [n, 128, 128, 1], not clipped.

SRCNN and BCCNN lie here too, but they are networks, which train.py trains (`config.network`).

KK is left out: kernel regression by Kim and Kwon (PAMI 32(6), 2010), with its natural image prior, is for images
of all kinds, not for faces, and of that kind SRCNN is here.
"""

from gln_jax.evaluation.comparison.baselines import lsf, mzq, pca

METHODS = {'pca': pca, 'mzq': mzq, 'lsf': lsf}
