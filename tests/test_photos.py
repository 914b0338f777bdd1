"""Photographs: read from any file, restored as arrays, and pasted so that nothing shows."""

import io
import struct
import time
import zlib

import cv2
import hypothesis
from hypothesis import strategies
import jax
import numpy as np
from PIL import Image
import pytest

import gln_jax
from gln_jax import alignment, config, errors, images, networks, weights
from gln_jax.data import drawing
from gln_jax.photos import consistency, face_upsampling, pasting, reading, restoring


def colours(height=40, width=60, channels=3, seed=0):
    """A smooth made-up picture, uint8 [height, width, channels]."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2).reshape(height, width, channels)


def file_of(picture, form='PNG', **options):
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, form, **options)
    return file.getvalue()


def read(content, name='photo'):
    return reading.decode(io.BytesIO(content), name)


# Reading

def test_plain_pixels_come_back_to_the_bit():
    for channels, mode in ((1, 'L'), (2, 'LA'), (3, 'RGB'), (4, 'RGBA')):
        pixels = colours(channels=channels)
        picture = read(file_of(Image.fromarray(pixels[..., 0] if channels == 1 else pixels)))
        np.testing.assert_array_equal(picture.pixels, pixels, err_msg=mode)
        np.testing.assert_array_equal(read(reading.encode(pixels, 'png')).pixels, pixels)


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


@pytest.mark.parametrize('orientation, undo', [(3, 2), (6, 1), (8, 3)])
def test_pictures_are_turned_upright(orientation, undo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = np.rot90(colours(), undo)
    picture = read(file_of(np.ascontiguousarray(turned), 'PNG', exif=exif))
    np.testing.assert_array_equal(picture.pixels, colours())


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
    (file_of(colours(), 'JPEG')[:700], 'photo: cannot be read as a picture .image file is truncated'),
    (file_of(colours())[:2000], 'photo: cannot be read as a picture'),
    (png_header(30_000, 30_000), 'photo: is 30000x30000 pixels, 900 million; at most 110 million'),
    (file_of(Image.fromarray(np.zeros((9, 9), np.float32)), 'TIFF'), '32 bits per pixel'),
], ids=['empty', 'text', 'truncated jpeg', 'truncated png', 'huge', 'float'])
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


# Pasting

def pasted(monkeypatch=None, mask=None):
    """(before, after, transform): a face brighter than its surroundings by 30 levels, and with other detail."""
    canvas = colours(300, 320, seed=3)
    transform = alignment.to_template(((130.2, 140.6), (171.5, 130.1)))
    luminance = colours(128, 128, 1, seed=4)[..., 0] / np.float32(255) + np.float32(0.12)
    if mask is not None:
        monkeypatch.setattr(pasting, 'mask', lambda: mask)
    after = canvas.copy()
    pasting.paste(after, luminance, transform)
    return canvas, after, transform


def border_step(before, after, transform):
    """The largest mean step that pasting put across a line parallel to the face's border, in its outermost pixels."""
    change = alignment.warp(after.astype(np.float32) - before, transform, (128, 128))[..., 0]
    return max(np.abs(np.diff(change, axis=axis)).mean(axis=1 - axis)[where].max()
               for axis in (0, 1) for where in (slice(0, 6), slice(-6, None)))


def test_no_border_shows(monkeypatch):
    before, after, transform = pasted()
    texture = np.abs(np.diff(before.astype(float), axis=0)).mean()
    middle = alignment.warp(after.astype(np.float32) - before, transform, (128, 128))[32:96, 32:96]
    assert np.abs(middle).mean() > 5  # something was pasted,
    assert abs(middle.mean()) < 3  # and of its other brightness nothing is left
    assert border_step(before, after, transform) < 0.5 * texture
    hard = pasted(monkeypatch, np.ones((128, 128), np.float32))
    assert np.abs(hard[1].astype(int) - hard[0]).max() > 10 and border_step(*hard) > texture  # as the test would see it


