"""Restored faces are pasted so that nothing shows."""

import numpy as np
import pytest

from gln_jax.data import alignment
from gln_jax.photos import pasting
from made_up import colours


def pasted(monkeypatch=None, mask=None):
    """(before, after, transform): a face brighter than its surroundings by 30 levels, and with other detail."""
    canvas = colours(300, 320, seed=3)
    transform = alignment.to_template(((130.2, 140.6), (171.5, 130.1)))
    luminance = colours(128, 128, 1, seed=4)[..., 0] / np.float32(255) + np.float32(0.12)
    if mask is not None:
        monkeypatch.setattr(pasting, 'mask', lambda: mask)
    after = canvas.copy()
    pasting.paste(after, luminance, transform)
    return canvas, after, transform


def border_step(before, after, transform):
    """The largest mean step that pasting put across a line parallel to the face's border, in its outermost pixels."""
    change = alignment.warp(after.astype(np.float32) - before, transform, (128, 128))[..., 0]
    return max(np.abs(np.diff(change, axis=axis)).mean(axis=1 - axis)[where].max()
               for axis in (0, 1) for where in (slice(0, 6), slice(-6, None)))


def test_no_border_shows(monkeypatch):
    before, after, transform = pasted()
    texture = np.abs(np.diff(before.astype(float), axis=0)).mean()
    middle = alignment.warp(after.astype(np.float32) - before, transform, (128, 128))[32:96, 32:96]
    assert np.abs(middle).mean() > 5  # something was pasted,
    assert abs(middle.mean()) < 3  # and of its other brightness nothing is left
    assert border_step(before, after, transform) < 0.5 * texture
    hard = pasted(monkeypatch, np.ones((128, 128), np.float32))
    assert np.abs(hard[1].astype(int) - hard[0]).max() > 10 and border_step(*hard) > texture  # as the test would see it


def within(picture, transform, first, last):
    """Which of a picture's pixels lie in rows and columns `first` to `last` of the aligned face: bool [H, W]."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    in_face = alignment.moved(transform, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(height, width, 2)
    return ((in_face >= first) & (in_face <= last)).all(axis=-1)


def test_outside_the_mask_nothing_is_touched():
    before, after, transform = pasted()
    outside = ~within(before, transform, 0, 127)
    assert outside.sum() > 50_000
    np.testing.assert_array_equal(after[outside], before[outside])


@pytest.mark.parametrize('eyes, reaches_in', [
    (((-60, 20), (-20, 20)), True), (((5, 5), (60, 9)), True), (((3000, 20), (3040, 20)), False)])
def test_faces_that_reach_over_the_border_are_pasted_as_far_as_they_go(eyes, reaches_in):
    before, transform = colours(80, 90), alignment.to_template(eyes)
    after = before.copy()
    pasting.paste(after, np.full((128, 128), 0.5, np.float32), transform)
    changed = (after != before).any(axis=-1)
    well_inside = within(before, transform, pasting.FEATHER, 127 - pasting.FEATHER)
    assert well_inside.any() == changed.any() == reaches_in
    assert not reaches_in or changed[well_inside].mean() > 0.9
    assert not changed[~within(before, transform, 0, 127)].any()
