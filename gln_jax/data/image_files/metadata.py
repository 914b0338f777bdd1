"""What a restored photograph keeps of its file's metadata: EXIF data and resolution, but not what is no longer true.

Kept are texts, dates, camera, exposure and place (GPS), bit for bit. Left out are the orientation, as pixels are upright,
sizes and positions in pixels, the thumbnail, and a camera's private notes, which point to places in the file. XMP and IPTC
blocks, which speak of the file's own history and parts, are left out whole.
"""

import struct
from typing import NamedTuple

_EXIF, _GPS = 0x8769, 0x8825
_RESOLUTION = {0x011a: 'x', 0x011b: 'y', 0x0128: 'unit'}
_KEPT = {  # of the main directory, whose other tags describe pixels
    0x010d, 0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013b, 0x013c, 0x4746, 0x4749, 0x8298, *range(0x9c9b, 0x9ca0),
    *_RESOLUTION}
_DROPPED = {  # of the directory of exposure: the coding, sizes, positions, notes of the camera, another directory
    0x9101, 0x9102, 0x9214, 0x927c, 0xa001, 0xa002, 0xa003, 0xa005, 0xa214, 0xa500, 0xea1c}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value of each type
_LONGEST = 8192  # bytes of the longest value that is kept; a JPEG file has room for 65,000 of all of them


class Metadata(NamedTuple):
    exif: bytes = b''  # as in a JPEG file, with 'Exif\0\0' before
    dpi: tuple | None = None  # pixels per inch, (x, y)


def kept(data, dpi=None):
    """The `Metadata` of a file.

    Args:
        data: its EXIF data, with or without 'Exif\\0\\0' before, or a whole TIFF file. Damaged ones count as none.
        dpi: pixels per inch (x, y) where the file has them elsewhere.
    """
    data = data.removeprefix(b'Exif\0\0')
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(data[:4])
    main = _directory(data, order, data[4:8]) if order else {}
    inside = {tag: _directory(data, order, main[tag][1]) for tag in (_EXIF, _GPS) if tag in main}
    main = {tag: entry for tag, entry in main.items() if tag in _KEPT}
    if _EXIF in inside:
        inside[_EXIF] = {tag: entry for tag, entry in inside[_EXIF].items() if tag not in _DROPPED}
    dpi = _plausible(_dpi(main, order)) or _plausible(dpi)
    order = order or '<'
    if dpi:
        main |= {0x011a: (5, struct.pack(f'{order}2I', round(100 * dpi[0]), 100)),
                 0x011b: (5, struct.pack(f'{order}2I', round(100 * dpi[1]), 100)), 0x0128: (3, struct.pack(f'{order}H', 2))}
    else:
        main = {tag: entry for tag, entry in main.items() if tag not in _RESOLUTION}
    return Metadata(_written(main, inside, order) if main or any(inside.values()) else b'', dpi)


def _directory(data, order, pointer):
    """{tag: (type, bytes)} of the directory at the place that the 4 bytes `pointer` name; {} where there is none."""
    try:
        start, = struct.unpack(f'{order}I', pointer)
        count, = struct.unpack_from(f'{order}H', data, start)
        entries = {}
        for at in range(start + 2, start + 2 + 12 * min(count, 1000), 12):
            tag, kind, length = struct.unpack_from(f'{order}HHI', data, at)
            size = _SIZES.get(kind, 0) * length
            place = at + 8 if size <= 4 else struct.unpack_from(f'{order}I', data, at + 8)[0]
            value = bytes(data[place:place + size]) if 0 < size <= _LONGEST else b''
            if value and len(value) == size:
                entries[tag] = kind, value
        return entries
    except struct.error:  # it lies outside of the data
        return {}


def _written(main, inside, order):
    """EXIF data of a main directory and those inside it, {tag: {tag: (type, bytes)}}."""
    main = dict(main)
    inside = {tag: entries for tag, entries in inside.items() if entries}
    for tag in inside:
        main[tag] = 4, bytes(4)  # their places are known when the main directory's length is
    start = 8
    place = start + _length(main)
    for tag, entries in inside.items():
        main[tag] = 4, struct.pack(f'{order}I', place)
        place += _length(entries)
    parts, place = [], start
    for entries in (main, *inside.values()):
        parts.append(_packed(entries, order, place))
        place += _length(entries)
    head = {'<': b'II*\0', '>': b'MM\0*'}[order] + struct.pack(f'{order}I', start)
    return b'Exif\0\0' + head + b''.join(parts)


def _length(entries):
    return 6 + 12 * len(entries) + sum(_even(len(value)) for _, value in entries.values() if len(value) > 4)


def _even(length):
    return length + length % 2


def _packed(entries, order, place):
    """The bytes of a directory that stands at `place`."""
    head, values = struct.pack(f'{order}H', len(entries)), b''
    for tag, (kind, value) in sorted(entries.items()):
        head += struct.pack(f'{order}HHI', tag, kind, len(value) // _SIZES[kind])
        if len(value) <= 4:
            head += value.ljust(4, b'\0')
        else:
            head += struct.pack(f'{order}I', place + 6 + 12 * len(entries) + len(values))
            values += value.ljust(_even(len(value)), b'\0')
    return head + bytes(4) + values


def _dpi(main, order):
    """Pixels per inch (x, y) of a main directory, or None."""
    try:
        (_, x), (_, y) = main[0x011a], main[0x011b]
        unit, = struct.unpack(f'{order}H', main[0x0128][1]) if 0x0128 in main else (2,)
        per_inch = {2: 1, 3: 2.54}[unit]  # inches, centimetres
        return tuple(per_inch * top / bottom for top, bottom in (struct.unpack(f'{order}2I', part) for part in (x, y)))
    except (KeyError, struct.error, ZeroDivisionError):
        return None


def _plausible(dpi):
    try:
        x, y = map(float, dpi)
        return (x, y) if 1 <= x < 65_000 and 1 <= y < 65_000 else None
    except (TypeError, ValueError):
        return None