def test_outside_the_mask_nothing_is_touched():
    before, after, transform = pasted()
    y, x = np.mgrid[:300, :320]
    in_face = alignment.moved(transform, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(300, 320, 2)
    outside = ((in_face < 0) | (in_face > 127)).any(axis=-1)
    assert outside.sum() > 50_000
    np.testing.assert_array_equal(after[outside], before[outside])


@pytest.mark.parametrize('eyes', [((-60, 20), (-20, 20)), ((5, 5), (60, 9)), ((3000, 20), (3040, 20))])
def test_faces_that_reach_over_the_border_are_pasted_as_far_as_they_go(eyes):
    canvas = colours(80, 90)
    pasting.paste(canvas, np.full((128, 128), 0.5, np.float32), alignment.to_template(eyes))
    assert canvas.shape == (80, 90, 3)


# Restoring

@pytest.fixture(scope='module')
def upsampler():
    """A small network before training, which about gives the bilinear image."""
    settings = config.default()
    settings.network = 'gln3'
    start = jax.jit(networks.generator(settings).init)(jax.random.key(0), np.zeros((1, 16, 16, 1), np.float32))
    return face_upsampling.FaceUpsampler(weights.Loaded(settings, start['params'], 'fresh', {}))


def photo(span=20, seed=5, size=64):
    """(photo uint8 RGB [size, size, 3], its eyes): a drawn face of which the aligned square spans `span` pixels."""
    face = drawing.draw_face(seed)
    wide = cv2.copyMakeBorder(face, 128, 128, 128, 128, cv2.BORDER_REPLICATE)
    zoom = span / 128
    transform = np.array([[zoom, 0, 20.0], [0, zoom, 15.0]])
    from_wide = alignment.after(transform, np.array([[1.0, 0, -128], [0, 1, -128]]))
    small = np.clip(np.round(alignment.warp(wide, from_wide, (size, size))), 0, 255).astype(np.uint8)
    return small, tuple(map(tuple, alignment.moved(transform, images.TEMPLATE_EYES)))


def test_a_small_face_is_restored_into_the_bicubic_photo(upsampler):
    image, eyes = photo()
    result = gln_jax.restore(image, [eyes], upsampler)
    assert result.factor == 8 and result.image.shape == (512, 512, 3) and result.image.dtype == np.uint8
    background = np.asarray(Image.fromarray(image).resize((512, 512), Image.Resampling.BICUBIC))
    face, = result.faces
    assert face.source_pixels == pytest.approx(20, abs=0.01) and face.note == 'restored'
    to_face = alignment.after(alignment.to_template(eyes), alignment.inverse(alignment.enlargement(8)))
    y, x = np.mgrid[:512, :512]
    in_face = alignment.moved(to_face, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(512, 512, 2)
    outside = ((in_face < 0) | (in_face > 127)).any(axis=-1)
    np.testing.assert_array_equal(result.image[outside], background[outside])
    assert (result.image != background).any()
    truth = drawing.draw_face(5).astype(float)
    assert face.restored.shape == (128, 128, 3) and np.abs(face.restored - truth).mean() < 20  # upright, right colours
    assert np.abs(face.restored - truth).mean() < 0.85 * min(
        np.abs(other - truth).mean()
        for other in (face.restored[:, ::-1], face.restored[::-1], face.restored[..., ::-1]))
    again = alignment.align(result.image, alignment.moved(alignment.enlargement(8), eyes))
    assert np.abs(again.astype(int) - face.restored)[24:104, 24:104].mean() < 6


def test_a_grey_photo_stays_grey_to_the_bit(upsampler):
    image, eyes = photo()
    grey = image[..., 1]
    result = restoring.restore(grey[..., None].repeat(3, axis=-1), [eyes], upsampler, disagreement=False)
    for picture in (result.image, result.faces[0].restored):
        assert (picture == picture[..., :1]).all()
    for shaped in (grey, grey[..., None]):
        single = restoring.restore(shaped, [eyes], upsampler, disagreement=False)
        np.testing.assert_array_equal(single.image.reshape(512, 512), result.image[..., 0])
        assert single.image.ndim == shaped.ndim


def test_a_red_face_stays_red(upsampler):
    image, eyes = photo()
    red = np.stack([image[..., 0], image[..., 0] // 5, image[..., 0] // 10], axis=-1)
    result = restoring.restore(red, [eyes], upsampler, disagreement=False)
    for picture in (result.image, result.faces[0].restored, result.faces[0].lr):
        means = picture.reshape(-1, 3).mean(axis=0)
        assert means[0] > 3 * means[1] > 3 * means[2]


def test_alpha_is_kept(upsampler):
    image, eyes = photo()
    alpha = np.full(image.shape[:2], 255, np.uint8)
    alpha[:, 50:] = 0
    result = restoring.restore(np.dstack([image, alpha]), [eyes], upsampler, disagreement=False)
    expected = np.asarray(Image.fromarray(alpha).resize((512, 512), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(result.image[..., 3], expected)
    opaque = restoring.restore(image, [eyes], upsampler, disagreement=False)
    np.testing.assert_array_equal(result.image[:, :320, :3], opaque.image[:, :320])


def test_several_faces_or_only_the_one_in_the_middle(upsampler):
    image, eyes = photo(size=48)
    wide = np.concatenate([image, image[:, ::-1].copy(), image], axis=1)
    places = [tuple((x + 96, y) for x, y in eyes), eyes]
    result = restoring.restore(wide, places, upsampler, disagreement=False)
    assert [face.eyes for face in result.faces] == [places[1], places[0]]
    np.testing.assert_array_equal(result.faces[0].lr, result.faces[1].lr)
    middle = tuple((x + 40, y) for x, y in eyes)
    only = restoring.restore(wide, [*places, middle], upsampler, only_center_face=True, disagreement=False)
    assert [face.eyes for face in only.faces] == [middle]


def test_a_large_face_is_left_alone_unless_forced(upsampler):
    image, eyes = photo(span=150, size=200)
    alone = restoring.restore(image, [eyes], upsampler)
    assert alone.factor == 1 and alone.faces[0].restored is None and 'left alone' in alone.faces[0].note
    np.testing.assert_array_equal(alone.image, image)
    forced = restoring.restore(image, [eyes], upsampler, force=True)
    assert forced.factor == 1 and forced.image.shape == image.shape and (forced.image != image).any()
    assert forced.faces[0].note == 'restored from 16x16 pixels, to which its 150 were reduced'


def test_a_large_photo_is_enlarged_less_and_that_is_said(upsampler, monkeypatch):
    monkeypatch.setattr(restoring, 'MOST_PIXELS_MADE', 64 * 64 * 10)
    image, eyes = photo()
    result = restoring.restore(image, [eyes], upsampler, disagreement=False)
    assert result.factor == 3 and result.image.shape == (192, 192, 3)
    assert any('3 instead of 8 times' in note for note in result.notes)
    assert result.faces[0].restored.shape == (128, 128, 3)


def test_without_a_face_the_photo_is_bicubic_and_that_is_said(upsampler):
    image = np.full((40, 40, 3), 90, np.uint8)
    result = restoring.restore(image, None, upsampler)
    assert result.image.shape == (320, 320, 3) and not result.faces
    assert 'no face was found' in result.notes[0]


@pytest.mark.parametrize('eyes, message', [
    (((5, 5), (5.2, 5)), 'less than a pixel apart'), (((5, 5), (500, 5)), 'lie outside of the picture, which is 64x64'),
    (((5, 5), (float('nan'), 5)), 'lie outside'), ((5, 5, 9), 'four numbers')])
def test_eyes_that_cannot_be_are_refused(upsampler, eyes, message):
    with pytest.raises(errors.InputError, match=message):
        restoring.restore(photo()[0], [eyes], upsampler)


def test_without_a_path_the_released_network_of_the_scale_is_taken(upsampler, monkeypatch):
    monkeypatch.setattr(weights, 'released', lambda: ['x4', 'x8-a', 'x8-b'])
    asked = []
    monkeypatch.setattr(weights, 'load_generator', lambda path: asked.append(path))
    for scale in (None, 8, 4):
        with pytest.raises(AttributeError):  # of None, which is no network
            face_upsampling.load(None, scale)
    assert asked == ['x8-a', 'x8-a', 'x4']


def test_images_that_cannot_be_are_refused(upsampler, monkeypatch):
    for shape in ((1, 1, 3), (7, 100, 3)):
        with pytest.raises(errors.InputError, match='too small for a face'):
            restoring.restore(np.zeros(shape, np.uint8), [], upsampler)
    for image in (np.zeros((20, 20, 3)), np.zeros((20, 20, 5), np.uint8), np.zeros(20, np.uint8)):
        with pytest.raises(ValueError, match='a photograph is uint8'):
            restoring.restore(image, [], upsampler)
    monkeypatch.setattr(weights, 'released', lambda: [])
    with pytest.raises(errors.InputError, match='none for 8x comes with the project yet: give --ckpt'):
        restoring.restore(np.zeros((20, 20, 3), np.uint8))


# What can be held against what

def lr_of(seed):
    hr = np.asarray(images.luminance(drawing.draw_face(seed) / np.float32(255)))[None]
    return np.asarray(images.degrade(hr, 8))


def test_batches_do_not_mix_faces(upsampler):
    lr = np.concatenate([lr_of(seed) for seed in range(5)])
    together = upsampler(lr)
    assert together.shape == (5, 128, 128, 1)
    np.testing.assert_allclose(together[4:], upsampler(lr[4:]), atol=1e-6)
    plain, measured = upsampler.with_disagreement(lr[:2])
    np.testing.assert_allclose(plain, together[:2], atol=1e-6)
    assert len(measured) == 2


class Interpolation(face_upsampling.FaceUpsampler):
    """In place of a network: bicubic interpolation, with an error that knows left from right if told so."""

    scale, lr_size, degradation, batch_size = 8, 16, 'gaussian', 4

    def __init__(self, lopsided=0.0):
        self._lopsided = lopsided

    def _network(self, lr):
        return images.upsample(lr, 8, 'bicubic') + self._lopsided * np.linspace(-1, 1, 128)[:, None] / 255


def test_disagreement_is_zero_for_what_treats_all_sides_and_places_alike():
    lr = 0.25 + 0.5 * lr_of(1)
    _, (even,) = Interpolation().with_disagreement(lr)
    _, (lopsided,) = Interpolation(lopsided=10.0).with_disagreement(lr)
    assert even.mirrored < 0.01 and even.shifted < 3  # interpolation depends a little on where the pixels are
    assert lopsided.mirrored == pytest.approx(20 / np.sqrt(3), rel=0.02)  # RMS of 2 * 10 * [-1, 1]


def test_consistency_is_the_psnr_of_the_degraded_output():
    hr = np.asarray(images.upsample(lr_of(1), 8, 'bicubic'))
    lr = np.asarray(images.degrade(hr, 8))
    assert consistency.consistency(hr, lr + np.float32(0.01), 8, 'gaussian')[0] == pytest.approx(40, abs=0.01)
    assert consistency.consistency(hr, lr, 8, 'gaussian')[0] > 100


@pytest.mark.parametrize('scale', [4, 8])
def test_back_projection_makes_the_output_consistent(scale):
    truth = 0.2 + 0.6 * np.asarray(images.luminance(drawing.draw_face(2) / np.float32(255)))[None]
    lr = np.asarray(images.degrade(truth, scale))
    hr = np.asarray(images.upsample(lr, scale, 'bilinear'))
    before = consistency.consistency(hr, lr, scale, 'gaussian')[0]
    projected = consistency.back_projected(hr, lr, scale, 'gaussian')
    assert projected.shape == hr.shape and projected.min() >= 0 and projected.max() <= 1
    assert consistency.consistency(projected, lr, scale, 'gaussian')[0] > max(55, before + 10)
    assert np.mean((projected - truth) ** 2) < np.mean((hr - truth) ** 2)


def test_consistent_restoration_reports_the_consistency_it_reached(upsampler):
    image, eyes = photo()
    plain, consistent = (
        restoring.restore(image, [eyes], upsampler, consistent=wanted, disagreement=False).faces[0].trust
        for wanted in (False, True))
    assert consistent.consistency > plain.consistency + 10
