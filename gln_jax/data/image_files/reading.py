"""Reads pictures of any kind as plain 8-bit pixels, and writes them."""

import contextlib
import io
import pathlib
import threading
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from gln_jax.data.image_files import formats
from gln_jax.runtime import errors, files

MOST_PIXELS = 110_000_000
"""Pictures with more pixels are not read: in memory each pixel takes 3 or 4 bytes, several times over."""

WRITTEN = {'png': 'PNG', 'jpg': 'JPEG', 'webp': 'WEBP'}
"""The formats that pictures are written in, by the file's ending."""

_EXIF_ORIENTATION = 0x0112
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}
"""What makes a picture of each orientation upright. Pillow's own `exif_transpose` also writes all EXIF data anew, and
fails where any of them is unusual."""

_bomb_check = threading.Lock()


class Picture(NamedTuple):
    """One picture, upright.

    `pixels` is uint8 [height, width, channels]: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. `ending` is the key
    of WRITTEN for files like the one that it came from. `notes` are sentences on what the pixels do not show.
    """

    pixels: np.ndarray
    ending: str
    notes: tuple


def read(path):
    """The `Picture` in a file: of grey, RGB, CMYK, 16-bit or palette pixels, with or without alpha, turned by its EXIF
    data.

    Of an animated file it is the first frame. 16 bits become 8, and colours of another profile sRGB, which is what the
    pixels of a file without a profile mean.

    Raises:
        InputError: the file is not there, may not be read, is empty, damaged, no picture, or one of more than MOST_PIXELS,
            or its name is not UTF-8.
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
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's, on metadata that nothing here depends on
            with _opened(file) as picture:
                width, height = picture.size
                if width * height <= MOST_PIXELS:
                    return _decoded(picture)
    except Exception as error:  # Pillow raises whatever its parsers meet in a broken file
        raise errors.InputError(f'{name}: cannot be read as a picture ({reason(error, file)})') from error
    raise errors.InputError(f'{name}: is {width}x{height} pixels, {width * height / 1e6:,.0f} million; at most '
                            f'{MOST_PIXELS / 1e6:,.0f} million can be read. Reduce it or cut it first')


def rgb(pixels):
    """The colours alone, uint8 RGB [height, width, 3], of pixels as in `Picture`."""
    return pixels[..., :3] if pixels.shape[-1] > 2 else pixels[..., :1].repeat(3, axis=-1)


def upright(picture):
    """A Pillow picture, turned by its EXIF data, as mode L, LA, RGB or RGBA, whichever loses nothing but depth.

    CMYK becomes sRGB by its colour profile, where it has one; other colours stay as they are.

    Raises:
        ValueError: it has 32 bits per pixel, whose range is not known.
    """
    of_16_bits = picture.mode.startswith('I;16') or picture.mode == 'I' and picture.format == 'PPM'
    picture.load()  # which turns a TIFF picture itself
    turn = _TURNS.get(orientation(picture))
    if turn is not None:
        picture = picture.transpose(turn)
    if of_16_bits:  # Pillow would clip the values instead of scaling them
        picture = Image.fromarray(np.round(np.asarray(picture) / 257).astype(np.uint8))
    if picture.mode in ('I', 'F'):
        raise ValueError('32 bits per pixel, without a known range')
    if picture.mode == 'CMYK':  # while its profile, which is of inks, can be used
        picture = _in_srgb(picture, picture.info.get('icc_profile'))
    grey = picture.mode in ('1', 'L', 'LA', 'La')
    mode = ('L' if grey else 'RGB') + ('A' if picture.has_transparency_data else '')
    if mode == 'LA' and picture.mode != 'LA':  # Pillow takes one transparent grey over into RGBA only
        picture = picture.convert('RGBA')
    return picture.convert(mode)


def orientation(picture):
    """How a Pillow picture is turned, as EXIF counts it: 1 is upright, as one counts whose EXIF data are damaged."""
    try:
        return picture.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises whatever its parser meets
        return 1


def reason(error, file):
    """Why a file could not be read as a picture, in a few words."""
    file.seek(0)
    start = file.read(8)
    if not start:
        return 'the file is empty'
    if not isinstance(error, Image.UnidentifiedImageError):
        return str(error) or type(error).__name__
    return 'HEIC or the like; convert it to JPEG or PNG first' if start[4:] == b'ftyp' else 'not a picture'


def encode(pixels, ending):
    """The bytes of a file that shows `pixels`, uint8 [height, width, 1 to 4 channels] as in `Picture`.

    'png' loses nothing; 'jpg' (quality 95, full colour resolution) shows what is transparent on white; 'webp' has
    quality 95. Raises InputError where the format cannot hold so large a picture.
    """
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    options = {'png': {'compress_level': 1}, 'jpg': {'quality': 95, 'subsampling': 0}, 'webp': {'quality': 95}}[ending]
    if ending == 'jpg' and picture.mode in ('LA', 'RGBA'):
        paper = Image.new('RGBA', picture.size, 'white')
        picture = Image.alpha_composite(paper, picture.convert('RGBA')).convert(picture.mode[:-1])
    longest = {'png': 2**31 - 1, 'jpg': 65_500, 'webp': 16_383}[ending]
    if max(picture.size) > longest:
        raise errors.InputError(f'{picture.width}x{picture.height} pixels do not fit into a file of type {ending}, '
                                f'whose sides have at most {longest:,}; use --ext png')
    file = io.BytesIO()
    picture.save(file, WRITTEN[ending], **options)
    return file.getvalue()


@contextlib.contextmanager
def _opened(file):
    """Pillow's picture of which only the header is read, of any size: its own limit does not tell width and height."""
    with _bomb_check:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            picture = formats.opened(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with picture:
        yield picture


def _decoded(picture):
    notes = ()
    frames = 1 if picture.format == 'MPO' else getattr(picture, 'n_frames', 1)  # MPO: previews of a camera
    if frames > 1:
        notes = (f'has {frames} frames, of which the first is used',)
    ending = {'JPEG': 'jpg', 'MPO': 'jpg', 'WEBP': 'webp'}.get(picture.format, 'png')
    pixels = np.asarray(_in_srgb(upright(picture), picture.info.get('icc_profile')))
    return Picture(pixels[..., None] if pixels.ndim == 2 else pixels, ending, notes)


def _in_srgb(picture, profile):
    """A picture of mode L, LA, RGB, RGBA or CMYK in sRGB, where an ICC profile (bytes, or None) says that it is not.

    Display P3, say. What comes back has the same mode, and of CMYK pictures RGB.
    """
    if not profile:
        return picture
    try:
        theirs, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile('sRGB')
        if 'sRGB' in ImageCms.getProfileDescription(theirs):
            return picture
        if picture.mode in ('RGB', 'RGBA'):
            return ImageCms.profileToProfile(picture, theirs, srgb)
        if picture.mode == 'CMYK':
            return ImageCms.profileToProfile(picture, theirs, srgb, outputMode='RGB')
        grey, *alpha = picture.split()
        colours = ImageCms.profileToProfile(grey, theirs, srgb, outputMode='RGB')  # all three are the same
        return Image.merge(picture.mode, [colours.getchannel('R'), *alpha])
    except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one for other channels, says nothing
        return picture
