"""Pictures with many faces, or tilted ones, made of photographs with one known face each, for `measure_detection`."""

import numpy as np

from gln_jax import images
from gln_jax.data import alignment

LARGE = 4000, 3000
"""Width and height of the large picture."""

LARGE_SPANS, GROUP_SPAN, PAIR_SPAN = (40, 60), 48, 96
"""Pixels that the aligned crop spans in each picture."""

GROUP = 10
"""Faces along each side of the group."""

CELL = 1.6
"""Side of the part of a photograph that is used, in sides of the aligned crop: some of what is around the face too."""

BACKGROUND = 120


def large(photos):
    """(uint8 RGB [3000, 4000, 3], the eyes, complex [n, 2]) of all photographs' faces, in a grid of growing sizes.

    photos: a list of (file, uint8 RGB [H, W, 3], eyes as complex [2]).
    """
    width, height = LARGE
    columns = int(np.ceil((len(photos) * width / height) ** 0.5))
    pitch = width // columns
    canvas, truth = np.full((height, width, 3), BACKGROUND, np.uint8), []
    for number, span in enumerate(np.linspace(*LARGE_SPANS, len(photos))):
        _put(canvas, truth, photos[number], span, (number % columns * pitch, number // columns * pitch))
    return canvas, np.array(truth)


def group(photos):
    """In the same way, 100 faces close together; where there are fewer photographs, they come again."""
    pitch = int(GROUP_SPAN * CELL)
    canvas, truth = np.full((GROUP * pitch, GROUP * pitch, 3), BACKGROUND, np.uint8), []
    for number in range(GROUP * GROUP):
        _put(canvas, truth, photos[number % len(photos)], GROUP_SPAN, (number % GROUP * pitch, number // GROUP * pitch))
    return canvas, np.array(truth)


def pair(tilted, upright, degrees):
    """(uint8 RGB, the eyes, complex [2, 2]) of a face tilted clockwise and of another, upright beside it."""
    pitch = int(PAIR_SPAN * CELL)
    canvas, truth = np.full((pitch, 2 * pitch, 3), BACKGROUND, np.uint8), []
    _put(canvas, truth, tilted, PAIR_SPAN, (0, 0), degrees)
    _put(canvas, truth, upright, PAIR_SPAN, (pitch, 0))
    return canvas, np.array(truth)


def _put(canvas, truth, photo, span, corner, degrees=0):
    """Puts a face with its surroundings into a picture, its crop spanning so many pixels, and adds its eyes to `truth`."""
    _, image, eyes = photo
    size = int(span * CELL)
    (left, _), (right, _) = images.TEMPLATE_EYES
    turn = (right - left) * span / images.FACE_SIZE / abs(eyes[1] - eyes[0]) * np.exp(1j * np.radians(degrees))
    down = 1j * (eyes[1] - eyes[0]) / abs(eyes[1] - eyes[0])
    face = eyes.mean() + down * 0.4 * abs(eyes[1] - eyes[0])  # the middle of the face
    move = (size - 1) / 2 * (1 + 1j) - turn * face
    part = alignment.warp(image, np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]]),
                          (size, size))
    x, y = corner
    canvas[y:y + size, x:x + size] = np.clip(np.round(part), 0, 255)
    truth.append(turn * eyes + move + x + 1j * y)
