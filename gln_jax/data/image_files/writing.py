"""Writes pictures, with the metadata that they keep."""

import io

from PIL import Image

from gln_jax.data.image_files import metadata
from gln_jax.runtime import errors

FORMATS = {'png': 'PNG', 'jpg': 'JPEG', 'webp': 'WEBP'}  # the formats that pictures are written in, by the file's ending


def encode(pixels, ending, kept=metadata.Metadata()):
    """The bytes of a file that shows `pixels`, uint8 [height, width, 1 to 4 channels] as in `reading.Picture`.

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
    if kept.exif:
        options['exif'] = kept.exif
    if kept.dpi and ending != 'webp':  # which has it in its EXIF data alone
        options['dpi'] = kept.dpi
    picture.save(file, FORMATS[ending], **options)
    return file.getvalue()
