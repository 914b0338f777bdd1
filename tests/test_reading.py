"""Photographs are read from any file and written in any format; damaged ones are named."""

import contextlib
import io
import os
import pathlib
import struct
import threading
import time
import warnings
import zlib

import hypothesis
from hypothesis import strategies
import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps
import pytest

from gln_jax.data.image_files import colours as image_colours
from gln_jax.data.image_files import formats, metadata, reading, truncated, writing
from gln_jax.runtime import errors
from made_up import colours
from made_up_files import ASCII, LONG, RATIONAL, SHORT, UNDEFINED, exif_block, png, tiff, tiff_page


def file_of(picture, form='PNG', **options):
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, form, **options)
    return file.getvalue()


def read(content, name='photo'):
    return reading.decode(io.BytesIO(content), name)


def test_plain_pixels_come_back_to_the_bit():
    for channels, mode in ((1, 'L'), (2, 'LA'), (3, 'RGB'), (4, 'RGBA')):
        pixels = colours(channels=channels)
        picture = read(file_of(Image.fromarray(pixels[..., 0] if channels == 1 else pixels)))
        np.testing.assert_array_equal(picture.pixels, pixels, err_msg=mode)
        np.testing.assert_array_equal(read(writing.encode(pixels, 'png')).pixels, pixels)


