"""TIFF files of every kind are read right, or refused in one line."""

import io

import numpy as np
from PIL import Image
import pytest
import tifffile

from gln_jax.data.image_files import reading
from gln_jax.runtime import errors
from made_up import colours
from made_up_files import LONG, tiff, tiff_page

RGB, GREY = colours(), colours(channels=1)


def read(content):
    return reading.decode(io.BytesIO(content), 'scan')


def deep(pixels, bits):
    """uint8 pixels as integers of so many bits over their whole range, rounded."""
    return np.round(pixels / 255 * (2.0**bits - 1)).astype(np.uint64)


def difference(found, expected):
    assert found.shape == expected.shape
    return np.abs(found.astype(int) - expected).max()


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('bits', [1, 2, 4, 8, 10, 12, 14, 16, 32])
@pytest.mark.parametrize('kind', ['white is zero', 'black is zero', 'rgb', 'planar rgb'])
def test_every_depth(kind, bits, order):
    pixels = RGB if 'rgb' in kind else GREY
    samples = deep(pixels, bits)
    expected = np.round(samples / (2.0**bits - 1) * 255)
    if kind == 'white is zero':
        samples = 2**bits - 1 - samples
    page = tiff_page(samples, {'white is zero': 0, 'black is zero': 1}.get(kind, 2), bits, planar=kind == 'planar rgb',
                     order=order)
    assert difference(read(tiff(page, order=order)).pixels, expected) <= (1 if bits > 8 else 0)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('planar', [False, True])
def test_alpha_and_cmyk(bits, planar):
    alpha = np.linspace(1, 255, RGB[..., :1].size).reshape(RGB[..., :1].shape).astype(np.uint8)
    for name, colour, photometric in (('rgb', RGB, 2), ('grey', GREY, 1)):
        unassociated = np.concatenate([colour, alpha], axis=-1)
        associated = np.concatenate([np.round(colour / 255 * alpha), alpha], axis=-1)
        for kind, samples in ((2, unassociated), (1, associated)):
            found = read(tiff(tiff_page(deep(samples, bits), photometric, bits, planar=planar, t338=kind))).pixels
            np.testing.assert_array_equal(found[..., -1:], alpha, err_msg=name)
            off = np.abs(found[..., :-1].astype(int) - colour)
            assert (off <= (0 if kind == 2 else 1 + 128 / alpha)).all()
        ignored = read(tiff(tiff_page(deep(unassociated, bits), photometric, bits, planar=planar, t338=0))).pixels
        np.testing.assert_array_equal(ignored, colour)
    inks = np.concatenate([255 - RGB, np.full_like(alpha, 51)], axis=-1)
    found = read(tiff(tiff_page(deep(inks, bits), 5, bits, planar=planar))).pixels
    assert difference(found, np.round(RGB * 0.8)) <= 1


@pytest.mark.parametrize('bits', [1, 2, 4, 8, 16])
def test_palettes(bits):
    indices = GREY.astype(int) * min(2**bits, 256) // 256
    palette = np.random.default_rng(0).integers(0, 256, (3, 2**bits))
    for factor in (257, 1):  # some writers take 8 bits
        found = read(tiff(tiff_page(indices, 3, bits, t320=(palette * factor).ravel().tolist()))).pixels
        np.testing.assert_array_equal(found, palette.T[indices[..., 0]])


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('photometric', [8, 9])
def test_lab(photometric, bits):
    """Greys, and the colours that CIE Lab (D50) gives red and blue of sRGB."""
    lab = np.array([[[0, 0, 0], [53.4, 0, 0], [100, 0, 0], [54.3, 80.8, 69.9], [29.6, 68.3, -112.0]]])
    unit = 2 ** (bits - 8)
    if photometric == 8:
        samples = np.stack([lab[..., 0] * (2**bits - 1) / 100, *(lab[..., 1:] * unit % 2**bits).transpose(2, 0, 1)], axis=-1)
    else:
        samples = np.stack([lab[..., 0] * 255 * unit / 100, *((lab[..., 1:] + 128) * unit).transpose(2, 0, 1)], axis=-1)
    found = read(tiff(tiff_page(samples.round(), photometric, bits))).pixels
    assert difference(found, np.array([[[0] * 3, [127] * 3, [255] * 3, [255, 0, 0], [0, 0, 255]]])) <= 5


@pytest.mark.parametrize('options', [
    {'compression': 'lzw', 'predictor': True}, {'compression': 'zlib', 'tile': (16, 32)}, {'compression': 'packbits'},
    {'compression': 'zstd', 'bigtiff': True}, {'compression': 'jpeg2000'}, {'compression': 'webp'}, {'compression': 'lzma'},
    {'tile': (16, 16), 'planarconfig': 'separate'}, {'rowsperstrip': 7}, {'byteorder': '>', 'compression': 'lzw'}], ids=str)
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_compressions_tiles_and_strips(dtype, options):
    if options.get('compression') == 'webp' and dtype is np.uint16:
        pytest.skip('has 8 bits')
    file = io.BytesIO()
    pixels = RGB.astype(dtype) * (257 if dtype is np.uint16 else 1)
    pixels = np.moveaxis(pixels, -1, 0) if 'planarconfig' in options else pixels
    tifffile.imwrite(file, pixels, photometric='rgb', **options)
    assert difference(read(file.getvalue()).pixels, RGB) <= (1 if options.get('compression') == 'webp' else 0)


