"""Reads and checks one picture file of an aligned face."""

import io
import pathlib

import numpy as np

from gln_jax import images
from gln_jax.data.image_files import formats, reading, writing
from gln_jax.runtime import errors

_PNG_BITS_AND_COLOUR = slice(24, 26)
_PNG_8_BIT_RGB = b'\x08\x02'


def encoded_face(path):
    """The bytes of a JPEG or PNG file of 8-bit RGB, upright, 128x128.

    A file that is that already is returned as it is. Grey, RGBA, 16-bit, palette and CMYK pictures, other formats, and
    pictures that their EXIF data turn, are converted and come back as PNG; transparency is dropped.

    Raises InputError where it cannot be read as a picture, or its picture is not 128x128.
    """
    data = pathlib.Path(path).read_bytes()
    pixels = reading.rgb(reading.decode(io.BytesIO(data), path).pixels)
    height, width = pixels.shape[:2]
    if (height, width) != (images.FACE_SIZE, images.FACE_SIZE):
        raise errors.InputError(f'{path}: is {width}x{height} pixels, and an aligned face is '
                                f'{images.FACE_SIZE}x{images.FACE_SIZE}; align or resize it first')
    return data if _shows(data, pixels) else writing.encode(pixels, 'png')


def _shows(data, pixels):
    """Whether a decoder that knows no profile, orientation or transparency finds these pixels in a JPEG or PNG file."""
    try:
        with formats.opened(io.BytesIO(data)) as picture:
            is_plain = picture.format == 'JPEG' or picture.format == 'PNG' and data[_PNG_BITS_AND_COLOUR] == _PNG_8_BIT_RGB
            return (is_plain and picture.mode == 'RGB' and 'transparency' not in picture.info
                    and np.array_equal(picture, pixels))
    except Exception:  # a file that lacks its last bytes, which not every decoder reads
        return False
