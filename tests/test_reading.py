"""Photographs are read from any file and written in any format; damaged ones are named."""

import io
import os
import pathlib
import struct
import time
import zlib

import hypothesis
from hypothesis import strategies
import numpy as np
from PIL import Image, ImageCms, ImageOps
import pytest

from gln_jax.data.image_files import reading
from gln_jax.runtime import errors
from made_up import colours


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
        np.testing.assert_array_equal(read(reading.encode(pixels, 'png')).pixels, pixels)


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
    (b'\0\0\0\x24ftypheic' + bytes(100), 'photo: cannot be read as a picture .HEIC or the like; convert it to JPEG or PNG'),
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


def originals():
    small = colours(16, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = Image.fromarray(small[..., 0])
    return [file_of(small), file_of(small, 'JPEG', exif=exif), file_of(small, 'WEBP'), file_of(small, 'GIF'),
            file_of(small, 'BMP'), file_of(grey, 'TIFF'), file_of(colours(16, 20, 4), 'PNG'), file_of(small, 'PPM'),
            file_of(Image.fromarray(small).convert('CMYK'), 'JPEG'), file_of(Image.fromarray(small).quantize(8))]


def test_2000_damaged_files_raise_nothing_but_input_errors():
    """Bytes replaced, cut out, doubled or cut off, in headers more often than elsewhere."""
    rng = np.random.default_rng(0)
    files = originals()
    began, refused = time.perf_counter(), 0
    for turn in range(2000):
        content = bytearray(files[turn % len(files)])
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(content)) * rng.random() ** 2)
            kind = rng.integers(4)
            if kind == 0:
                content[at] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))
            elif kind == 1:
                del content[at:at + int(rng.integers(1, 9))]
            elif kind == 2:
                content[at:at] = content[at:at + int(rng.integers(1, 30))]
            elif rng.random() < 0.3:
                del content[at:]
            content = content or bytearray(b'\0')
        try:
            picture = read(bytes(content))
        except errors.InputError as error:
            refused += 1
            assert '\n' not in str(error).strip()
        else:
            assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[-1] in (1, 2, 3, 4)
    assert 200 < refused < 1990  # the files are damaged, but not all beyond reading
    assert time.perf_counter() - began < 60


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(strategies.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_input_errors(content):
    for start in (b'', b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'GIF89a', b'II*\0', b'BM', b'RIFF\0\0\0\0WEBP'):
        try:
            read(start + content)
        except errors.InputError:
            pass


@pytest.mark.parametrize('ending', list(reading.WRITTEN))
@pytest.mark.parametrize('channels', [1, 2, 3, 4])
def test_every_kind_of_pixels_can_be_written_in_every_format(channels, ending):
    pixels = colours(channels=channels)
    pixels[..., -1] = 255 if channels in (2, 4) else pixels[..., -1]
    back = read(reading.encode(pixels, ending))
    assert back.ending == ending
    colour = back.pixels[..., :3] if back.pixels.shape[-1] > 2 else back.pixels[..., :1]
    expected = pixels[..., :3] if channels > 2 else pixels[..., :1]
    assert np.abs(colour.astype(int) - expected).mean() < 6
