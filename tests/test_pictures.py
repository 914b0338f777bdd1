"""Picture grids, and pictures as bytes."""

import jax.numpy as jnp
import numpy as np

from gln_jax import images
from gln_jax.runtime import picture_grid


def test_grid_places_every_picture_and_cuts_long_text():
    cells = [[np.full((8, 40, 3), 50 * (1 + row) + column, np.uint8) for column in range(2)] for row in range(2)]
    plain = picture_grid.grid(['', ''], cells, enlarge=3)
    for row in range(2):
        for column in range(2):
            assert (plain == 50 * (1 + row) + column).all(axis=-1).sum() == 8 * 40 * 9
    labelled = picture_grid.grid(['a title', 'far too long a title for so little'], cells, [['caption'] * 2] * 2, 'heading')
    assert labelled.shape[0] > plain.shape[0] - 2 * 8 and (labelled[:, -picture_grid.GAP:] == 255).all()
    assert picture_grid._fitting('far too long', picture_grid.ImageFont.load_default(size=15), 40).endswith('...')


def test_to_bytes_rounds_and_clips():
    assert images.to_bytes(jnp.array([-1.0, 0.4 / 255, 0.6 / 255, 1.0, 2.0])).tolist() == [0, 0, 1, 255, 255]
