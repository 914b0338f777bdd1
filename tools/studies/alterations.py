"""Faces altered on purpose: moved out of alignment, occluded, lit otherwise.

Pure functions of an aligned face, uint8 RGB [128, 128, 3], to another one. What has a direction takes it from the
face's number, one after the other, so that a set of faces has all directions.
"""

import cv2
import numpy as np

from gln_jax import images
from gln_jax.data import augmentation

DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # (x, y): right, down, left, up
FRAME, LENS, CLOTH, SKIN = (35, 30, 30), (20, 20, 25), (190, 205, 215), (196, 148, 124)
LENS_AXES = (15, 11)  # half the width and height of a lens, in pixels
TEMPLES = (20, 107)  # x where the glasses' frame ends, at the sides of a face
SIZE = images.FACE_SIZE


def shifted(face, pixels, number=0):
    """Moved by so many HR pixels: right, down, left or up, by the face's number; the border is mirrored."""
    x, y = DIRECTIONS[number % len(DIRECTIONS)]
    return augmentation.moved(face, shift=(pixels * x, pixels * y))


def rolled(face, degrees, number=0):
    """Turned about the picture's centre, anticlockwise for even numbers and clockwise for odd ones."""
    return augmentation.moved(face, degrees=-degrees if number % 2 else degrees)


def scaled(face, factor, number=0):
    """Enlarged by `factor` about the picture's centre, the same for all faces."""
    del number
    return augmentation.moved(face, scale=factor)


def gamma(face, exponent, number=0):
    """Values in [0, 1] raised to the power `exponent`: above 1 is darker. The same for all faces."""
    del number
    return cv2.LUT(face, np.round(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8))


def side_light(face, strength, number=0):
    """Light that falls off linearly across the picture to the share 1 - strength: to the right for even numbers."""
    ramp = np.linspace(1, 1 - strength, SIZE)
    return np.round(face * (ramp[::-1] if number % 2 else ramp)[:, None]).astype(np.uint8)


def glasses():
    """Bool [128, 128], the pixels of a dark frame about both eyes, with clear lenses."""
    return _drawn(lambda canvas: _frame(canvas, thickness=3))


def sunglasses():
    """Bool [128, 128], the pixels of a frame and dark lenses over both eyes."""
    return glasses() | _drawn(lambda canvas: _frame(canvas, thickness=cv2.FILLED))


def mouth_mask():
    """Bool [128, 128], the pixels of a cloth over nose tip, mouth and chin."""
    corners = [(28, 76), (64, 68), (100, 76), (96, 108), (80, 122), (48, 122), (32, 108)]
    return _drawn(lambda canvas: cv2.fillPoly(canvas, [np.array(corners)], 1))


def hand_on_cheek():
    """Bool [128, 128], the pixels of a patch of a hand's size, over one cheek and the corner of the mouth."""
    return _drawn(lambda canvas: cv2.ellipse(canvas, (92, 86), (18, 27), 15, 0, 360, 1, cv2.FILLED))


def hand_on_brow():
    """Bool [128, 128], the pixels of a patch of a hand's size, over one eye and the forehead above."""
    return _drawn(lambda canvas: cv2.ellipse(canvas, (42, 40), (20, 26), -20, 0, 360, 1, cv2.FILLED))


OCCLUSIONS = {'glasses': (glasses, FRAME), 'sunglasses': (sunglasses, LENS), 'mask': (mouth_mask, CLOTH),
              'hand on cheek': (hand_on_cheek, SKIN), 'hand on brow': (hand_on_brow, SKIN)}
"""{name: (function that gives the covered pixels, their colour)}."""


def covered(name):
    """Bool [128, 128], the pixels that the occlusion `name` covers in every face."""
    return OCCLUSIONS[name][0]()


def occluded(face, name, number=0):
    """With the pixels of the occlusion `name` in its colour, and all others as they were."""
    del number
    return np.where(covered(name)[..., None], np.array(OCCLUSIONS[name][1], np.uint8), face)


def _drawn(draw):
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    draw(canvas)
    return canvas > 0


def _frame(canvas, thickness):
    (left, height), (right, _) = images.TEMPLATE_EYES
    left, right, height = round(left), round(right), round(height)
    for x in (left, right):
        cv2.ellipse(canvas, (x, height), LENS_AXES, 0, 0, 360, 1, thickness)
    inner, outer = (left + LENS_AXES[0], right - LENS_AXES[0]), (left - LENS_AXES[0], right + LENS_AXES[0])
    for start, end in (inner, (TEMPLES[0], outer[0]), (outer[1], TEMPLES[1])):
        cv2.line(canvas, (start, height - 4), (end, height - 4), 1, 3)
