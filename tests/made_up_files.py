"""Picture files written by hand, as no library writes all kinds that cameras, scanners and other programs do."""

import struct
import zlib

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_CODES = {BYTE: 'B', ASCII: 'B', SHORT: 'H', LONG: 'I', RATIONAL: 'I', UNDEFINED: 'B'}


def tiff(*pages, order='<'):
    """A TIFF file of uncompressed pages, each ({tag: int or list of ints, or (type, list)}, list of strips as bytes)."""
    content = {'<': b'II*\0', '>': b'MM\0*'}[order]
    at, blocks, directories = 8, b'', []
    for tags, strips in pages:
        offsets = []
        for strip in strips:
            offsets.append(at + len(blocks))
            blocks += strip + bytes(len(strip) % 2)
        entries = {**tags, 273: (LONG, offsets), 279: (LONG, [len(strip) for strip in strips])}
        entries = {tag: value if isinstance(value, tuple) else (SHORT, value if isinstance(value, list) else [value])
                   for tag, value in entries.items()}
        directories.append((at + len(blocks), len(entries)))
        blocks += directory(entries, order, at + len(blocks))
    for (place, count), (following, _) in zip(directories, directories[1:]):
        end = place + 2 + 12 * count - at
        blocks = blocks[:end] + struct.pack(f'{order}I', following) + blocks[end + 4:]
    return content + struct.pack(f'{order}I', directories[0][0]) + blocks


def exif_block(values, inside, place, order):
    """EXIF data with a directory of exposure and one of the place, each {tag: (type, list or bytes)}, and a thumbnail's."""
    def length(entries):
        return len(directory(entries, order, 0))

    first, second, third = dict(values), inside, place
    first[0x8769] = first[0x8825] = LONG, [0]
    at = 8 + length(first)
    first[0x8769], first[0x8825] = (LONG, [at]), (LONG, [at + length(second)])
    blocks = directory(first, order, 8) + directory(second, order, at) + directory(third, order, at + length(second))
    thumbnail = directory({0x0201: (LONG, [8]), 0x0202: (LONG, [4])}, order, 8 + len(blocks))
    end = 8 + 2 + 12 * len(first)
    blocks = blocks[:end - 8] + struct.pack(f'{order}I', 8 + len(blocks)) + blocks[end - 4:] + thumbnail
    return b'Exif\0\0' + {'<': b'II*\0', '>': b'MM\0*'}[order] + struct.pack(f'{order}I', 8) + blocks


def directory(entries, order, at):
    """A TIFF directory that stands at `at`, with its values after it."""
    head, values = struct.pack(f'{order}H', len(entries)), b''
    for tag, (kind, content) in sorted(entries.items()):
        raw = struct.pack(f'{order}{len(content)}{_CODES[kind]}', *content)
        head += struct.pack(f'{order}HHI', tag, kind, len(content) // (2 if kind == RATIONAL else 1))
        if len(raw) > 4:
            head += struct.pack(f'{order}I', at + 6 + 12 * len(entries) + len(values))
            values += raw + bytes(len(raw) % 2)
        else:
            head += raw.ljust(4, b'\0')
    return head + bytes(4) + values


def tiff_page(samples, photometric, bits, *, planar=False, order='<', **more):
    """A page, as `tiff` takes it, of unsigned samples [H, W, samples] below 2**bits; `more` is tags: t338=2, say."""
    height, width, channels = samples.shape
    planes = [samples[..., channel] for channel in range(channels)] if planar else [samples.reshape(height, -1)]
    tags = {256: width, 257: height, 258: channels * [bits], 259: 1, 262: photometric, 277: channels, 278: height,
            284: 2 if planar else 1, **{int(name[1:]): value for name, value in more.items()}}
    return tags, [packed(plane, bits, order) for plane in planes]


def packed(rows, bits, order='<'):
    """The bytes of rows of unsigned numbers of so many bits, each row beginning at a whole byte."""
    if bits in (8, 16, 32):
        return rows.astype(f'{order}u{bits // 8}').tobytes()
    digits = (rows[..., None].astype(np.uint32) >> np.arange(bits - 1, -1, -1, dtype=np.uint32)) & 1
    return np.packbits(digits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def png(pixels, colour_type, *chunks, bits=8, end=True):
    """A PNG file of rows of samples, uint8 or uint16 [H, W, samples], with (name, content) of chunks before the pixels."""
    height, width = pixels.shape[:2]
    rows = packed(pixels.reshape(height, -1), bits, '>')
    rows = b''.join(b'\0' + rows[at:at + len(rows) // height] for at in range(0, len(rows), len(rows) // height))
    parts = [(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, colour_type, 0, 0, 0)), *chunks,
             (b'IDAT', zlib.compress(rows))] + ([(b'IEND', b'')] if end else [])
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))
        for name, content in parts)
