"""From a photograph to a photograph with restored faces, on arrays."""

import concurrent.futures
import os
from typing import NamedTuple

import numpy as np
from PIL import Image

from gln_jax import images
from gln_jax.data import alignment
from gln_jax.data.image_files import reading
from gln_jax.photos import face_upsampling, pasting
from gln_jax.photos.uncertainty import Trust, judged
from gln_jax.runtime import errors

MOST_PIXELS_MADE = 50_000_000
"""A photograph is not enlarged beyond so many pixels: 2 times at 12 megapixels, for time and memory that anybody
has."""

STRIP = 64
KERNEL_REACH = 3
"""Rows of the photograph that are enlarged at once, and rows above and below that the interpolation looks at."""

SMALLEST_SIDE = 8
"""Pixels below which no face can be in a photograph."""


class Face(NamedTuple):
    """One face of a photograph. Positions and sizes are in pixels of the photograph.

    `restored` and `trust` are None where the face was left alone.
    """

    eyes: tuple  # ((x, y), (x, y)), the left one in the image first
    box: tuple  # (x, y, width, height): the detector's, or that of the aligned face where the eyes were given
    source_pixels: float  # what the aligned face's side of 128 pixels spans in the photograph
    note: str  # what was done with it, and why
    lr: np.ndarray  # uint8 RGB [128 / scale, 128 / scale, 3], what the network was given (its luminance)
    restored: np.ndarray | None = None  # uint8 RGB [128, 128, 3], aligned
    trust: Trust | None = None


class Restoration(NamedTuple):
    image: np.ndarray  # uint8, the photograph at `factor` times its size; channels as given
    factor: int
    faces: tuple  # of Face, from the left to the right
    notes: tuple  # sentences on the photograph as a whole


def restore(image, eyes=None, upsampler=None, *, detector=None, force=False, only_center_face=False, consistent=True,
            disagreement=True):
    """A photograph enlarged by a network's scale, its small faces restored by the network and the rest bicubic.

    A face whose aligned 128x128 square spans 128 pixels of the photograph or more is left alone, and where no network was
    chosen, one of which interpolation keeps more. Where no face is smaller than that, the photograph keeps its size; and
    where MOST_PIXELS_MADE would be passed, it is enlarged less.

    Args:
        image: uint8 [H, W], or [H, W, C] with C = 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
        eyes: a list of ((x, y), (x, y)) for each face, in pixels, the left eye in the image first; None looks for
            faces.
        upsampler: a `face_upsampling.FaceUpsampler`, several as in `face_upsampling.for_size`, or a path to load one from
            at every call; None loads the best of each scale, of which each face gets the one for its size.
        detector: for looking for faces, as `detection.detect` takes it.
        force: restore all faces, however large.
        only_center_face: restore only the face nearest to the middle.
        consistent: make the restored face's degradation equal to what the network was given, by back-projection.
        disagreement: measure `trust.Trust.disagreement`, for three more passes through the network.

    Raises:
        InputError: the image is too small or too large, eyes are given that are no face's or lie outside of it, or there
            is no upsampler.
        ValueError: the image is not such an array.
    """
    upsamplers = _upsamplers(upsampler, disagreement)
    pixels = _checked(image)
    height, width = pixels.shape[:2]
    colour = pixels[..., :pixels.shape[-1] - 1] if pixels.shape[-1] in (2, 4) else pixels
    rgb = reading.rgb(pixels)
    places, notes = _places(rgb, eyes, detector)
    if only_center_face and places:
        places = [min(places, key=lambda place: alignment.from_middle(place[0], rgb))]
    faces, luminances, transforms = [], [], []
    for place, box in places:
        transform = alignment.to_template(place)
        face, luminance = _restored_face(rgb, place, box, transform, upsamplers, force, consistent, disagreement)
        faces.append(face)
        luminances.append(luminance)
        transforms.append(transform)

    factor, more_notes = _factor(width, height, faces, max(upsampler.scale for upsampler in upsamplers))
    canvas = _enlarged(pixels, factor)
    to_photo = alignment.inverse(alignment.enlargement(factor))
    for face, luminance, transform in zip(faces, luminances, transforms):
        if face.restored is not None:
            pasting.paste(canvas[..., :colour.shape[-1]], luminance, alignment.after(transform, to_photo))
    return Restoration(canvas.reshape(*canvas.shape[:2], *image.shape[2:]), factor, tuple(faces), notes + more_notes)


def _upsamplers(given, disagreement):
    """The tuple of FaceUpsamplers that `restore` was given or has to load."""
    if isinstance(given, face_upsampling.FaceUpsampler):
        return given,
    if isinstance(given, tuple):
        return given
    batch_size = 4 if disagreement else 1  # one face after the other, in four variants where it is measured
    if given is None:
        return face_upsampling.load_each_scale(batch_size)
    return face_upsampling.load(given, batch_size=batch_size),


