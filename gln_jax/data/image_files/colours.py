"""What stored colours mean: pixels of any profile, and of CMYK and CIE Lab, as 8-bit sRGB, by LittleCMS in 8 or 16 bits."""

import contextlib
import functools
import re

import numpy as np
from PIL import ExifTags, ImageCms

CHANNELS = {'grey': 1, 'rgb': 3, 'cmyk': 4, 'lab': 3}
"""Channels of each colour space, by the name that it has here. Lab is stored as in ICC version 4: L from 0 to 100, a and b
from -128 to 127, over the whole range of the integers."""

_OF_SIGNATURE = {b'GRAY': 'grey', b'RGB ': 'rgb', b'CMYK': 'cmyk'}
_LCMS_NAMES = {'grey': 'gray'}
_RELATIVE, _PERCEPTUAL = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Intent.PERCEPTUAL
_SRGB_PRIMARIES = 0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06
_ADOBE_RGB = 0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06  # x and y of white, red, green and blue
_ADOBE_RGB_OF_CAMERAS = 'R03'  # what cameras write into the EXIF data (DCF 2.0) of pictures in Adobe RGB, without a profile

_PRIMARIES = {1: _SRGB_PRIMARIES, 9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
              12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)}  # BT.709, BT.2020, P3 (ITU-T H.273)
_GAMMA_OF_TRANSFER = {4: 2.2, 5: 2.8, 8: 1.0}
_BRIGHTER_THAN_WHITE = {16: 'PQ', 18: 'HLG'}


def to_srgb(pixels, space, profile=None):
    """uint8 sRGB [H, W, 1 or 3] (1 of a grey picture) of colours as a file holds them.

    Args:
        pixels: uint8 or uint16 [H, W, CHANNELS[space]], without alpha.
        space: one of CHANNELS.
        profile: the bytes of an ICC profile, or None. What counts is what it does, and not how it is called; one that is
            damaged, or for other channels, says nothing.
    """
    if space == 'lab':
        return to_8_bits(_transformed(pixels, 'lab', _lab()))
    profile_space = _OF_SIGNATURE.get(profile[16:20]) if profile else None
    if space == 'cmyk':
        if profile_space == 'cmyk':
            try:
                return to_8_bits(_transformed(pixels, 'cmyk', profile, _PERCEPTUAL))
            except (RuntimeError, ValueError):  # a damaged profile
                pass
        return _without_profile(to_8_bits(pixels))
    if profile_space == space and _changes_colours(profile, space):
        converted = to_8_bits(_transformed(pixels, space, profile))
        return converted[..., :1] if space == 'grey' else converted
    if space == 'grey' and profile_space == 'rgb' and _changes_colours(profile, 'rgb'):
        return to_8_bits(_transformed(pixels.repeat(3, axis=-1), 'rgb', profile))[..., 1:2]
    return to_8_bits(pixels)


def to_8_bits(pixels):
    """uint8 of uint8 or uint16 pixels of the same shape, rounded."""
    return pixels if pixels.dtype == np.uint8 else ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def profile_of_gamma(gamma, chromaticities=None):
    """The ICC profile of a PNG file's chunks gAMA (1 / 2.2, say) and cHRM, or None where these mean sRGB, as most do.

    `chromaticities` are x and y of white, red, green and blue, or None for those of sRGB.
    """
    import imagecodecs
    primaries = chromaticities or _SRGB_PRIMARIES
    have_srgb_primaries = np.abs(np.subtract(primaries, _SRGB_PRIMARIES)).max() < 0.01
    if not 0.1 < gamma < 5 or abs(2.2 * gamma - 1) < 0.05 and have_srgb_primaries:  # libpng's tolerance
        return None
    try:
        white, red, green, blue = (primaries[at:at + 2] for at in range(0, 8, 2))
        return imagecodecs.cms_profile('rgb', gamma=1 / gamma, whitepoint=(*white, 1), primaries=[*red, 1, *green, 1, *blue, 1])
    except (RuntimeError, ValueError):  # chromaticities that no colours can have
        return None


def profile_of_code_points(primaries, transfer):
    """As `profile_of_gamma`, of the code points of ITU-T H.273 in a PNG, AVIF or HEIC file; ValueError for HDR."""
    if transfer in _BRIGHTER_THAN_WHITE:
        raise ValueError(f'an HDR picture, {_BRIGHTER_THAN_WHITE[transfer]}; convert it to sRGB first')
    if primaries not in _PRIMARIES:
        return None
    return profile_of_gamma(1 / _GAMMA_OF_TRANSFER.get(transfer, 2.2), _PRIMARIES[primaries])


def stored_profile(picture, file):
    """The bytes of the ICC profile that a Pillow picture has, or that its file says in other words; or None."""
    file.seek(0)
    start = file.read(65536)
    code_points = re.search({'PNG': rb'\0\0\0\x04cICP(.)(.)', 'AVIF': rb'colrnclx\0(.)\0(.)', 'HEIF': rb'colrnclx\0(.)\0(.)'}.get(
        picture.format, b'(?!)'), start, re.DOTALL)
    if code_points:
        found = profile_of_code_points(*(code[0] for code in code_points.groups()))
        if found:
            return found
    profile = picture.info.get('icc_profile')
    if profile:
        return profile
    if picture.format == 'PNG' and 'gamma' in picture.info and 'srgb' not in picture.info:
        return profile_of_gamma(picture.info['gamma'], picture.info.get('chromaticity'))
    with contextlib.suppress(Exception):  # Pillow raises whatever its parser meets
        if picture.getexif().get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex) == _ADOBE_RGB_OF_CAMERAS:
            return profile_of_gamma(256 / 563, _ADOBE_RGB)
    return None


def _transformed(pixels, space, profile, intent=_RELATIVE):
    """uint8 or uint16 sRGB [H, W, 3], as the pixels are.

    Of 16 bits pixel by pixel: the table by which it is faster otherwise is up to 28 levels off.
    """
    import imagecodecs  # only where it is needed
    exactly = imagecodecs.CMS.FLAGS.NOOPTIMIZE if pixels.dtype == np.uint16 else None
    return imagecodecs.cms_transform(np.ascontiguousarray(pixels[..., 0] if space == 'grey' else pixels), profile, _srgb(),
                                     colorspace=_LCMS_NAMES.get(space, space), outcolorspace='rgb', intent=int(intent),
                                     flags=exactly)


@functools.lru_cache(maxsize=16)
def _changes_colours(profile, space):
    """Whether a profile maps some colours to others than sRGB would, by more than a level of 256."""
    levels = np.linspace(0, 65535, 9 if space == 'rgb' else 256).round().astype(np.uint16)
    channels = CHANNELS[space]
    grid = np.stack(np.meshgrid(*channels * [levels], indexing='ij'), axis=-1).reshape(1, -1, channels)
    greys = np.linspace(0, 65535, 256).round().astype(np.uint16)[None, :, None].repeat(channels, axis=-1)
    colours = np.concatenate([grid, greys], axis=1)
    try:
        return bool(np.abs(_transformed(colours, space, profile) - colours.astype(int)).max() > 257)
    except (RuntimeError, ValueError):  # a damaged profile
        return False


def _without_profile(cmyk):
    """uint8 RGB of uint8 CMYK, each ink taking away from the paper's light what it covers."""
    paper = 255 - cmyk[..., :3].astype(np.uint16)
    return ((paper * (255 - cmyk[..., 3:].astype(np.uint16)) + 127) // 255).astype(np.uint8)


@functools.cache
def _srgb():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


@functools.cache
def _lab():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile('LAB')).tobytes()