def test_rgb_is_the_colours_without_alpha():
    for channels, shown in ((1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (4, [0, 1, 2])):
        pixels = colours(channels=channels)
        np.testing.assert_array_equal(reading.rgb(pixels), pixels[..., shown])


def test_sixteen_bits_palette_and_cmyk():
    grey = colours(channels=1)[..., 0]
    np.testing.assert_array_equal(read(file_of(Image.fromarray(grey.astype(np.uint16) * 257))).pixels[..., 0], grey)
    palette = Image.fromarray(colours()).quantize(16)
    np.testing.assert_array_equal(read(file_of(palette)).pixels, np.asarray(palette.convert('RGB')))
    palette.info['transparency'] = palette.getpixel((0, 0))
    see_through = read(file_of(palette, transparency=palette.getpixel((0, 0)))).pixels
    assert see_through.shape[-1] == 4 and see_through[0, 0, 3] == 0 and see_through[..., 3].max() == 255
    cmyk = read(file_of(Image.fromarray(colours()).convert('CMYK'), 'JPEG', quality=100)).pixels
    assert np.abs(cmyk.astype(int) - colours()).mean() < 3


def test_sixteen_bits_of_a_pgm_file():
    grey = colours(channels=1)[..., 0]
    content = b'P5\n%d %d\n65535\n' % grey.shape[::-1] + (grey.astype('>u2') * 257).tobytes()
    np.testing.assert_array_equal(read(content).pixels[..., 0], grey)


def test_colours_of_another_profile_become_srgb():
    """Here one whose red and blue have changed places; what is turned by its EXIF data is so before."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    swapped = (srgb.replace(b'rXYZ', b'tXYZ').replace(b'bXYZ', b'rXYZ').replace(b'tXYZ', b'bXYZ')
               .replace('sRGB'.encode('utf-16-be'), 'swap'.encode('utf-16-be')))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = colours()
    turned = np.ascontiguousarray(np.rot90(pixels))
    for profile, expected in ((None, pixels), (srgb, pixels), (swapped, pixels[..., ::-1]), (b'damaged', pixels)):
        found = read(file_of(turned, exif=exif, **({'icc_profile': profile} if profile else {}))).pixels
        assert np.abs(found.astype(int) - expected).mean() < 1


def profile(channels, connection, **tags):
    """The bytes of an ICC profile, 'GRAY' with 'XYZ ' say."""
    start, table, content = 132 + 12 * len(tags), b'', b''
    for name, value in tags.items():
        table += name.encode() + struct.pack('>II', start + len(content), len(value))
        content += value
    header = struct.pack('>I4xI4s4s4s12x4s', start + len(content), 0x02400000, b'mntr', channels, connection, b'acsp')
    return header.ljust(128, b'\0') + struct.pack('>I', len(tags)) + table + content


WHITE = b'XYZ ' + struct.pack('>4x3I', 0xf6d6, 0x10000, 0xd32d)


def test_grey_of_another_gamma_becomes_that_of_srgb():
    gamma = profile(b'GRAY', b'XYZ ', wtpt=WHITE, kTRC=b'curv' + struct.pack('>4xIH2x', 1, round(1.8 * 256)))
    for channels in (1, 2):
        pixels = colours(channels=channels)
        found = read(file_of(pixels[..., 0] if channels == 1 else pixels, icc_profile=gamma)).pixels
        light = (pixels[..., :1] / 255) ** 1.8
        srgb = 255 * np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        assert np.abs(found[..., :1] - srgb).max() < 2 and np.abs(pixels[..., :1] - srgb).max() > 10
        np.testing.assert_array_equal(found[..., 1:], pixels[..., 1:])


def test_cmyk_is_what_its_profile_says():
    """Here that black ink alone counts."""
    corners = b''.join(bytes([lightness, 128, 128]) for lightness in 8 * (255, 0))
    same = bytes(range(256))
    unchanged = 65536 * np.eye(3, dtype=int).ravel()
    table = struct.pack('>4s4x4B9i', b'mft1', 4, 3, 2, 0, *unchanged) + 4 * same + corners + 3 * same
    inks = Image.new('CMYK', (16, 16), (200, 0, 0, 128))
    black = profile(b'CMYK', b'Lab ', wtpt=WHITE, A2B0=table)
    for icc_profile, expected in ((None, (27, 127, 127)), (black, (118, 118, 118))):
        found = read(file_of(inks, 'JPEG', icc_profile=icc_profile, quality=100)).pixels
        assert np.abs(found.astype(int) - expected).max() < 3


def matrix_profile(gamma, description):
    """sRGB's primaries with another exponent."""
    curve = b'curv' + struct.pack('>4xIH2x', 1, round(gamma * 256))
    columns = {name: b'XYZ ' + struct.pack('>4x3I', *(round(65536 * value) for value in values)) for name, values in (
        ('rXYZ', (0.4360, 0.2225, 0.0139)), ('gXYZ', (0.3851, 0.7169, 0.0971)), ('bXYZ', (0.1431, 0.0606, 0.7141)))}
    text = b'desc' + struct.pack('>4xI', len(description) + 1) + description.encode() + bytes(79)
    return profile(b'RGB ', b'XYZ ', wtpt=b'XYZ ' + struct.pack('>4x3I', 0xf6d6, 0x10000, 0xd32d), desc=text,
                   rTRC=curve, gTRC=curve, bTRC=curve, **columns)


def srgb_of(light):
    """sRGB in [0, 255] of linear light in [0, 1]."""
    return 255 * np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize('description', ['GIMP built-in Linear sRGB', 'anything'])
@pytest.mark.parametrize('kind', ['png16', 'png', 'tiff16', 'jpeg', 'grey png16'])
def test_what_a_profile_does_counts_and_not_its_name(kind, description):
    linear, channels = matrix_profile(1, description), 1 if 'grey' in kind else 3
    values = np.linspace(0, 65535, 64 * 16).round().astype(np.uint16).reshape(16, 64, 1).repeat(channels, axis=-1)
    if '16' in kind:
        expected = srgb_of(values / 65535)
    else:
        values = (values // 257).astype(np.uint8)
        expected = srgb_of(values / 255)
    if 'png' in kind:
        zipped = b'p\0\0' + zlib.compress(linear)
        content = png(values, 0 if channels == 1 else 2, (b'iCCP', zipped), bits=16 if '16' in kind else 8)
    elif kind == 'jpeg':
        content = file_of(values, 'JPEG', icc_profile=linear, quality=100)
    else:
        content = tiff(tiff_page(values, 2, 16, t34675=(UNDEFINED, list(linear))))
    off = np.abs(read(content).pixels - expected)
    assert off.max() <= (30 if kind == 'jpeg' else 1) and off.mean() < 1


def test_a_profile_that_does_nothing_leaves_every_bit_whatever_its_name():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    unnamed = srgb.replace('sRGB'.encode('utf-16-be'), 'mine'.encode('utf-16-be'))
    assert unnamed != srgb
    for icc_profile in (srgb, unnamed):
        np.testing.assert_array_equal(read(file_of(colours(), icc_profile=icc_profile)).pixels, colours())


@pytest.mark.parametrize('chunks, does', [
    ([(b'gAMA', 100000)], lambda light: light), ([(b'gAMA', 55556)], lambda light: light**1.8),
    ([(b'gAMA', 45455)], None), ([(b'sRGB', 0), (b'gAMA', 100000)], None), ([(b'gAMA', 0)], None), ([(b'gAMA', 2**31 - 1)], None),
    ([(b'cICP', b'\x01\x08\0\x01'), (b'gAMA', 45455)], lambda light: light), ([(b'cICP', b'\x01\x0d\0\x01')], None)], ids=lambda value: None if callable(value) else str(value))
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('colour_type', [0, 2])
def test_the_gamma_of_a_png_without_a_profile_counts(chunks, does, bits, colour_type):
    values = np.linspace(0, 2**bits - 1, 256).round().reshape(16, 16, 1).repeat(3 if colour_type else 1, axis=-1)
    written = [(name, bytes([value]) if name == b'sRGB' else value if isinstance(value, bytes) else struct.pack('>I', value))
               for name, value in chunks]
    found = read(png(values, colour_type, *written, bits=bits)).pixels
    light = values / (2**bits - 1)
    assert np.abs(found - (srgb_of(does(light)) if does else 255 * light)).max() <= 1


def test_the_primaries_of_a_png_count_with_its_gamma():
    wide = struct.pack('>8I', 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)  # Adobe RGB
    green = np.broadcast_to(np.uint8([60, 200, 60]), (4, 4, 3))
    found = read(png(green, 2, (b'gAMA', struct.pack('>I', 45470)), (b'cHRM', wide))).pixels[0, 0]
    assert found[0] == 0 and abs(int(found[1]) - 201) < 4  # Adobe RGB's green is more so than sRGB's
    np.testing.assert_array_equal(read(png(green, 2, (b'cHRM', wide))).pixels, green)


def to_xyz(white, *primaries):
    """The matrix from linear RGB to XYZ, of the x and y of white, red, green and blue."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, [white[0] / white[1], 1, (1 - sum(white)) / white[1]])


def test_dark_colours_of_16_bits_of_a_wide_gamut_are_right_to_a_level():
    """A table of colours between which LittleCMS interpolates is up to 28 levels off here."""
    values = np.random.default_rng(0).integers(0, 65536 // np.array([[[1]], [[16]]]), (2, 200, 3))
    wide = struct.pack('>8I', 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    found = read(png(values, 2, (b'gAMA', struct.pack('>I', 55556)), (b'cHRM', wide), bits=16)).pixels
    white, red, blue = (0.3127, 0.3290), (0.64, 0.33), (0.15, 0.06)
    matrix = np.linalg.solve(to_xyz(white, red, (0.30, 0.60), blue), to_xyz(white, red, (0.21, 0.71), blue))
    light = np.clip((values / 65535) ** 1.8 @ matrix.T, 0, 1)
    assert np.abs(found - srgb_of(light)).max() < 1.5


def test_adobe_rgb_that_a_camera_tells_in_its_exif_data_counts():
    green = np.broadcast_to(np.uint8([60, 200, 60]), (16, 16, 3))
    for index, expected in (('R03', [0, 201, 37]), ('R98', [60, 200, 60])):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xa005] = {1: index}
        found = read(file_of(green, 'JPEG', exif=exif, quality=100)).pixels
        assert np.abs(found.astype(int) - expected).max() < 6


def test_pictures_brighter_than_white_are_refused():
    with pytest.raises(errors.InputError, match='photo: cannot be read as a picture .an HDR picture, PQ; convert it to sRGB'):
        read(png(colours(), 2, (b'cICP', b'\x09\x10\0\x01')))


@pytest.mark.parametrize('bits, colour_type', [(16, 0), (16, 2), (16, 4), (16, 6), (8, 0), (8, 2), (4, 0), (2, 0), (1, 0)])
def test_every_depth_and_transparency_of_png(bits, colour_type):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    values = np.round(colours(channels=channels) / 255 * (2**bits - 1)).astype(int)
    expected = np.round(values / (2**bits - 1) * 255)
    assert np.abs(read(png(values, colour_type, bits=bits)).pixels - expected).max() == 0
    if colour_type in (0, 2):  # one colour is transparent
        seen_through = values[5, 7]
        found = read(png(values, colour_type, (b'tRNS', struct.pack(f'>{channels}H', *seen_through)), bits=bits)).pixels
        assert found.shape[-1] == channels + 1
        np.testing.assert_array_equal(found[..., -1] == 0, (values == seen_through).all(axis=-1))


def jpeg(**options):
    return file_of(colours(128, 128), 'JPEG', quality=90, **options)


@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'subsampling': 2}, {'restart_marker_blocks': 5}], ids=str)
@pytest.mark.parametrize('missing', [1, 2, 10, 50])
def test_a_jpeg_that_lacks_its_last_bytes_is_read_with_a_note(options, missing):
    content = jpeg(**options)
    whole, picture = read(content).pixels, read(content[:-missing])
    assert picture.notes == (truncated.NOTE,) and picture.ending == 'jpg'
    assert (picture.pixels != whole).any(axis=-1).mean() < 0.05
    if missing <= 2:
        np.testing.assert_array_equal(picture.pixels, whole)


@pytest.mark.parametrize('options, share', [({}, 0.2), ({}, 0.5), ({}, 0.9), ({'progressive': True}, 0.2),
                                            ({'progressive': True}, 0.5)], ids=str)
def test_a_jpeg_that_lacks_more_is_refused(options, share):
    content = jpeg(**options)
    with pytest.raises(errors.InputError, match='photo: cannot be read as a picture .*truncated'):
        read(content[:round(share * len(content))])


def test_a_png_without_its_end_is_read():
    np.testing.assert_array_equal(read(png(colours(), 2, end=False)).pixels, colours())


def metadata_of(content):
    picture = Image.open(io.BytesIO(content))
    exif = picture.getexif()
    return picture, {**exif, **exif.get_ifd(0x8769)}, exif.get_ifd(0x8825)


def photograph_with_metadata(order, form):
    """Dates, author, camera, place and resolution, and what must not be kept: orientation, thumbnail, notes of the camera."""
    author = 'Ann Müller'.encode()
    values = {0x0112: (SHORT, [6]), 0x013b: (ASCII, author + b'\0'), 0x8298: (ASCII, b'(c) Ann\0'),
              0x0132: (ASCII, b'2020:01:02 03:04:05\0'), 0x011a: (RATIONAL, [300, 1]), 0x011b: (RATIONAL, [300, 1])}
    inside = {0x9003: (ASCII, b'2019:05:06 07:08:09\0'), 0x829a: (RATIONAL, [1, 250]), 0xa002: (LONG, [60]),
              0x927c: (UNDEFINED, b'private notes of the camera')}
    place = {1: (ASCII, b'N\0'), 2: (RATIONAL, [48, 1, 8, 1, 0, 1])}
    exif = exif_block(values, inside, place, order)
    if form == 'TIFF':
        tags, strips = tiff_page(np.rot90(colours()), 2, 8, order=order)
        extra = {tag: value for tag, value in values.items()}
        return tiff((tags | extra, strips), order=order)
    return file_of(np.ascontiguousarray(np.rot90(colours())), form, exif=exif)


@pytest.mark.parametrize('ending', list(writing.FORMATS))
@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('order', ['<', '>'])
def test_metadata_are_kept_but_for_orientation_and_thumbnail(order, form, ending):
    picture = read(photograph_with_metadata(order, form))
    assert picture.pixels.shape == colours().shape
    written, exif, gps = metadata_of(writing.encode(picture.pixels, ending, picture.kept))
    assert written.size == (60, 40) and 0x0112 not in exif
    assert exif[0x013b].encode('latin-1').decode() == 'Ann Müller' and exif[0x8298] == '(c) Ann'
    assert exif[0x0132] == '2020:01:02 03:04:05' and exif[0x011a] == 300
    assert ending == 'webp' or tuple(np.round(written.info['dpi'])) == (300, 300)
    if form != 'TIFF':
        assert exif[0x9003] == '2019:05:06 07:08:09' and exif[0x829a] == 1 / 250
        assert gps[1] == 'N' and gps[2] == (48, 8, 0)
    assert not {0xa002, 0x927c, 0x0201} & set(exif)


def test_resolution_without_exif_data_is_kept_and_odd_ones_are_not():
    for form in ('PNG', 'JPEG', 'BMP'):
        kept = read(file_of(colours(), form, dpi=(150, 75))).kept
        assert np.round(kept.dpi).tolist() == [150, 75]
    for dpi in ((0, 0), (1e9, 1)):
        assert metadata.kept(b'', dpi) == metadata.Metadata()


def test_damaged_metadata_count_as_none():
    rng = np.random.default_rng(0)
    block = exif_block({0x0112: (SHORT, [6]), 0x013b: (ASCII, b'Ann Other\0')}, {0x9003: (ASCII, bytes(20))}, {}, '<')
    for number in range(300):
        damaged = bytearray(block)
        for _ in range(1 + number % 3):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        kept = metadata.kept(bytes(damaged[:rng.integers(len(damaged) + 1)] if number % 2 else damaged))
        writing.encode(colours(8, 8), 'jpg', kept)


@pytest.mark.parametrize('form', ['PNG', 'TIFF'])
def test_pictures_are_turned_upright(form):
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        content = file_of(colours(), form, exif=exif)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(read(content).pixels, expected, err_msg=f'{orientation}')


def test_exif_data_that_are_unusual_or_damaged_do_not_matter():
    turned_by_6 = struct.pack('>HHIHH', 0x0112, 3, 1, 6, 0)
    resolution_as_byte = struct.pack('>HHIBxxx', 0x011a, 1, 1, 72)
    unusual = b'Exif\0\0MM\0*' + struct.pack('>IH', 8, 2) + turned_by_6 + resolution_as_byte + bytes(4)
    for exif, expected in ((unusual, np.rot90(colours(), -1)), (b'damaged', colours())):
        np.testing.assert_array_equal(read(file_of(colours(), exif=exif)).pixels, expected)


def test_of_an_animation_the_first_frame_is_used_and_that_is_said():
    frames = [Image.fromarray(colours(seed=seed)) for seed in range(3)]
    picture = read(file_of(frames[0], 'WEBP', save_all=True, append_images=frames[1:], lossless=True))
    assert picture.notes == ('has 3 frames, of which the first is used',)
    np.testing.assert_array_equal(picture.pixels[..., :3], colours())


def png_header(width, height):
    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b''))


@pytest.mark.parametrize('content, message', [
    (b'', 'photo: cannot be read as a picture .the file is empty'),
    (b'Dear Sir or Madam, ' * 20, 'photo: cannot be read as a picture .not a picture'),
    (b'\0\0\0\x24ftypheic' + bytes(100), 'photo: cannot be read as a picture .a damaged HEIC'),
    (file_of(colours(), 'JPEG')[:700], 'photo: cannot be read as a picture .image file is truncated'),
    (file_of(colours())[:2000], 'photo: cannot be read as a picture'),
    (png_header(30_000, 30_000), 'photo: is 30000x30000 pixels, 900 million; at most 110 million'),
    (file_of(Image.fromarray(np.zeros((9, 9), np.float32)), 'TIFF'), '32 bits per pixel'),
], ids=['empty', 'text', 'heic', 'truncated jpeg', 'truncated png', 'huge', 'float'])
def test_bad_files_are_named(content, message):
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(errors.InputError, match=message):
        read(content)
    assert Image.MAX_IMAGE_PIXELS == before


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(errors.InputError, match='none.jpg: no such file'):
        reading.read(tmp_path / 'none.jpg')
    with pytest.raises(errors.InputError, match='is a folder'):
        reading.read(tmp_path)


def test_files_that_may_not_be_read_and_names_that_are_no_text_are_named(tmp_path, monkeypatch):
    strange = tmp_path / os.fsdecode(b'caf\xe9.jpg')
    strange.touch()
    with pytest.raises(errors.InputError, match=r'caf\\udce9.jpg.: the name of this file is not UTF-8'):
        reading.read(strange)
    secret = tmp_path / 'secret.jpg'
    secret.touch()
    monkeypatch.setattr(pathlib.Path, 'open', lambda *_: os.open(tmp_path, os.O_WRONLY))  # as root may read all files
    with pytest.raises(errors.InputError, match='secret.jpg: cannot be opened'):
        reading.read(secret)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(strategies.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_input_errors(content):
    for start in (b'', b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'GIF89a', b'II*\0', b'BM', b'RIFF\0\0\0\0WEBP'):
        try:
            read(start + content)
        except errors.InputError:
            pass


@pytest.mark.parametrize('ending', list(writing.FORMATS))
@pytest.mark.parametrize('channels', [1, 2, 3, 4])
def test_every_kind_of_pixels_can_be_written_in_every_format(channels, ending):
    pixels = colours(channels=channels)
    pixels[..., -1] = 255 if channels in (2, 4) else pixels[..., -1]
    back = read(writing.encode(pixels, ending))
    assert back.ending == ending
    colour = back.pixels[..., :3] if back.pixels.shape[-1] > 2 else back.pixels[..., :1]
    expected = pixels[..., :3] if channels > 2 else pixels[..., :1]
    assert np.abs(colour.astype(int) - expected).mean() < 6


def heif(pixels, format_='HEIF', **options):
    """The bytes of a HEIC or AVIF file; Pillow is not made to know HEIC."""
    if format_ == 'AVIF':
        return file_of(pixels, 'AVIF', quality=95, **options)
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize('format_', ['HEIF', 'AVIF'])
def test_what_phones_make_is_read_upright_in_srgb_with_its_alpha(format_):
    pixels = colours(48, 64)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, 'PNG', exif=exif)
        expected = reading.decode(png, 'photo').pixels
        found = reading.decode(io.BytesIO(heif(pixels, format_, exif=exif.tobytes())), 'photo').pixels
        assert found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 4, orientation
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:20] = 0
    assert reading.decode(io.BytesIO(heif(np.dstack([pixels, alpha]), format_)), 'photo').pixels.shape == (48, 64, 4)
    linear = image_colours.profile_of_gamma(1.0)
    dark = np.full((48, 64, 3), 55, np.uint8)
    found = reading.decode(io.BytesIO(heif(dark, format_, icc_profile=linear)), 'photo').pixels
    assert np.abs(found.astype(int) - 128).max() < 4  # of 55 / 255 of the light


@pytest.mark.parametrize('format_', ['HEIF', 'AVIF'])
def test_damaged_files_of_phones_are_one_line(format_):
    whole = heif(colours(48, 64), format_)
    rng = np.random.default_rng(0)
    for number in range(60):
        data = bytearray(whole[:rng.integers(8, len(whole))] if number % 2 else whole)
        for place in rng.integers(0, len(data), 0 if number % 2 else 4):
            data[place] = rng.integers(256)
        try:
            assert reading.decode(io.BytesIO(data), 'photo').pixels.dtype == np.uint8
        except errors.InputError as error:
            assert str(error).startswith('photo: ')


def test_threads_that_read_leave_the_filters_of_warnings_as_they_were(monkeypatch):
    """The first to begin ends first: by itself, each would bring back what it found."""
    content, before = file_of(colours()), list(warnings.filters)
    both_read, first_is_done = threading.Barrier(2), threading.Event()
    original = formats.opened

    def opened(file):
        both_read.wait(20)
        if threading.current_thread() is not first:
            first_is_done.wait(20)
        return original(file)

    def read_first():
        read(content)
        first_is_done.set()

    monkeypatch.setattr(formats, 'opened', opened)
    monkeypatch.setattr(reading, '_bomb_check', contextlib.nullcontext())
    first, second = threading.Thread(target=read_first), threading.Thread(target=read, args=(content,))
    first.start()
    while not both_read.n_waiting:
        time.sleep(0.001)
    second.start()
    first.join()
    second.join()
    assert warnings.filters == before
