"""Measures how many faces are found in photos, and how exactly their eyes, at full size and reduced to tiny faces.

    python -m gln_jax.photos.measure_detection --photos=DIR [--every=N] [--detector=FILE]

DIR holds photos with one known face each and eyes.csv, which tells its eyes (`given_eyes.read_eyes_csv`). A face is
found where both eyes are within a quarter of the eye distance; errors are the larger of the two eyes', in eye
distances, over the faces found. A false face is a finding that is no known one; people in the background count as such
until somebody looks (--list names them). Reduced photos are made by Pillow's BICUBIC (antialiased) such that the
aligned crop spans 64, 32 and 16 pixels. The first rows of each size are simpler methods, to say what the rest brings.
The limits in `detection` were chosen looking at such photos; the matrices in `eyes` never saw them.
"""

import argparse
import pathlib
import time

import cv2
import numpy as np
import PIL.Image

from gln_jax import command_line, errors, images
from gln_jax.data.image_files import reading
from gln_jax.photos import detection, given_eyes

FOUND_WITHIN = 0.25
CROPS = (None, 64, 32, 16)
"""Widths of the aligned crop in pixels; None leaves the photo as it is."""

HEADER = 'photos       method                        found  median  90th pct  false  s/photo'


def main(arguments=None):
    """The command; see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=command_line.path, required=True, metavar='DIR')
    parser.add_argument('--every', default=1, type=command_line.count, metavar='N', help='measure every Nth photo only')
    parser.add_argument('--detector', type=command_line.path, metavar='FILE',
                        help='a YuNet ONNX file, measured beside the Haar cascades')
    parser.add_argument('--list', action='store_true', help='name the photos with missed and false faces')
    options = parser.parse_args(arguments)
    with errors.reported():
        photos = read_photos(pathlib.Path(options.photos))[::options.every]
        print(HEADER)
        for crop in CROPS:
            for name, method in methods(options.detector).items():
                measured = [Measured(file, *reduced(image, truth, crop), method) for file, image, truth in photos]
                report(crop, name, measured, options.list)


def methods(detector=None):
    """{name: function of a photo (uint8 RGB [H, W, 3]) to a list of `detection.FoundFace`}, from plain to all."""
    found = {'Haar eye cascade': haar_eye_cascade,
             'eyes from the box': eyes_from_the_box,
             'all: refined, checked': detection.detect}
    if detector:
        found['YuNet, refined'] = lambda image: detection.detect(image, detector)
    return found


def eyes_from_the_box(image):
    """What one cascade finds with its usual threshold, the eyes always at one place in its box."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return [_found(pair) for _, pair in _boxes(grey)]


def haar_eye_cascade(image):
    """Likewise, but with the eyes that the cascade for eyes finds in the upper half of the box, where it finds two."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return [_found(_eyes_in(searched, box, scale, pair)) for (searched, box, scale), pair in _boxes(grey)]


class Measured:
    """What a method found in one photo.

    Args:
        file: the photo's name.
        image: uint8 RGB [H, W, 3].
        truth: complex [2], the eyes.
        method: of `methods`.
    """

    def __init__(self, file, image, truth, method):
        start = time.perf_counter()
        faces = method(image)
        self.seconds = time.perf_counter() - start
        found = [np.array([complex(*eye) for eye in face.eyes]) for face in faces]
        offs = [np.abs(pair - truth).max() / abs(truth[1] - truth[0]) for pair in found]
        self.file = file
        self.error = min(offs, default=np.inf)
        self.false = sum(off > FOUND_WITHIN for off in offs)


def read_photos(directory):
    """A list of (file, uint8 RGB [H, W, 3], eyes as complex [2]), by file, of a folder with eyes.csv.

    Raises:
        InputError: the list or a photo is missing or cannot be read, or a photo has not just one face in the list.
    """
    photos = []
    for file, faces in sorted(given_eyes.read_eyes_csv(directory / 'eyes.csv').items()):
        if len(faces) != 1:
            raise errors.InputError(f'{directory / file}: {len(faces)} faces are listed, and one is needed')
        image = reading.rgb(reading.read(directory / file).pixels)
        photos.append((file, image, np.array([complex(*eye) for eye in faces[0]])))
    if not photos:
        raise errors.InputError(f'{directory / "eyes.csv"}: no photo is listed')
    return photos


def reduced(image, truth, crop):
    """A photo and its eyes, reduced such that the aligned face is `crop` pixels wide.

    Args:
        image: uint8 RGB [H, W, 3].
        truth: complex [2], the eyes in pixels.
        crop: pixels; None changes nothing.

    Returns:
        (uint8 RGB [h, w, 3], complex [2]).
    """
    if crop is None:
        return image, truth
    (left, _), (right, _) = images.TEMPLATE_EYES
    scale = (right - left) * crop / images.FACE_SIZE / abs(truth[1] - truth[0])
    height, width = image.shape[:2]
    size = round(width * scale), round(height * scale)
    smaller = np.asarray(PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.BICUBIC))
    at = truth + 0.5 + 0.5j
    return smaller, at.real * size[0] / width + 1j * at.imag * size[1] / height - 0.5 - 0.5j


def report(crop, name, measured, is_listed):
    """Prints one row of the table."""
    offs = np.array([one.error for one in measured])
    found = offs[offs <= FOUND_WITHIN]
    median, tenth = np.quantile(found, [0.5, 0.9]) if len(found) else (np.nan, np.nan)
    size = 'as they are' if crop is None else f'crop {crop} px'
    print(f'{size:12} {name:24} {len(found):4} of {len(offs):3} {median:7.3f} {tenth:9.3f} '
          f'{sum(one.false for one in measured):6} {np.mean([one.seconds for one in measured]):8.3f}', flush=True)
    if is_listed:
        print('   missed:', *(one.file for one in measured if one.error > FOUND_WITHIN))
        print('   false: ', *(one.file for one in measured if one.false))


def _boxes(grey):
    """Of each box of the plain method: (the copy searched, the box in it, its scale), and eyes in the photo."""
    scale = min(4.0, (250_000 / grey.size) ** 0.5)
    size = [round(length * scale) for length in (grey.shape[1], grey.shape[0])]
    searched = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + detection.CASCADES[0])
    for x, y, width, height in cascade.detectMultiScale(searched, 1.1, 3):
        pair = x + 1j * y + width * detection.BOX_EYES
        yield (searched, (x, y, width, height), scale), (pair + 0.5 + 0.5j) / scale - 0.5 - 0.5j


def _eyes_in(searched, box, scale, otherwise):
    x, y, width, height = box
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + 'haarcascade_eye.xml')
    found = cascade.detectMultiScale(searched[y:y + height * 6 // 10, x:x + width], 1.05, 3)
    centres = [x + left + eye / 2 + 1j * (y + top + eye / 2) for left, top, eye, _ in found]
    sides = [[centre for centre in centres if (centre.real > x + width / 2) == is_right] for is_right in (False, True)]
    if not all(sides):
        return otherwise
    return np.array([side[0] for side in sides]) / scale - 0.5 - 0.5j


def _found(pair):
    return detection.FoundFace(tuple((eye.real, eye.imag) for eye in pair), (0, 0, 0, 0), 1.0)


if __name__ == '__main__':
    main()
