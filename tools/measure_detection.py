"""Measures how many faces are found in photographs, how exactly their eyes, and what it costs.

    python -m tools.measure_detection --photos=DIR [--every=N] [--detector=FILE]

DIR holds photographs with one known face each and eyes.csv with its eyes (`given_eyes.read_eyes_csv`). A face is found where
both eyes are within a quarter of the eye distance; errors are the larger of the two eyes', in eye distances, over the faces
found. A false face is a finding that is no known one; people in the background count as such until somebody looks (--list
names them). Reduced photographs are made by Pillow's BICUBIC (antialiased) such that the aligned crop spans so many pixels.
Below these rows come pictures made of the photographs (`made_photographs`): many faces in 12 megapixels, a group, and
tilted faces. Seconds are of the processor, all threads together. The limits in `detection` were chosen looking at such
photographs; the matrices in `eyes` never saw them.
"""

import argparse
import pathlib
import time

import numpy as np
import PIL.Image

from gln_jax import images
from gln_jax.data.image_files import reading
from gln_jax.photos import detection, given_eyes
from gln_jax.runtime import command_line, errors
from tools import made_photographs

FOUND_WITHIN = 0.25
CROPS = (None, 64, 32, 16)
"""Widths of the aligned crop in pixels; None leaves the photo as it is."""

TILTS = (0, 15, 30, 35, 40, 45, 60, 90, 120, 150, 180)
"""Degrees by which a face beside an upright one is tilted."""

TILTED = 6
"""Faces that are tilted by each."""

HEADER = 'photographs                     found  median  90th pct  false  s/photo'


def main(arguments=None):
    """The command; see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=command_line.path, required=True, metavar='DIR')
    parser.add_argument('--every', default=1, type=command_line.count, metavar='N', help='measure every Nth photo only')
    parser.add_argument('--detector', type=command_line.path, metavar='FILE',
                        help='another YuNet ONNX file')
    parser.add_argument('--list', action='store_true', help='name the photographs with missed and false faces')
    options = parser.parse_args(arguments)
    with errors.reported():
        photos = read_photos(pathlib.Path(options.photos))[::options.every]
        print(HEADER)
        for name, pictures in rows(photos):
            report(name, [Measured(*picture, options.detector) for picture in pictures], options.list)


def rows(photos):
    """Yields (name, an iterable of (file, image, faces)) for each row of the table; `photos` is of `read_photos`."""
    for crop in CROPS:
        name = 'as they are' if crop is None else f'crop {crop} px'
        yield name, ((file, *reduced(image, truth, crop)) for file, image, truth in photos)
    yield '12 megapixels, 40 to 60 px', [('canvas', *made_photographs.large(photos))]
    yield 'a group of 100, 48 px', [('canvas', *made_photographs.group(photos))]
    chosen = photos[::max(1, len(photos) // TILTED)][:TILTED]
    for tilt in TILTS:
        yield f'6 tilted by {tilt}, 6 upright', [(file, *made_photographs.pair(one, photos[number], tilt))
                                                    for number, one in enumerate(chosen) for file in [one[0]]]


class Measured:
    """What was found in one picture.

    Args:
        file: the picture's name.
        image: uint8 RGB [H, W, 3].
        truth: complex [2], the eyes, or [n, 2], those of n faces.
        detector: as `detection.detect` takes it.
    """

    def __init__(self, file, image, truth, detector=None):
        start = time.process_time()
        faces = detection.detect(image, detector)
        self.seconds = time.process_time() - start
        found = np.array([[complex(*eye) for eye in face.eyes] for face in faces]).reshape(-1, 1, 2)
        truth = np.reshape(truth, (1, -1, 2))
        offs = np.abs(found - truth).max(axis=2) / np.abs(truth[..., 1] - truth[..., 0])
        self.file = file
        self.errors = offs.min(axis=0, initial=np.inf)
        self.false = int((offs.min(axis=1, initial=np.inf) > FOUND_WITHIN).sum())


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


def report(name, measured, is_listed):
    """Prints one row of the table."""
    offs = np.concatenate([one.errors for one in measured])
    found = offs[offs <= FOUND_WITHIN]
    median, tenth = np.quantile(found, [0.5, 0.9]) if len(found) else (np.nan, np.nan)
    print(f'{name:29} {len(found):3} of {len(offs):3} {median:7.3f} {tenth:9.3f} {sum(one.false for one in measured):6} '
          f'{np.mean([one.seconds for one in measured]):8.3f}', flush=True)
    if is_listed:
        for title, files in (('missed:', [one.file for one in measured if (one.errors > FOUND_WITHIN).any()]),
                             ('false: ', [one.file for one in measured if one.false])):
            print(f'    {title} {", ".join(files)}')


if __name__ == '__main__':
    main()
