"""What several files of tests make up: pictures, and the shapes of a state."""

import functools
from typing import NamedTuple

import cv2
import numpy as np

from gln_jax import config as settings
from gln_jax import images
from gln_jax.training import steps


class Face(NamedTuple):
    image: np.ndarray
    file: str
    source: str
    identity: str


def made_up_faces(count, identities=None):
    """Smooth colour pictures, with some grain that no method can restore, each a little harder than the one before."""
    y, x = np.mgrid[:128, :128] / 128
    faces = []
    for i in range(count):
        generator = np.random.default_rng(i)
        waves = [np.sin(2 * np.pi * ((i % 4 + 1) * y + channel * x + i / 7)) for channel in (1, 2, 3)]
        grain = generator.normal(0, 0.01 * (1 + i), (128, 128, 3))
        image = images.to_bytes(0.5 + 0.3 * np.stack(waves, axis=-1) + grain)
        faces.append(Face(image, f'test/made_up/{i:03}.png', 'made_up', f'person {i % (identities or count)}'))
    return faces


def colours(height=40, width=60, channels=3, seed=0):
    """A smooth made-up picture, uint8 [height, width, channels]."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2).reshape(height, width, channels)


def state_shape(config, step=0):
    """The shapes of a run's state after so many steps, found once for each config."""
    return _state_shape(settings.to_json(config), step > config.reconstruction.steps)


@functools.cache
def _state_shape(config_json, is_in_stage_2):
    config = settings.from_json(config_json)
    return steps.shape_after(config, config.reconstruction.steps + is_in_stage_2)
