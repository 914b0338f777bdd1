"""The window of a photo that two eyes span, and the gradients in it: what `eyes` looks at.

An eye is a complex number here, x + iy in pixels: moving, turning and scaling a pair of eyes is then z -> turn * z +
move.
"""

import functools

import cv2
import numpy as np

from gln_jax import images

SIZE = 48  # height and width of a window's gradients, in samples
CELLS = 12  # cells along each side of a window
DIRECTIONS = 8  # directions of the gradient that are distinguished, over the whole turn

FEATURES = CELLS * CELLS * DIRECTIONS + 1
"""Numbers that describe a window; the last is always 1, so that a regression has a constant."""

TEMPLATE_EYES = np.array([complex(*eye) for eye in images.TEMPLATE_EYES])

_PITCH = 2.0  # pixels of an aligned face from one sample to the next: a window has less detail than a face of 64 pixels
_CENTRE = 64 + 60j  # of the window in the aligned face: from above the brows to the chin, ears outside
_SAMPLES = SIZE + 2  # a gradient takes the samples on either side


def sample(grey, eyes):
    """The samples of the window that two eyes span, turned and scaled with them: float32 [SIZE + 2, SIZE + 2] in [0, 255].

    `grey` is float32 [H, W] in [0, 255], mirrored beyond its border, `eyes` complex [2], the upright face's left one first.
    There are to be 4 to 25 pixels between them: nothing is blurred here against aliasing.
    """
    turn = (eyes[1] - eyes[0]) / (TEMPLATE_EYES[1] - TEMPLATE_EYES[0])
    corner = _CENTRE - _PITCH * (_SAMPLES - 1) / 2 * (1 + 1j)
    move = eyes[0] + turn * (corner - TEMPLATE_EYES[0])
    turn = turn * _PITCH
    matrix = np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
    return cv2.warpAffine(grey, matrix, (_SAMPLES, _SAMPLES), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REFLECT_101)


def describe(windows):
    """Histograms of the gradient's direction in each cell, relative to the contrast around it: float32 [n, FEATURES].

    After Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection" (CVPR 2005). `windows` are what `sample`
    gives, [n, SIZE + 2, SIZE + 2]. A window times a positive number, plus another, has nearly the same features.
    """
    across = windows[:, 1:-1, 2:] - windows[:, 1:-1, :-2]
    down = windows[:, 2:, 1:-1] - windows[:, :-2, 1:-1]
    strength = np.hypot(across, down)
    direction = np.arctan2(down, across) * (DIRECTIONS / (2 * np.pi)) % DIRECTIONS
    below = np.floor(direction)
    share_above = direction - below
    below = below.astype(int) % DIRECTIONS
    pooling = _pooling()
    histograms = np.empty((len(windows), DIRECTIONS, CELLS, CELLS), np.float32)
    for number in range(DIRECTIONS):
        share = np.where(below == number, 1 - share_above, 0)
        share += np.where((below + 1) % DIRECTIONS == number, share_above, 0)
        histograms[:, number] = pooling @ (strength * share).astype(np.float32) @ pooling.T
    contrast = np.sqrt((histograms ** 2).sum(axis=1))
    around = np.stack([cv2.blur(cells, (3, 3), borderType=cv2.BORDER_REPLICATE) for cells in contrast])
    floor = 0.1 * around.mean(axis=(1, 2), keepdims=True) + 1e-3  # so that noise in a flat cell stays small
    histograms /= (around + floor)[:, None]
    return np.concatenate([histograms.reshape(len(windows), -1), np.ones((len(windows), 1), np.float32)], axis=1)


@functools.cache
def _pooling():
    """[CELLS, SIZE]: each sample is shared between the two cells nearest to it."""
    width = SIZE // CELLS
    centres = (np.arange(CELLS)[:, None] + 0.5) * width - 0.5
    return (np.maximum(0, 1 - np.abs(np.arange(SIZE) - centres) / width) / width).astype(np.float32)