def _checked(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.ndim == 3 and not 1 <= image.shape[-1] <= 4:
        raise ValueError(f'a photograph is uint8 [H, W] or [H, W, 1 to 4], not {image.dtype} {list(image.shape)}')
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise errors.InputError(f'is {width}x{height} pixels, too small for a face; a photograph has at least '
                                f'{SMALLEST_SIDE}x{SMALLEST_SIDE}')
    if height * width > reading.MOST_PIXELS:
        raise errors.InputError(f'is {width}x{height} pixels; at most {reading.MOST_PIXELS / 1e6:,.0f} million can be '
                                'restored')
    return image.reshape(height, width, -1)


def _places(rgb, eyes, detector):
    """([(eyes, box)] from the left to the right, notes)."""
    if eyes is None:
        from gln_jax.photos import detection  # only where it is needed: it loads its cascades
        found = [(face.eyes, tuple(face.box)) for face in detection.detect(rgb, detector)]
        notes = () if found else ('no face was found, so that it was enlarged by bicubic interpolation alone; the eyes '
                                  'can be given by hand',)
    else:
        found = [(_checked_eyes(pair, rgb.shape[1], rgb.shape[0]), None) for pair in eyes]
        notes = ()
    return sorted(found, key=lambda place: place[0][0][0]), notes


def _checked_eyes(pair, width, height):
    points = np.asarray(pair, float)
    text = ','.join(f'{value:g}' for value in points.ravel())
    if points.shape != (2, 2):
        raise errors.InputError(f'eyes {text}: four numbers are needed, x1,y1,x2,y2')
    if not ((points >= -0.5).all() and (points <= [width - 0.5, height - 0.5]).all()):  # not a number is outside too
        raise errors.InputError(f'eyes {text}: lie outside of the picture, which is {width}x{height} pixels')
    if np.linalg.norm(points[1] - points[0]) < 1:
        raise errors.InputError(f'eyes {text}: are less than a pixel apart')
    return tuple(map(tuple, points.tolist()))


def _restored_face(rgb, eyes, box, transform, upsamplers, force, consistent, disagreement):
    """(Face, its luminance [128, 128] or None)."""
    source_pixels = images.FACE_SIZE / alignment.magnification(transform)
    if box is None:
        (left, top), (right, bottom) = pasting.extent(transform)
        box = (left, top, right - left, bottom - top)
    chosen = face_upsampling.for_size(upsamplers, source_pixels)
    upsampler = chosen or upsamplers[-1]
    lr_rgb = np.clip(alignment.lr_face(rgb, transform, upsampler.scale, upsampler.degradation) / 255, 0, 1)
    face = Face(tuple(eyes), tuple(map(float, box)), source_pixels, '', images.to_bytes(lr_rgb))
    if not (chosen or force):
        return face._replace(note=f'left alone: it spans {source_pixels:.0f} pixels already, and ' + (
            f'a restored face {images.FACE_SIZE}' if source_pixels >= images.FACE_SIZE else
            f'would be restored from {upsampler.lr_size}x{upsampler.lr_size}')), None
    result = face_upsampling.restore(upsampler, lr_rgb[None], consistent, disagreement)
    note = 'restored'
    if source_pixels > face_upsampling.MOST_REDUCED * upsampler.lr_size:
        note = (f'restored from {upsampler.lr_size}x{upsampler.lr_size} pixels, to which its {source_pixels:.0f} were '
                'reduced; interpolation keeps more of it')
    return face._replace(note=note, restored=result.rgb[0],
                         trust=judged(upsampler, result, source_pixels)[0]), result.luminance[0]


def _factor(width, height, faces, scale):
    """(how many times the photograph is enlarged, notes); `scale` is for one in which no face was found."""
    if faces:
        scale = max((images.FACE_SIZE // face.lr.shape[0] for face in faces
                     if face.restored is not None and face.source_pixels < images.FACE_SIZE), default=1)
    if scale == 1:
        return 1, ('keeps its size, since no face in it is small',)
    largest = max(1, int((MOST_PIXELS_MADE / (width * height)) ** 0.5))
    if largest >= scale:
        return scale, ()
    return largest, (f'was enlarged {largest} instead of {scale} times, to keep to {MOST_PIXELS_MADE / 1e6:,.0f} '
                     'million pixels; the faces alone are in full size',)


def _enlarged(pixels, factor):
    """uint8 [H * factor, W * factor, C] by bicubic interpolation, as Pillow does it; colours count by their alpha.

    It is made strip by strip, several at once: Pillow's own copies of the whole would take a gigabyte.
    """
    if factor == 1:
        return pixels.copy()
    height, width, channels = pixels.shape
    enlarged = np.empty((height * factor, width * factor, channels), np.uint8)

    def enlarge(top):
        bottom = min(top + STRIP, height)
        first, last = max(0, top - KERNEL_REACH), min(height, bottom + KERNEL_REACH)
        strip = pixels[first:last]
        picture = Image.fromarray(strip[..., 0] if channels == 1 else strip)
        picture = picture.resize((width * factor, (bottom - top) * factor), Image.Resampling.BICUBIC,
                                 box=(0, top - first, width, bottom - first))
        enlarged[top * factor:bottom * factor] = np.asarray(picture).reshape(-1, width * factor, channels)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(enlarge, range(0, height, STRIP)))  # a list, so that an error comes up
    return enlarged
