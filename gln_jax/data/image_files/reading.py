"""Reads pictures of any kind as plain, upright 8-bit sRGB."""

import contextlib
import pathlib
import struct
import threading
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from gln_jax.data.image_files import colours, formats, metadata, tiff, truncated
from gln_jax.runtime import errors, files

MOST_PIXELS = 110_000_000
"""Pictures with more pixels are not read: in memory each pixel takes 3 or 4 bytes, several times over."""

_EXIF_ORIENTATION = 0x0112
_TURNS = {2: np.fliplr, 3: lambda pixels: np.rot90(pixels, 2), 4: np.flipud, 5: lambda pixels: pixels.swapaxes(0, 1),
          6: lambda pixels: np.rot90(pixels, -1), 7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1), 8: np.rot90}
"""What makes a picture of each orientation upright. Pillow's own `exif_transpose` also writes all EXIF data anew, and
fails where any of them is unusual."""

_bomb_check = threading.Lock()


class Picture(NamedTuple):
    """One picture, upright.

    `pixels` is uint8 [height, width, channels]: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. `ending` is the key
    of `writing.FORMATS` for files like the one that it came from. `notes` are sentences on what the pixels do not show.
    `kept` is the metadata that a picture made from it keeps. `jpeg_steps` is float32 [8, 8], in grey levels, by which JPEG
    rounded the luminance of its blocks, rows by vertical frequency of the upright picture; None of another format.
    """

    pixels: np.ndarray
    ending: str
    notes: tuple
    kept: metadata.Metadata = metadata.Metadata()
    jpeg_steps: np.ndarray | None = None


def read(path):
    """The `Picture` in a file: of grey, RGB, CMYK, Lab, 16-bit or palette pixels, with or without alpha, turned by its EXIF
    data.

    Of an animated file it is the first frame, and of a TIFF file the first page that is no thumbnail. 16 bits become 8, and
    colours of another profile sRGB, which is what the pixels of a file without a profile mean. A JPEG that lacks its last
    bytes is read, with a note.

    Raises InputError where it is not there, may not be read, is empty, damaged, no picture, or one of more than MOST_PIXELS,
    its values have no known range, or its name is not UTF-8.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise errors.InputError(f'{path}: {"is a folder" if path.is_dir() else "no such file"}')
    files.check_name(path)
    try:
        file = path.open('rb')
    except OSError as error:
        raise errors.InputError(f'{path}: cannot be opened ({error.strerror})') from error
    with file:
        return decode(file, path)


def decode(file, name):
    """As `read`, of an open binary file that can seek; `name` is what errors call it."""
    try:
        with _without_warnings():
            start = file.read(4)
            file.seek(0)
            return _of_tiff(file) if start in tiff.STARTS else _by_pillow(file)
    except errors.InputError as error:
        raise errors.InputError(f'{name}: {error}') from error
    except Exception as error:  # the libraries raise whatever their parsers meet in a broken file
        raise errors.InputError(f'{name}: cannot be read as a picture ({_reason(error, file)})') from error


def rgb(pixels):
    """The colours alone, uint8 RGB [height, width, 3], of pixels as in `Picture`."""
    return pixels[..., :3] if pixels.shape[-1] > 2 else pixels[..., :1].repeat(3, axis=-1)


def check_size(width, height):
    """Raises InputError where a picture has more than MOST_PIXELS."""
    if width * height > MOST_PIXELS:
        raise errors.InputError(f'is {width}x{height} pixels, {width * height / 1e6:,.0f} million; at most '
                                f'{MOST_PIXELS / 1e6:,.0f} million can be read. Reduce it or cut it first')


def _of_tiff(file):
    stored = tiff.stored(file, check_size)
    file.seek(0)
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # Pillow raises whatever its parser meets
        exif.load_from_fp(file)
    file.seek(0)
    return Picture(_upright(stored, exif.get(_EXIF_ORIENTATION, 1)), 'png', stored.notes, metadata.kept(file.read()))


def _by_pillow(file):
    notes = ()
    with _opened(file) as picture:
        check_size(*picture.size)
        frames = 1 if picture.format == 'MPO' else getattr(picture, 'n_frames', 1)  # MPO: previews of a camera
        if frames > 1:
            notes = (f'has {frames} frames, of which the first is used',)
        try:
            stored = _stored(picture, file)
        except OSError as error:
            with _opened(truncated.with_end(file, picture.format, error)) as ended:
                stored = _stored(ended, file)
            notes += (truncated.NOTE,)
        ending = {'JPEG': 'jpg', 'MPO': 'jpg', 'WEBP': 'webp'}.get(picture.format, 'png')
        known = metadata.kept(picture.info.get('exif') or b'', picture.info.get('dpi'))
        return Picture(_upright(stored, _orientation(picture)), ending, notes, known, _jpeg_steps(picture))


class _Warnings:
    """The filters of Python's warnings, which all threads share: the last that reads a picture brings back what was."""

    lock, readers, silenced = threading.Lock(), 0, None


