"""Writes what the released networks make of a few fixed LR faces: the values that tests/test_golden.py compares with.

    python -m tools.golden

To be run when a weights file is released, and never to make a failing test pass. The LR faces, drawn ones, stay as the
file holds them.
"""

import pathlib

import numpy as np

from gln_jax import images, weights
from gln_jax.data.synthetic import drawing
from gln_jax.models import factory
from gln_jax.runtime import command_line, files

FILE = pathlib.Path(__file__).resolve().parents[1] / 'tests' / 'golden.npz'

SEEDS = (3, 14, 15)
"""Of the drawn faces."""

STRIDE = 3
"""Every third pixel of a row and of a column is kept: 3 shares no divisor with a scale, so that all phases are seen."""


def lr_faces(scale):
    """LR luminance float32 [3, 128 / scale, 128 / scale, 1] in [0, 1] of the drawn faces."""
    rgb = np.stack([drawing.draw_face(seed) for seed in SEEDS]) / np.float32(255)
    return np.asarray(images.degrade(images.luminance(rgb), scale))


def restored(name, values):
    """HR luminance float32 [2, 3, 43, 43] by the released network `name`: its own, and its mean with the mirror image."""
    loaded = weights.load_generator(name)
    lr = values[lr_name(loaded)]
    upsampler = factory.upsampler(loaded.config, loaded.parameters)
    both = [np.asarray(upsampler(lr)), np.asarray(factory.with_self_ensemble(upsampler)(lr))]
    return np.stack(both)[:, :, ::STRIDE, ::STRIDE, 0]


def lr_name(loaded):
    return f'lr_{loaded.config.scale}x'


def main():
    command_line.parser('tools.golden', __doc__).parse_args()
    values = dict(np.load(FILE)) if FILE.exists() else {}
    for name in weights.released():
        loaded = weights.load_generator(name)
        values.setdefault(lr_name(loaded), lr_faces(loaded.config.scale))
        values[name] = restored(name, values)
    with files.written_whole(FILE) as file:
        np.savez_compressed(file, **values)
    print(f'wrote {FILE.name}: {", ".join(values)}')


if __name__ == '__main__':
    main()