def test_jpeg_inside_and_subsampled_ycbcr():
    file = io.BytesIO()
    Image.fromarray(RGB).convert('YCbCr').save(file, 'TIFF', compression='jpeg', quality=98)
    assert difference(read(file.getvalue()).pixels, np.asarray(Image.open(file).convert('RGB'))) <= 1
    luminance = np.full((4, 4), 100)
    blocks = np.concatenate([luminance.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4), np.full((4, 2), [90, 200])], axis=1)
    page = ({256: 4, 257: 4, 258: [8, 8, 8], 259: 1, 262: 6, 277: 3, 278: 4, 284: 1, 530: [2, 2]}, [blocks.astype(np.uint8).tobytes()])
    red, green, blue = 100 + 1.402 * 72, 100 - 0.344 * -38 - 0.714 * 72, 100 + 1.772 * -38
    assert difference(read(tiff(page)).pixels, np.full((4, 4, 3), [red, green, blue])) <= 2


def test_bits_in_the_other_order_and_turned_pictures():
    reversed_bits = np.array([int(f'{value:08b}'[::-1], 2) for value in range(256)], np.uint8)
    tags, (strip,) = tiff_page(GREY > 127, 0, 1, t266=2)
    found = read(tiff((tags, [bytes(reversed_bits[list(strip)])]))).pixels
    np.testing.assert_array_equal(found, np.where(GREY > 127, 0, 255))
    turned = tiff_page(deep(np.rot90(RGB), 16), 2, 16, t274=6)
    np.testing.assert_array_equal(read(tiff(turned)).pixels, RGB)


@pytest.mark.parametrize('tags', [{'t254': (LONG, [1])}, {'t255': 2}, {}], ids=['NewSubfileType', 'SubfileType', 'none'])
def test_a_first_page_that_is_a_thumbnail_is_passed_over(tags):
    thumbnail = tiff_page(RGB[::4, ::4], 2, 8, **tags)
    picture = read(tiff(thumbnail, tiff_page(RGB, 2, 8)))
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.notes == ('begins with a thumbnail, so that page 2 is used',)


def test_of_pages_the_first_is_used_and_a_mask_or_reduced_ones_are_no_pages():
    first, mask, reduced = tiff_page(RGB, 2, 8), tiff_page(GREY > 0, 4, 1, t254=(LONG, [4])), tiff_page(
        RGB[::2, ::2], 2, 8, t254=(LONG, [1]))
    assert read(tiff(first, mask, reduced)).notes == ()
    np.testing.assert_array_equal(read(tiff(mask, first)).pixels, RGB)
    picture = read(tiff(first, tiff_page(GREY, 1, 8)))
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.notes == ('has 2 pages, of which the first is used',)
    np.testing.assert_array_equal(read(tiff(reduced)).pixels, RGB[::2, ::2])  # where there is nothing else


@pytest.mark.parametrize('page, message', [
    (tiff_page(GREY, 32803, 8), "a camera's raw picture; convert it"), (tiff_page(RGB, 10, 8), 'ITU Lab; convert'),
    (tiff_page(GREY, 1, 8, t339=2), 'signed or with a fraction, and without a known range'),
    (tiff_page(GREY, 1, 32, t339=3), '32 bits per pixel and channel, signed or with a fraction'),
    (tiff_page(RGB[..., [0, 0, 0, 0]], 5, 8, t332=2), 'its inks are not CMYK'),
    (tiff_page(GREY, 3, 8), 'its palette lacks colours'), (tiff_page(GREY, 2, 8), 'channels are too few'),
    ((tiff_page(RGB, 2, 8)[0] | {258: [5, 6, 5]}, tiff_page(RGB, 2, 8)[1]), 'bits per channel|dtype'),
    ((tiff_page(RGB, 2, 8)[0], [bytes(100)]), 'cannot be read as a picture'),
    (tiff_page(RGB, 2, 8, t259=999), 'cannot be read as a picture')])
def test_what_has_no_known_meaning_is_refused(page, message):
    with pytest.raises(errors.InputError, match=f'^scan: .*({message})') as error:
        read(tiff(page))
    assert '\n' not in str(error.value)


def test_a_truncated_file_is_refused():
    for compression in (None, 'lzw', 'zlib'):
        file = io.BytesIO()
        tifffile.imwrite(file, RGB, photometric='rgb', compression=compression)
        with pytest.raises(errors.InputError, match='scan: cannot be read as a picture'):
            read(file.getvalue()[:-200])
