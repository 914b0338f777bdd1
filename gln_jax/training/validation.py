"""What a run measures on a few faces that it does not train on."""

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images, metrics
from gln_jax.data import faces as face_data
from gln_jax.data import photo_degradation
from gln_jax.models import factory
from gln_jax.runtime import devices, precision

BATCH_SIZE = 16
SHOWN = 8  # faces of the sample grid


def function(config):
    """The function of a state to (mean PSNR in dB, sample grid [H, W] in [0, 1]) on the validation faces."""
    hr, lr = faces(config)
    upsample = devices.over_devices(precision.applied(factory.generator(config), jnp.float32))
    shown = np.linspace(0, len(hr) - 1, min(len(hr), SHOWN)).astype(int)
    fixed = [images.upsample(lr[shown], config.scale, method) for method in ('nearest', 'bicubic')]

    def validate(state):
        batches = [upsample(state.average, lr[start:start + BATCH_SIZE]) for start in range(0, len(hr), BATCH_SIZE)]
        sr = np.clip(np.concatenate(batches), 0, 1)
        columns = [*fixed, sr[shown], hr[shown]]
        grid = jnp.concatenate([jnp.concatenate(list(column), axis=0) for column in columns], axis=1)
        return float(np.mean(metrics.psnr(sr, hr, 'paper'))), np.clip(np.asarray(grid)[..., 0], 0, 1)

    return validate


def faces(config):
    """(HR, LR) images of `config.validation`, [n, size, size, 1] and [n, size / scale, size / scale, 1] in [0, 1].

    With the degradation 'photo', each face comes clean and, after all of these, damaged, always in the same way.
    """
    of_split = face_data.load(config, config.validation.split)
    chosen = np.linspace(0, len(of_split) - 1, min(len(of_split), config.validation.faces)).astype(int)  # of all sources
    hr = np.stack([of_split.luminance(index) for index in chosen]) / np.float32(255)
    hr = images.of_size(hr, config.face_size)
    lr = images.degrade(hr, config.scale, config.degradation)
    if config.degradation == 'photo':
        damaged = photo_degradation.degrade(hr, config.scale, config.photo.to_dict() | {'clean': 0}, jax.random.key(0))
        return np.concatenate([hr, hr]), jnp.concatenate([lr, damaged])
    return hr, lr
