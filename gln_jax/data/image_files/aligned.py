"""Reads and checks one picture file of an aligned face."""

import io
import pathlib

from gln_jax import images
from gln_jax.data.image_files import formats, reading
from gln_jax.runtime import errors

_PNG_BITS_AND_COLOUR = slice(24, 26)
_PNG_8_BIT_RGB = b'\x08\x02'


def encoded_face(path):
    """The bytes of a JPEG or PNG file of 8-bit RGB, upright, 128x128.

    A file that is that already is returned as it is. Grey, RGBA, 16-bit, palette and CMYK pictures, other formats, and
    pictures that their EXIF data turn, are converted and come back as PNG; transparency is dropped.

    Raises:
        InputError: the file cannot be read as a picture, or its picture is not 128x128.
    """
    data = pathlib.Path(path).read_bytes()
    try:
        with formats.opened(io.BytesIO(data)) as picture:
            if picture.size == (images.FACE_SIZE, images.FACE_SIZE):
                picture.load()
                return data if _is_plain(picture, data) else _png(reading.upright(picture).convert('RGB'))
            width, height = picture.size
    except Exception as error:  # Pillow raises whatever its parsers meet in a broken file
        raise errors.InputError(f'{path}: cannot be read as a picture ({reading.reason(error, io.BytesIO(data))})') from error
    raise errors.InputError(
        f'{path}: is {width}x{height} pixels, and an aligned face is {images.FACE_SIZE}x{images.FACE_SIZE}; '
        'align or resize it first')


def _is_plain(picture, data):
    if picture.mode != 'RGB' or 'transparency' in picture.info or reading.orientation(picture) != 1:
        return False
    return picture.format == 'JPEG' or picture.format == 'PNG' and data[_PNG_BITS_AND_COLOUR] == _PNG_8_BIT_RGB


def _png(picture):
    file = io.BytesIO()
    picture.save(file, 'PNG')
    return file.getvalue()
