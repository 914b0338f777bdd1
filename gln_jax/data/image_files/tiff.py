"""TIFF files of all kinds, read by tifffile: what their samples stand for is decided here, or they are refused."""

import logging
import math
from typing import NamedTuple

import numpy as np

from gln_jax.runtime import errors

STARTS = b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'  # what TIFF and BigTIFF files begin with
MOST_PAGES = 200  # so many pages are looked at for the one that is no thumbnail
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_THUMBNAIL = 2
"""A first page that says nothing of its kind is a thumbnail where a later one of its shape is so many times as wide."""

_UNSIGNED, _SIGNED = {1, 4}, {2}  # values of SampleFormat; 4 is undefined
_NAMES = {4: 'a mask', 10: 'ITU Lab', 32803: "a camera's raw picture", 34892: "a camera's raw picture", 32844: 'LogL',
          32845: 'LogLuv'}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR, _CIELAB, _ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
_JPEG = {7, 34892, 33007}  # compressions whose YCbCr comes as RGB
_ASSOCIATED, _UNASSOCIATED = 1, 2  # ExtraSamples


class Stored(NamedTuple):
    """The pixels of a picture as its file holds them."""

    pixels: np.ndarray  # uint8 or uint16 [H, W, channels of the space]
    alpha: np.ndarray | None  # the same, [H, W, 1]; colours are not multiplied by it
    space: str  # one of colours.CHANNELS
    profile: bytes | None  # an ICC profile
    notes: tuple


def stored(file, check_size):
    """The `Stored` picture of an open TIFF file: its first page that is no reduced picture.

    Args:
        file: binary, can seek.
        check_size: a function of width and height, which raises where these are too large.
    Raises:
        InputError: it is of a kind whose values have no known meaning. Others: what tifffile and its codecs find amiss.
    """
    import tifffile  # only where it is needed
    logging.getLogger('tifffile').setLevel(logging.CRITICAL)  # what is wrong is raised, or does not matter
    with tifffile.TiffFile(file) as tiff:
        page, number, notes = _page(tiff)
        if page.imagewidth < 1 or page.imagelength < 1:
            raise ValueError('it has no pixels')
        check_size(page.imagewidth, page.imagelength)
        if page.photometric == _YCBCR and page.compression not in _JPEG:
            pixels, alpha, space = *_by_libtiff(file, number), 'rgb'
        else:
            pixels, alpha, space = _interpreted(page, _samples(page, tiff.filehandle.size))
        profile = page.tags.valueof(34675)
        profile = bytes(profile) if isinstance(profile, (bytes, tuple, list, np.ndarray)) else None
        return Stored(pixels, alpha, space, profile, notes)


def _page(tiff):
    """(the page to use, its number or None where it is another's sub-page, notes)."""
    pages = [tiff.pages[number] for number in range(min(len(tiff.pages), MOST_PAGES))]
    candidates = [(page, number) for number, page in enumerate(pages)]
    whole = [candidate for candidate in candidates if _is_whole(candidate[0])]
    if not whole:  # as cameras make them, which keep the picture in a sub-page
        whole = [(sub, None) for page in pages for sub in page.pages or () if _is_whole(sub)]
    if not whole:
        whole = [max(candidates, key=lambda candidate: candidate[0].imagewidth * candidate[0].imagelength)]
    first = whole[0][0]
    larger = [(page, number) for page, number in whole if _is_thumbnail_of(first, page)]
    page, number = larger[0] if larger else whole[0]
    if page is not pages[0]:
        shown = f'page {number + 1}' if number is not None else 'a sub-page'
        return page, number, (f'begins with a thumbnail, so that {shown} is used',)
    return page, number, (f'has {len(whole)} pages, of which the first is used',) if len(whole) > 1 else ()


def _is_whole(page):
    """Whether it is neither a reduced picture nor a mask; tifffile takes NewSubfileType and SubfileType, which is older."""
    return not page.subfiletype & (_REDUCED | _MASK) and page.photometric != 4


def _is_thumbnail_of(first, page):
    """Whether one page, where no page says of itself what it is, looks like a reduced picture of the other."""
    if 254 in first.tags or 255 in first.tags or page.imagewidth < _THUMBNAIL * first.imagewidth:
        return False
    return abs(first.imagewidth * page.imagelength / page.imagewidth - first.imagelength) <= 1


def _samples(page, file_size):
    """The page's samples, an integer array [H, W, samples]."""
    kind = _NAMES.get(page.photometric)
    if kind:
        raise errors.InputError(f'cannot be read: its pixels are {kind}; convert it to 8-bit or 16-bit RGB first')
    formats = page.sampleformat if isinstance(page.sampleformat, (tuple, list)) else [int(page.sampleformat)]
    if not set(formats) <= (_UNSIGNED | _SIGNED if page.photometric in (_CIELAB, _ICCLAB) else _UNSIGNED):
        raise errors.InputError(f'cannot be read: {_bits(page)} bits per pixel and channel, signed or with a fraction, and '
                                'without a known range; convert it to 8 or 16 bits first')
    if page.imagedepth != 1 or page.samplesperpixel > 32:
        raise ValueError('it has more than two dimensions')
    segments = list(zip(page.dataoffsets, page.databytecounts))
    if len(segments) < math.prod(page.chunked) or any(
            count < 1 or offset < 1 or offset + count > file_size for offset, count in segments):
        raise ValueError('the file is truncated')
    samples = page.asarray(squeeze=False, maxworkers=1)  # [separate samples, depth, H, W, samples side by side]
    return samples[0, 0] if len(samples) == 1 else np.moveaxis(samples[:, 0, ..., 0], 0, -1)


