"""Picture files that lack their last bytes, which every viewer shows all the same."""

import io

import numpy as np

from gln_jax.data.image_files import formats

NOTE = 'lacks its last bytes, and with them perhaps some of its last pixels'

MOST_MISSING = 0.05  # share of a picture's pixels that may be missing

_ENDS = {'JPEG': b'\xff\xd9', 'MPO': b'\xff\xd9', 'PNG': b'\0\0\0\0IEND\xae\x42\x60\x82', 'GIF': b'\0\x3b'}
_FILLINGS = b'\0', b'\x55', b'\xaa'


def with_end(file, format_, error):
    """A file with its format's end after it, where nearly all of its pixels are there. Raises `error` where they are not.

    Args:
        file: binary, can seek; Pillow has found it to be of `format_`, and truncated.
        error: what Pillow raised.
    """
    file.seek(0)
    data = file.read().rstrip(b'\xff')  # half a marker
    if format_ not in _ENDS or format_ in ('JPEG', 'MPO') and _missing(data) > MOST_MISSING:
        raise error
    return io.BytesIO(data + _ENDS[format_])


def _missing(data):
    """The share of a JPEG's pixels that depends on the bytes that are not there: what changes as other bytes follow."""
    progressive, complete = _scans(data)
    if progressive or not complete:
        return 0 if complete else 1  # what a progressive one lacks then is the last bit of some coefficients
    first, *others = [_decoded(data + 65536 * filling + _ENDS['JPEG']) for filling in _FILLINGS]
    changed = np.any([other != first for other in others], axis=(0, -1))
    return changed.mean()


def _decoded(data):
    with formats.opened(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _scans(data):
    """Of a JPEG: whether it is progressive, and whether its scans, the last of which may have only begun, hold all bits."""
    try:
        components, progressive, coefficients = (), False, set()
        for marker, segment in _segments(data):
            if 0xc0 <= marker <= 0xcf and marker not in (0xc4, 0xc8, 0xcc):
                progressive, components = marker & 3 == 2, segment[6::3]
            elif marker == 0xda:
                count, (first, last, bits) = segment[0], segment[-3:]
                if not (progressive and bits & 15):  # the lowest bit comes in another scan
                    sent = range(first, last + 1) if progressive else range(64)
                    coefficients |= {(component, number) for component in segment[1:1 + 2 * count:2] for number in sent}
        return progressive, bool(components) and len(coefficients) == 64 * len(components)
    except (IndexError, ValueError):
        return False, False


def _segments(data):
    """(marker, content) of a JPEG's segments, in order; the coded pixels between them are passed over."""
    at = 2
    while (at := data.find(b'\xff', at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0, 0x01, 0xff) or 0xd0 <= marker <= 0xd9:
            at += 1 if marker == 0xff else 2
            continue
        length = int.from_bytes(data[at + 2:at + 4])
        yield marker, data[at + 4:at + 2 + length]
        at += 2 + length
