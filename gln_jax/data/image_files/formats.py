"""The formats of picture files that are read: one list, for photographs, training faces and evaluation alike."""

import collections
import pathlib

from PIL import Image

_ENDINGS = {
    'AVIF': ('.avif',), 'BMP': ('.bmp',), 'DIB': ('.dib',), 'GIF': ('.gif',), 'HEIF': ('.heic', '.heif', '.hif'),
    'JPEG': ('.jfif', '.jpe', '.jpeg', '.jpg', '.mpo'), 'JPEG2000': ('.j2c', '.j2k', '.jp2', '.jpc', '.jpf', '.jpx'),
    'PNG': ('.apng', '.png'), 'PPM': ('.pbm', '.pgm', '.pnm', '.ppm'), 'TIFF': ('.tif', '.tiff'), 'WEBP': ('.webp',)}
"""Pillow's names of the formats, and their files' endings. Pillow knows more, some of which start other programs (EPS)."""

ENDINGS = tuple(sorted(ending for endings in _ENDINGS.values() for ending in endings))
"""Endings of the files in a folder that count as pictures, in lower case."""


def opened(file):
    """Pillow's picture in an open binary file, of which only the header is read, if it is of a format in the list.

    Raises:
        PIL.UnidentifiedImageError: it is not. Others: whatever Pillow's parsers meet in a broken file.
    """
    Image.init()  # makes all formats known; AVIF and JPEG2000 are not built in everywhere
    return Image.open(file, formats=[name for name in _ENDINGS if name in Image.OPEN])


def left_out(paths):
    """A sentence that counts files which are no pictures by their ending, by ending; '' where there are none."""
    counts = collections.Counter(pathlib.PurePath(path).suffix.lower() or 'without an ending' for path in paths)
    if not counts:
        return ''
    kinds = ', '.join(f'{count:,} {ending}' for ending, count in counts.most_common())
    return f'{counts.total():,} files are left out, as their endings are not those of pictures read here: {kinds}'