def _interpreted(page, samples):
    """(pixels, alpha, space), as in `Stored`."""
    count = samples.shape[-1]
    space, channels = {_RGB: ('rgb', 3), _YCBCR: ('rgb', 3), _INKS: ('cmyk', 4), _CIELAB: ('lab', 3), _ICCLAB: ('lab', 3)}.get(
        page.photometric, ('grey', 1))
    if page.photometric == _INKS and page.tags.valueof(332, 1) != 1:  # InkSet
        raise errors.InputError('cannot be read: its inks are not CMYK; convert it to RGB first')
    if count < channels:
        raise ValueError(f'{count} channels are too few')
    alpha, is_multiplied = _alpha(page, samples, channels)
    if page.photometric == _PALETTE:
        return _looked_up(page, samples[..., 0]), alpha, 'rgb'
    pixels = samples[..., :channels]
    if space == 'lab':
        return _lab(pixels, page.photometric, _bits(page)), alpha, space
    pixels = _full_range(pixels, _bits(page))
    if page.photometric == _WHITE_IS_ZERO:
        pixels = np.iinfo(pixels.dtype).max - pixels
    return (_divided(pixels, alpha) if is_multiplied else pixels), alpha, space


def _alpha(page, samples, channels):
    """(alpha or None, whether the colours are multiplied by it)."""
    extra = tuple(map(int, page.extrasamples))
    if not extra and samples.shape[-1] == channels + 1 == 4:
        extra = _UNASSOCIATED,  # some writers leave out what it is
    for number, kind in enumerate(extra, samples.shape[-1] - len(extra)):
        if kind in (_ASSOCIATED, _UNASSOCIATED) and number >= channels:
            return _full_range(samples[..., number:number + 1], _bits(page)), kind == _ASSOCIATED
    return None, False


def _full_range(samples, bits):
    """uint8 or, of more than 8 bits, uint16, of unsigned samples of so many bits, over the whole range of the integers."""
    if bits in (8, 16):
        return samples.astype(np.uint8 if bits == 8 else np.uint16, copy=False)
    if bits > 16:
        return (samples >> (bits - 16)).astype(np.uint16)
    most, of = 255 if bits < 8 else 65535, 2**bits - 1
    return ((samples.astype(np.uint32) * most + of // 2) // of).astype(np.uint8 if bits < 8 else np.uint16)


def _looked_up(page, indices):
    palette = page.colormap  # [3, colours], of 16 bits
    if palette is None or indices.max(initial=0) >= palette.shape[1]:
        raise ValueError('its palette lacks colours')
    palette = palette.astype(np.uint16)
    return (palette * 257 if palette.max() < 256 else palette).T[indices.astype(int)]  # some writers take 8 bits


def _lab(samples, photometric, bits):
    """uint16 [H, W, 3], as LittleCMS wants it, of CIE Lab (a and b signed) or ICC Lab of 8 or 16 bits."""
    if bits not in (8, 16):
        raise ValueError(f'Lab of {bits} bits')
    values = samples.astype(np.int32)
    unit = 1 << bits - 8  # of a and b
    if photometric == _CIELAB:  # a and b are two's complement, whatever SampleFormat says of all three
        lightness, ab = values[..., :1] & (2**bits - 1), (values[..., 1:] + 128 * unit) & (2**bits - 1)
        lightness = lightness * 65535 // (2**bits - 1)
    else:
        lightness, ab = values[..., :1], values[..., 1:]
        lightness = lightness * 257 if bits == 8 else np.minimum(lightness * 65535 // 65280, 65535)
    return np.concatenate([lightness, np.minimum(ab * 257 // unit, 65535)], axis=-1).astype(np.uint16)


def _divided(pixels, alpha):
    """Colours that were multiplied by their alpha, divided by it; those of which nothing is seen are black."""
    most = np.iinfo(pixels.dtype).max
    shares = pixels.astype(np.float32) * most / np.maximum(alpha, 1)
    return np.minimum(np.round(shares), most).astype(pixels.dtype)


def _by_libtiff(file, number):
    """(pixels, alpha) of YCbCr that is not JPEG, whose colours may have fewer pixels: libtiff's own conversion."""
    import imagecodecs
    if number is None:
        raise ValueError('YCbCr in a sub-page')
    file.seek(0)
    rgba = imagecodecs.tiff_decode(file.read(), index=number, asrgb=True)
    return np.ascontiguousarray(rgba[..., :3]), None


def _bits(page):
    if not isinstance(page.bitspersample, int) or not 1 <= page.bitspersample <= 64:
        raise ValueError(f'{page.bitspersample} bits per channel')
    return page.bitspersample
