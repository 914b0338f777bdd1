"""From a photograph to a photograph with restored faces, on arrays."""

import concurrent.futures
import os
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps

from gln_jax import images
from gln_jax.data import alignment
from gln_jax.data.image_files import reading
from gln_jax.photos import consistency, detection, face_upsampling, loaded_upsamplers, pasting
from gln_jax.photos import eyes as eye_regression
from gln_jax.photos.uncertainty import Trust, judged
from gln_jax.runtime import errors, processes

MOST_PIXELS_MADE = 50_000_000
"""A photograph is not enlarged beyond so many pixels: 2 times at 12 megapixels, for time and memory that anybody
has."""

STRIP = 64
KERNEL_REACH = 3
"""Rows of the photograph that are enlarged at once, and rows above and below that the interpolation looks at."""

SWAPPED_LIKENESS = 0.4  # by so much more does a window look like a face with its eyes in the other order, where that is said
SMALLEST_SIDE = 8  # pixels below which no face can be in a photograph


class How(NamedTuple):
    """How a photograph is restored."""

    detector: str | None = None  # another YuNet file, as `detection.detect` takes it
    force: bool = False  # restore all faces, however large
    only_center_face: bool = False  # restore only the face nearest to the middle
    consistent: bool = True  # back-projection: what is restored gives what the network was given when it is reduced
    disagreement: bool = True  # measure `uncertainty.Trust.disagreement`, for three more passes through the network
    jpeg_steps: np.ndarray | None = None  # of a photograph that was a JPEG file, as in `reading.Picture`; read from a path


class Face(NamedTuple):
    """One face of a photograph. Positions and sizes are in pixels of the photograph.

    `restored` and `trust` are None where the face was left alone.
    """

    eyes: tuple  # ((x, y), (x, y)), the upright face's left one first
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


def restore(image, eyes=None, upsampler=None, sharpness=None, **how):
    """A photograph enlarged by a network's scale, its small faces restored by the network and the rest bicubic.

    A face whose aligned 128x128 square spans 128 pixels of the photograph or more is left alone, and where no network was
    chosen, one of which interpolation keeps more. Where no face is smaller than that, the photograph keeps its size; and
    where MOST_PIXELS_MADE would be passed, it is enlarged less. From several threads at once it gives the same bits.

    Args:
        image: uint8 [H, W], or [H, W, C] with C = 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha). Or a Pillow
            picture, which is turned upright by its EXIF data, or the path of a file.
        eyes: for each face ((x, y), (x, y)) or (x, y, x, y) in pixels, the eye first that is left in the upright face; of a
            single face that alone will do. None looks for faces.
        upsampler: a `face_upsampling.FaceUpsampler`, several as `face_upsampling.for_size` takes them, or what to load one
            from: a workdir, checkpoint, weights file or name. None is the best of each scale, of which each face gets the
            one for its size. What was loaded is kept for the next call.
        sharpness: from 0, by a reconstruction network, to 1, by the adversarial one that was trained on from it
            (`weights.sharpened`); None leaves the network as it is.
        how: the fields of `How`.
    Raises:
        InputError: the image is too small or too large, eyes are given that are no face's or lie outside of it, or there
            is no upsampler, or none of this sharpness.
        ValueError: the image is not such an array.
        TypeError: `How` has no such field.
    """
    if isinstance(image, (str, os.PathLike)):
        picture = reading.read(image)
        image, how = picture.pixels, {'jpeg_steps': picture.jpeg_steps} | how
    how = How(**how)
    batch_size = 4 if how.disagreement else 1  # one face after the other, in four variants where it is measured
    return restored(_pixels(image), eyes, loaded_upsamplers.all_of(upsampler, batch_size, sharpness), how)


def restored(image, eyes, upsamplers, how, tell=lambda step, steps, doing: None):
    """As `restore`, of an array by a tuple of FaceUpsamplers.

    tell: is called before each step with the number of steps done, of all steps, and what comes: finding the faces, each
        face, putting them in place.
    """
    processes.check_is_no_fork()
    pixels = _checked(image)
    height, width = pixels.shape[:2]
    colour = pixels[..., :pixels.shape[-1] - 1] if pixels.shape[-1] in (2, 4) else pixels
    rgb = reading.rgb(pixels)
    tell(0, 2, 'finding faces')
    places, notes = _places(rgb, eyes, how.detector)
    if how.only_center_face and places:
        places = [min(places, key=lambda place: alignment.from_middle(place[0], rgb))]
    faces, luminances, transforms = [], [], []
    for number, (place, box) in enumerate(places):
        tell(1 + number, 2 + len(places), f'face {number + 1} of {len(places)}')
        transform = alignment.to_template(place)
        face, luminance = _restored_face(rgb, place, box, transform, upsamplers, how)
        faces.append(face)
        luminances.append(luminance)
        transforms.append(transform)

    tell(1 + len(places), 2 + len(places), 'enlarging and pasting')
    factor, more_notes = _factor(width, height, faces, max(upsampler.scale for upsampler in upsamplers))
    canvas = _enlarged(pixels, factor)
    to_photo = alignment.inverse(alignment.enlargement(factor))
    for face, luminance, transform in zip(faces, luminances, transforms):
        if face.restored is not None:
            pasting.paste(canvas[..., :colour.shape[-1]], luminance, alignment.after(transform, to_photo))
    sizes = {face.lr.shape[0] for face in faces if face.restored is not None}
    more_notes += tuple(each.note for each in upsamplers if each.note and each.lr_size in sizes)
    tell(2 + len(places), 2 + len(places), 'writing')
    return Restoration(canvas.reshape(*canvas.shape[:2], *image.shape[2:]), factor, tuple(faces), notes + more_notes)