@contextlib.contextmanager
def _without_warnings():
    """Pillow's warnings are not shown: they are on metadata that nothing here depends on."""
    with _Warnings.lock:
        if not _Warnings.readers:
            _Warnings.silenced = warnings.catch_warnings()
            _Warnings.silenced.__enter__()
            warnings.simplefilter('ignore')
        _Warnings.readers += 1
    try:
        yield
    finally:
        with _Warnings.lock:
            _Warnings.readers -= 1
            if not _Warnings.readers:
                _Warnings.silenced.__exit__()


@contextlib.contextmanager
def _opened(file):
    """Pillow's picture of which only the header is read, of any size: its own limit does not name width and height."""
    with _bomb_check:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            picture = formats.opened(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with picture:
        yield picture


def _stored(picture, file):
    """`tiff.Stored` of a Pillow picture that was opened from `file`."""
    profile = colours.stored_profile(picture, file)
    if picture.format == 'PNG' and _needs_libpng(file):
        pixels = _by_libpng(file)
        space = 'grey' if pixels.shape[-1] < 3 else 'rgb'
        return tiff.Stored(*_without_alpha(pixels, pixels.shape[-1] in (2, 4)), space, profile, ())
    is_deep = picture.mode.startswith('I;16') or picture.mode == 'I' and picture.format == 'PPM'
    picture.load()
    if is_deep:  # Pillow would clip the values instead of scaling them
        return tiff.Stored(np.asarray(picture).astype(np.uint16)[..., None], None, 'grey', profile, ())
    if picture.mode in ('I', 'F'):
        raise errors.InputError('cannot be read: 32 bits per pixel, without a known range; convert it to 8 or 16 bits first')
    if picture.mode == 'CMYK':
        return tiff.Stored(np.asarray(picture), None, 'cmyk', profile, ())
    grey = picture.mode in ('1', 'L', 'LA', 'La')
    has_alpha = picture.has_transparency_data
    mode = ('L' if grey else 'RGB') + ('A' if has_alpha else '')
    if mode == 'LA' and picture.mode != 'LA':  # Pillow takes one transparent grey over into RGBA only
        picture = picture.convert('RGBA')
    pixels = np.asarray(picture.convert(mode))
    return tiff.Stored(*_without_alpha(pixels[..., None] if pixels.ndim == 2 else pixels, has_alpha),
                       'grey' if grey else 'rgb', profile, ())


def _without_alpha(pixels, has_alpha):
    return (pixels[..., :-1], pixels[..., -1:]) if has_alpha else (pixels, None)


def _upright(stored, orientation):
    """uint8 sRGB [H, W, 1 to 4], as in `Picture`."""
    pixels = colours.to_srgb(stored.pixels, stored.space, stored.profile)
    if stored.alpha is not None:
        pixels = np.concatenate([pixels, colours.to_8_bits(stored.alpha)], axis=-1)
    return np.ascontiguousarray(_TURNS.get(orientation, np.asarray)(pixels))


def _orientation(picture):
    """How a Pillow picture is turned, as EXIF counts it: 1 is upright, as one counts whose EXIF data are damaged."""
    try:
        return picture.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises whatever its parser meets
        return 1


def _jpeg_steps(picture):
    """As in `Picture`, of a Pillow picture."""
    tables = getattr(picture, 'quantization', None)
    if not tables or len(tables[min(tables)]) != 64:
        return None
    steps = np.float32(tables[min(tables)]).reshape(8, 8)
    return steps.T if _orientation(picture) > 4 else steps  # turned by a quarter


def _needs_libpng(file):
    """Whether a PNG file has 16 bits per channel, which Pillow cuts, or fewer than 8, of which it misreads transparency."""
    file.seek(24)
    bits, kind = struct.unpack('BB', file.read(2))
    return bits != 8 and kind != 3  # a palette


def _by_libpng(file):
    """uint8 or uint16 [H, W, 1 to 4]."""
    import imagecodecs  # only where it is needed
    file.seek(0)
    pixels = imagecodecs.png_decode(file.read())
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _reason(error, file):
    """Why a file could not be read as a picture, in a few words."""
    file.seek(0)
    start = file.read(8)
    if not start:
        return 'the file is empty'
    if not isinstance(error, Image.UnidentifiedImageError):
        return str(error) or type(error).__name__
    return 'a damaged HEIC or AVIF file, or a video' if start[4:] == b'ftyp' else 'not a picture'
