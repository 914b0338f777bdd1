"""The formats of picture files that are read: one list, for photographs, training faces and evaluation alike."""

import collections
import functools
import pathlib
import sys

from PIL import Image

from gln_jax.runtime import errors, files

_ENDINGS = {
    'AVIF': ('.avif',), 'BMP': ('.bmp',), 'DIB': ('.dib',), 'GIF': ('.gif',), 'HEIF': ('.heic', '.heif', '.hif'),
    'JPEG': ('.jfif', '.jpe', '.jpeg', '.jpg', '.mpo'), 'JPEG2000': ('.j2c', '.j2k', '.jp2', '.jpc', '.jpf', '.jpx'),
    'PNG': ('.apng', '.png'), 'PPM': ('.pbm', '.pgm', '.pnm', '.ppm'), 'TIFF': ('.tif', '.tiff'), 'WEBP': ('.webp',)}
"""Pillow's names of the formats, and their files' endings. Pillow knows more, some of which start other programs (EPS)."""

ENDINGS = tuple(sorted(ending for endings in _ENDINGS.values() for ending in endings))
"""Endings of the files in a folder that count as pictures, in lower case."""


def opened(file):
    """Pillow's picture in an open binary file, of which only the header is read.

    Raises PIL.UnidentifiedImageError for formats that are not in the list, and whatever else Pillow's parsers meet in a file.
    """
    _all_known()
    return Image.open(file, formats=[name for name in _ENDINGS if name in Image.OPEN])


def files_in(folder, deep=True, apart_from=None):
    """The picture files in a folder, as `files.below` gives them, or InputError for none.

    A line on stderr counts what is left out, by its ending.
    """
    others = []
    found = files.below(folder, ENDINGS, deep, apart_from, others)
    counts = collections.Counter(pathlib.PurePath(name).suffix.lower() or 'without an ending' for name in others)
    most = sorted(counts.items(), key=lambda kind: (-kind[1], kind[0]))
    kinds = ', '.join(f'{count:,} {ending}' for ending, count in most[:8]) + ', ...' * (len(most) > 8)
    if not found:
        raise errors.InputError(f'{folder}: holds no picture ({", ".join(ENDINGS)}){", but " * bool(others)}{kinds}')
    if others:
        _tell_once(f'{folder}: {len(others):,} {"files are" if len(others) > 1 else "file is"} left out, whose endings are '
                   f'not those of the pictures that are read here: {kinds}')
    return found


@functools.cache
def _all_known():
    """Makes Pillow know all its formats and, by libheif, HEIC."""
    import pillow_heif  # only where a picture is read
    Image.init()
    pillow_heif.register_heif_opener(thumbnails=False)


@functools.cache
def _tell_once(line):
    print(line, file=sys.stderr)
