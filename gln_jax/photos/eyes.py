"""Moves roughly known eyes to where they are, and separates faces from what only looked like one.

A cascade of linear regressions, after Xiong and De la Torre, "Supervised Descent Method and Its Applications to Face
Alignment" (CVPR 2013): each step looks at the window that the eyes span and predicts how far both are off. There is one
cascade for each of three sizes of face, for the gradients of a tiny face are not those of a sharp one. A last
regression says how much the window that was arrived at looks like a face. `tools.train_eyes` makes the matrices.
"""

import functools
import pathlib
from typing import NamedTuple

import cv2
import numpy as np

from gln_jax.photos import face_windows

FILE = pathlib.Path(__file__).with_name('eye_regression.npz')

SIZES = {16: (0.0, 6.6), 32: (6.6, 13.0), 64: (13.0, np.inf)}
"""For each cascade, the eye distances that it is for, in pixels. It is named by the width of an aligned crop in
pixels."""

STEPS = 3  # regressions in a cascade
LARGEST_DISTANCE = 18.5  # faces with more pixels between the eyes are reduced to this: a window shows no more detail
_REACH = 3.0  # eye distances around the point between the eyes that are cut out of the photo
_PIXEL_CENTRE = 0.5 + 0.5j
_STRAYED = 2.0  # eye distances: a window this far from where it started shows something else than was asked about


class Refined(NamedTuple):
    eyes: np.ndarray  # complex [2] pixel centres in the photo, in the order of the guess
    likeness: float  # about 1 for a face and -1 for anything else; below 0.2 it is seldom a face
    contrast: float  # standard deviation of the luminance in the window, in [0, 128]; of faces mostly 25 to 70


def refine(grey, starts):
    """Where the eyes near some rough guesses are: a list of `Refined`.

    Args:
        grey: uint8 [H, W] in [0, 255].
        starts: a list of complex [2], the eyes as guessed, in pixels; off by up to 0.4 eye distances, in distance by up
            to 1.4 times and in roll by up to 30 degrees. A guess far from a face ends anywhere, with a low likeness.
    """
    found = [None] * len(starts)
    for size, (least, most) in SIZES.items():
        numbers = [number for number, eyes in enumerate(starts) if least <= abs(eyes[1] - eyes[0]) < most]
        if numbers:
            for number, refined in zip(numbers, _refine(grey, [starts[number] for number in numbers], size)):
                found[number] = refined
    return found


def regress(matrix, features, eyes):
    """The eyes, complex [n, 2] in pixels, moved by one step of a cascade.

    `matrix` [face_windows.FEATURES, 4] leads from `features` [n, face_windows.FEATURES] of the windows that the eyes span to
    how far right and down the left eye and the right eye are off, in eye distances.
    """
    off = features @ matrix
    distances = eyes[:, 1:] - eyes[:, :1]  # complex: the prediction's axes are the window's and turn with the eyes
    return eyes + distances * (off[:, 0::2] + 1j * off[:, 1::2])


def features_at(pictures, eyes):
    """[n, face_windows.FEATURES] of the windows that `eyes` (complex [n, 2]) span in n pictures, float32 [H, W]."""
    return face_windows.describe(np.stack([face_windows.sample(*pair) for pair in zip(pictures, eyes)]))


@functools.cache
def _matrices():
    with np.load(FILE) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


class _Cutting(NamedTuple):
    """The surroundings of a face, reduced where it is large."""
    picture: np.ndarray  # float32 [h, w]
    corner: complex  # its top left pixel in the photo
    scale: tuple  # across and down, at most 1: not quite the same, for the sides are whole pixels

    def inside(self, eyes):
        """Pixel centres of the photo in pixel centres of the picture."""
        eyes = eyes - self.corner + _PIXEL_CENTRE
        return eyes.real * self.scale[0] + 1j * eyes.imag * self.scale[1] - _PIXEL_CENTRE

    def outside(self, eyes):
        """The inverse of `inside`."""
        eyes = eyes + _PIXEL_CENTRE
        return eyes.real / self.scale[0] + 1j * eyes.imag / self.scale[1] - _PIXEL_CENTRE + self.corner


def _refine(grey, starts, size):
    matrices = _matrices()
    cuttings = [_cut_out(grey, eyes) for eyes in starts]
    pictures = [cutting.picture for cutting in cuttings]
    first = eyes = np.array([cutting.inside(start) for cutting, start in zip(cuttings, starts)])
    for step in range(STEPS):
        eyes = regress(matrices[f'step{step}_of_{size}'], features_at(pictures, eyes), eyes)
    windows = np.stack([face_windows.sample(*pair) for pair in zip(pictures, eyes)])
    likeness = face_windows.describe(windows) @ matrices[f'likeness_of_{size}']
    likeness = np.where(_has_strayed(first, eyes), -np.inf, likeness)
    return [Refined(cutting.outside(pair), float(score), float(contrast))
            for cutting, pair, score, contrast in zip(cuttings, eyes, likeness, windows.std(axis=(1, 2)))]


def _has_strayed(first, eyes):
    distance = np.abs(first[:, 1] - first[:, 0])
    growth = np.abs(eyes[:, 1] - eyes[:, 0]) / distance
    return (np.abs(eyes - first).max(axis=1) > _STRAYED * distance) | (growth < 1 / 3) | (growth > 3)


def _cut_out(grey, eyes):
    distance, centre = abs(eyes[1] - eyes[0]), eyes.mean()
    (left, right), (top, bottom) = (_span(at, _REACH * distance, length)
                                    for at, length in ((centre.real, grey.shape[1]), (centre.imag, grey.shape[0])))
    picture = grey[top:bottom, left:right]
    height, width = picture.shape
    if distance > LARGEST_DISTANCE:
        smaller = [max(1, round(length * LARGEST_DISTANCE / distance)) for length in (width, height)]
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    scale = picture.shape[1] / width, picture.shape[0] / height
    return _Cutting(picture.astype(np.float32), left + 1j * top, scale)


def _span(at, reach, length):
    """First pixel and last but one of what lies within `reach` of `at` and within 0..length: a pixel at least."""
    start = int(np.clip(at - reach, 0, length - 1))
    return start, int(np.clip(at + reach + 1, start + 1, length))
