"""A trial: writes a global network at 8x whose last layer starts as a PCA basis of what bilinear interpolation lacks.

    python -m gln_jax.pca_start FACES START.safetensors && python train.py --config=configs/x8.py:gn --init=START.safetensors ...
"""

import json
import sys

import flax
import jax
import numpy as np
import safetensors.numpy

from gln_jax import config as settings
from gln_jax import images, networks, steps, weights
from gln_jax.data import faces as face_data


def main(path, output):
    config = settings.default()
    config.network = 'gn'
    config.data.update(name='folder', path=path)
    faces = face_data.load(config, 'train')
    hr = np.stack([faces.luminance(number) for number in range(0, len(faces), 4)]) / np.float32(255)
    lr = np.asarray(images.degrade(hr, config.scale, config.degradation))
    missing = (hr - np.asarray(images.upsample(lr, config.scale, 'bilinear'))).reshape(len(hr), -1)
    mean = missing.mean(axis=0)
    _, strengths, basis = np.linalg.svd(missing - mean, full_matrices=False)
    parameters = jax.tree.map(np.array, steps.create_state(config).generator)
    last = parameters['detail'][f'Dense_{len(networks.DETAIL_WIDTHS[config.scale])}']
    units = len(last['kernel'])
    basis = basis[:units] * strengths[:units, None]
    last['kernel'] = basis * (np.linalg.norm(last['kernel']) / np.linalg.norm(basis))
    last['bias'] = mean
    arrays = {name: np.asarray(array, np.float16)
              for name, array in flax.traverse_util.flatten_dict(parameters, sep='/').items()}
    safetensors.numpy.save_file(arrays, output, {
        'format': weights.FORMAT, 'config': settings.to_json(config), 'card': json.dumps({'provenance': {}})})


main(*sys.argv[1:])