def _pixels(image):
    """The array of what `restore` takes as an image."""
    if not isinstance(image, Image.Image):
        return np.asarray(image)
    picture = ImageOps.exif_transpose(image)
    plain = {'1': 'L', 'La': 'LA', 'PA': 'RGBA', 'RGBa': 'RGBA', 'RGBX': 'RGB',
             'P': 'RGBA' if picture.has_transparency_data else 'RGB'}.get(picture.mode, picture.mode)
    if plain not in ('L', 'LA', 'RGB', 'RGBA'):
        raise ValueError(f"a Pillow picture of mode {plain} has no plain 8-bit colours: give its file's path, or "
                         "picture.convert('RGB')")
    return np.asarray(picture.convert(plain))


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
        found = [(face.eyes, tuple(face.box)) for face in detection.detect(rgb, detector)]
        notes = () if found else ('no face was found, so that it was enlarged by bicubic interpolation alone; the eyes '
                                  'can be given by hand',)
    else:
        found = [(_checked_eyes(pair, rgb.shape[1], rgb.shape[0]), None) for pair in _pairs(eyes)]
        notes = _notes_on_order(rgb, [place for place, _ in found])
    return sorted(found, key=lambda place: np.mean(place[0], axis=0)[0]), notes


def _pairs(eyes):
    """Eyes as `restore` takes them: a list of one for each face."""
    try:
        points = np.asarray(eyes, float)
    except (TypeError, ValueError):
        points = np.zeros(1)
    if points.size and not (points.shape in ((4,), (2, 2)) or points.shape[1:] in ((4,), (2, 2))):  # one face, or several
        raise errors.InputError(f'eyes {eyes}: are to be numbers, ((x1, y1), (x2, y2)) for each face')
    return list(points.reshape(-1, 2, 2))


def _checked_eyes(points, width, height):
    text = _text(points)
    if not ((points >= -0.5).all() and (points <= [width - 0.5, height - 0.5]).all()):  # not a number is outside too
        raise errors.InputError(f'eyes {text}: lie outside of the picture, which is {width}x{height} pixels')
    if np.linalg.norm(points[1] - points[0]) < 1:
        raise errors.InputError(f'eyes {text}: are less than a pixel apart')
    return tuple(map(tuple, points.tolist()))


def _text(points):
    return ','.join(f'{value:g}' for value in np.ravel(points))


def _notes_on_order(rgb, places):
    """A note for each face that looks far more like one with its eyes the other way round."""
    pairs = [np.array([complex(*eye) for eye in place]) for place in places]
    refined = eye_regression.refine(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), pairs + [pair[::-1] for pair in pairs])
    return tuple(f'eyes {_text(place)}: in this order the face stands on its head, and it looks the other way up; give the '
                 'eye first that is at the left when the face is seen upright'
                 for place, given, swapped in zip(places, refined, refined[len(places):])
                 if swapped.likeness > max(detection.LEAST_LIKENESS, given.likeness + SWAPPED_LIKENESS))


def _restored_face(rgb, eyes, box, transform, upsamplers, how):
    """(Face, its luminance [128, 128] or None)."""
    source_pixels = images.FACE_SIZE / alignment.magnification(transform)
    if box is None:
        (left, top), (right, bottom) = pasting.extent(transform)
        box = (left, top, right - left, bottom - top)
    chosen = face_upsampling.for_size(upsamplers, source_pixels)
    upsampler = (chosen or upsamplers[-1]).for_jpeg(how.jpeg_steps)
    lr_rgb = np.clip(alignment.lr_face(rgb, transform, upsampler.scale, upsampler.degradation) / 255, 0, 1)
    face = Face(tuple(eyes), tuple(map(float, box)), source_pixels, '', images.to_bytes(lr_rgb))
    if not (chosen or how.force):
        return face._replace(note=f'left alone: it spans {source_pixels:.0f} pixels already, and ' + (
            f'a restored face {images.FACE_SIZE}' if source_pixels >= images.FACE_SIZE else
            f'would be restored from {upsampler.lr_size}x{upsampler.lr_size}')), None
    slack = consistency.slack(how.jpeg_steps, upsampler.lr_size, source_pixels)
    result = face_upsampling.restore(upsampler, lr_rgb[None], how.consistent, how.disagreement, slack[None])
    note = 'restored'
    if source_pixels > face_upsampling.LIMITS[upsampler.scale]:
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
