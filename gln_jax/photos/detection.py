"""Finds the faces in a photo and their eyes.

Faces: two of OpenCV's Haar cascades (Viola and Jones, "Rapid Object Detection Using a Boosted Cascade of Simple
Features", CVPR 2001) with hardly any threshold, or YuNet where the user has its file. Eyes: each finding guesses them,
`eyes` moves them to where they are, and what then looks little like a face is dropped. So the cascades may be
permissive.
"""

import functools
import pathlib
from typing import NamedTuple

import cv2
import numpy as np

from gln_jax.photos import eyes as eye_regression
from gln_jax.runtime import errors

CASCADES = ('haarcascade_frontalface_default.xml', 'haarcascade_frontalface_alt.xml')

LEAST_LIKENESS = 0.2
"""Below it, what was found is no face. One in a hundred of the training faces is below it; half are above 0.9."""

DOUBT = 0.3
"""Added to it for each reason to doubt: only one of the cascades found the face; or it has hardly any contrast, as
stripes and folds in a background have that resemble a face."""

FAINT = 20.0
"""Contrast below which there is that doubt, as of `eyes.Refined`."""

SEARCHED_PIXELS = 600_000
"""A small photo is enlarged to so many pixels for the search, and one that is turned for it reduced to them."""

FINELY_SEARCHED_PIXELS = 3_000_000
"""A large photo is reduced to so many pixels: at 12 megapixels, a face of 60 pixels is found by it."""

LARGEST_ENLARGEMENT = 6

BOX_EYES = np.array([0.320 + 0.397j, 0.683 + 0.397j])
"""Eyes in a cascade's box, x + iy in its widths from its top left corner: medians over 250 faces."""

_SMALLEST = 8  # pixels from cheek to cheek: with less than 3 between the eyes they cannot be told apart
_SCALE_STEP = 1.1
_NEIGHBOURS = 1  # boxes that a cascade has to find about one place; 3 is usual, and misses more tiny faces
_ROLLS = (0, 30, -30)  # degrees that the photo is turned by, until there is a face; the cascades bear 15 or so
_AGREEMENT = 0.15  # eye distances between the eyes that two cascades lead to
_SAME_FACE = 1.0  # eye distances of the larger face; the next face cannot be nearer
_YUNET_SCORE = 0.6
_YUNET_OVERLAP = 0.3
_YUNET_KEPT = 5000
_PIXEL_CENTRE = 0.5 + 0.5j


class FoundFace(NamedTuple):
    eyes: tuple  # ((x, y), (x, y)) pixel centres in the photo, the left one in the image first
    box: tuple  # (x, y, width, height) in pixels, from the forehead to the chin; may reach over the photo's border
    score: float  # how much it looks like a face: about 1 for a clear one, `LEAST_LIKENESS` for the most doubtful


def detect(image, detector=None):
    """The faces in a photo, the largest first.

    The smallest found are 8 pixels from cheek to cheek in a small photo, and 1.2% of the longer side in a large one.

    Args:
        image: uint8 RGB [H, W, 3], upright.
        detector: path of a YuNet ONNX file for OpenCV's FaceDetectorYN; None is OpenCV's Haar cascades.

    Returns:
        A list of `FoundFace`, empty where no face is found. Profiles and faces that lie on their side are not found.

    Raises:
        InputError: the detector's file is missing or no such network.
        ValueError: the image is not uint8 RGB.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'uint8 RGB [H, W, 3] is needed, not {image.dtype} {list(image.shape)}')
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if detector is not None:
        guesses = _yunet_eyes(image, detector)
        found = [better if better.likeness >= LEAST_LIKENESS else eye_regression.Refined(guess, LEAST_LIKENESS, 0.0)
                 for guess, better in zip(guesses, eye_regression.refine(grey, guesses))]
        return _each_once(found)
    for roll in _ROLLS:
        found = _haar_faces(grey, roll)
        if found:
            return found
    return []


def check_detector(path):
    """Raises InputError where `detect` could not use the detector in this file."""
    _yunet_eyes(np.zeros((64, 64, 3), np.uint8), path)


def _haar_faces(grey, roll):
    guesses = haar_eyes(grey, roll)
    by_cascade = [eye_regression.refine(grey, pairs) for pairs in guesses]
    found = []
    for number, findings in enumerate(by_cascade):
        others = [other for each in by_cascade[:number] + by_cascade[number + 1:] for other in each]
        for finding in findings:
            doubts = (finding.contrast < FAINT) + (not any(_agree(finding.eyes, other.eyes) for other in others))
            if finding.likeness >= LEAST_LIKENESS + DOUBT * doubts:
                found.append(finding)
    return _each_once(found)


def haar_eyes(grey, roll):
    """Eyes as the cascades guess them, many of them no eyes at all and most of them several times.

    Args:
        grey: uint8 [H, W].
        roll: degrees by which the photo is turned for the search.

    Returns:
        For each cascade, a list of complex [2], x + iy in pixels of the photo.
    """
    scale = _search_scale(*_turned_size(*grey.shape, roll), roll)
    searched, turn, move = _turned(_resized(grey, scale), roll)
    least_width = max(1, round(_SMALLEST * scale))
    found = [cascade.detectMultiScale(searched, _SCALE_STEP, _NEIGHBOURS, minSize=(least_width, least_width))
             for cascade in _cascades()]
    return [[(x + 1j * y + width * BOX_EYES - move) / (turn * scale) - _PIXEL_CENTRE for x, y, width, _ in boxes]
            for boxes in found]


def _each_once(found):
    """`FoundFace`s of a list of `eyes.Refined`, the largest first; of those that are one face, the likeliest is
    kept."""
    kept = []
    for finding in sorted(found, key=lambda finding: -finding.likeness):
        if not any(_is_same_face(finding.eyes, other.eyes) for other in kept):
            kept.append(finding)
    return sorted((_found_face(finding) for finding in kept), key=lambda face: -face.box[2])


def _agree(pair, other):
    return np.abs(pair - other).max() < _AGREEMENT * abs(pair[1] - pair[0])


def _is_same_face(pair, other):
    distance = max(abs(pair[1] - pair[0]), abs(other[1] - other[0]))
    return abs(pair.mean() - other.mean()) < _SAME_FACE * distance


def _found_face(finding):
    pair = sorted(finding.eyes, key=lambda eye: eye.real)
    box_eyes = BOX_EYES.mean()
    width = abs(pair[1] - pair[0]) / abs(BOX_EYES[1] - BOX_EYES[0])
    corner = (pair[0] + pair[1]) / 2 - width * box_eyes
    box = tuple(float(number) for number in (corner.real, corner.imag, width, width))
    return FoundFace(tuple((float(eye.real), float(eye.imag)) for eye in pair), box, finding.likeness)


@functools.cache
def _cascades():
    return [cv2.CascadeClassifier(str(pathlib.Path(cv2.data.haarcascades, name))) for name in CASCADES]


def _search_scale(height, width, roll=0):
    """How large the copy that is searched is, relative to the photo."""
    area = height * width
    if area > SEARCHED_PIXELS and not roll:
        return min(1, (FINELY_SEARCHED_PIXELS / area) ** 0.5)
    return min(LARGEST_ENLARGEMENT, (SEARCHED_PIXELS / area) ** 0.5)


def _resized(picture, scale):
    size = [max(1, round(length * scale)) for length in (picture.shape[1], picture.shape[0])]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _turned(grey, roll):
    """The picture turned within a larger one; and turn and move, complex, with which a point goes there."""
    if not roll:
        return grey, 1, 0
    height, width = grey.shape
    turned_height, turned_width = _turned_size(height, width, roll)
    turn = np.exp(1j * np.radians(roll))
    move = (turned_width + 1j * turned_height) / 2 - turn * (width + 1j * height) / 2
    size = int(turned_width) + 1, int(turned_height) + 1
    shift = move + turn * _PIXEL_CENTRE - _PIXEL_CENTRE  # warpAffine counts from pixel centres
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE), turn, move


def _turned_size(height, width, roll):
    """Height and width of what holds a picture that was turned by so many degrees."""
    cosine, sine = np.abs([np.cos(np.radians(roll)), np.sin(np.radians(roll))])
    return height * cosine + width * sine, width * cosine + height * sine


def _yunet_eyes(image, path):
    """Eyes as YuNet finds them (Wu, Peng and Yu, "YuNet", Machine Intelligence Research 2023): a list of complex
    [2]."""
    if not pathlib.Path(path).is_file():
        raise errors.InputError(f'{path}: there is no such detector file')
    scale = _search_scale(*image.shape[:2])
    searched = cv2.cvtColor(_resized(image, scale), cv2.COLOR_RGB2BGR)
    try:
        network = cv2.FaceDetectorYN.create(str(path), '', searched.shape[1::-1], _YUNET_SCORE, _YUNET_OVERLAP,
                                             _YUNET_KEPT)
        rows = network.detect(searched)[1]
    except cv2.error as error:
        raise errors.InputError(f'{path}: OpenCV cannot use this file as a YuNet detector ({error.err})') from error
    # A row: box (4), then x, y of the person's right eye, left eye, nose and corners of the mouth, then the score.
    pairs = [row[[4, 6]] + 1j * row[[5, 7]] for row in ([] if rows is None else rows)]
    return [np.array(sorted((pair + _PIXEL_CENTRE) / scale - _PIXEL_CENTRE, key=lambda eye: eye.real))
            for pair in pairs if pair[0] != pair[1]]
