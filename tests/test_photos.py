"""Photographs restored as arrays, and what the result can be held against."""

import collections
import concurrent.futures
import os

import cv2
import jax
import numpy as np
from PIL import Image
import pytest

import gln_jax
from gln_jax import config, images, weights
from gln_jax.data import alignment
from gln_jax.data.synthetic import drawing
from gln_jax.models import factory
from gln_jax.photos import consistency, face_upsampling, loaded_upsamplers, restoring
from gln_jax.runtime import errors
from tools import measure_sizes


def fresh(scale):
    """A small network before training, which about gives the bilinear image."""
    settings = config.default()
    settings.network, settings.scale = 'gln3' if scale > 2 else 'fast', scale
    settings.fast.update(width=24, blocks=1)
    lr = np.zeros((1, 128 // scale, 128 // scale, 1), np.float32)
    start = jax.jit(factory.generator(settings).init)(jax.random.key(0), lr)
    return face_upsampling.FaceUpsampler(weights.Loaded(settings, start['params'], 'fresh', {}))


@pytest.fixture(scope='module')
def upsampler():
    return fresh(8)


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
    assert forced.faces[0].note.startswith('restored from 16x16 pixels, to which its 150 were reduced; interpolation')


def test_without_a_chosen_network_each_face_gets_the_one_for_its_size(upsampler, monkeypatch):
    asked = {8: upsampler, 4: fresh(4), 2: fresh(2)}
    monkeypatch.setattr(loaded_upsamplers, '_kept', collections.OrderedDict())
    monkeypatch.setattr(face_upsampling, 'load', lambda path, scale, *_: asked[scale] if path is None else None)
    large, eyes = photo(span=36, size=100)
    small, other_eyes = photo(span=20, size=100)
    other_eyes = tuple((x + 100, y) for x, y in other_eyes)
    both = restoring.restore(np.hstack([large, small]), [eyes, other_eyes], disagreement=False)
    assert [face.lr.shape[0] for face in both.faces] == [32, 16] and both.factor == 8
    one = restoring.restore(large, [eyes], disagreement=False)
    assert one.factor == 4 and one.image.shape == (400, 400, 3) and one.faces[0].note == 'restored'
    chosen = restoring.restore(large, [eyes], upsampler, disagreement=False)
    assert chosen.factor == 8 and 'its 36 were reduced; interpolation keeps more' in chosen.faces[0].note

    larger, eyes = photo(span=60, size=120)
    twice = restoring.restore(larger, [eyes])
    assert twice.factor == 2 and twice.faces[0].lr.shape[0] == 64 and twice.image.shape == (240, 240, 3)
    assert 0 < twice.faces[0].trust.disagreement.shifted < 5
    said = [restoring.restore(larger, [eyes], sharpness=sharpness, disagreement=False).notes for sharpness in (None, 0, 0.5)]
    assert said == [(), (), ('no sharpness for faces of 41 pixels and more: fresh has no adversarial partner',)]
    assert restoring.restore(small, [photo(span=20, size=100)[1]], sharpness=0.5, disagreement=False).notes == ()
    larger, eyes = photo(span=90, size=160)
    alone = restoring.restore(larger, [eyes], disagreement=False)
    assert alone.factor == 1 and alone.faces[0].restored is None
    assert alone.faces[0].note == 'left alone: it spans 90 pixels already, and would be restored from 64x64'
    forced = restoring.restore(larger, [eyes], force=True, disagreement=False)
    assert forced.factor == 2 and forced.faces[0].lr.shape[0] == 64


def test_a_network_that_is_loaded_takes_as_many_faces_at_once_as_go_through_it(monkeypatch):
    """One, or its four variants: what a batch lacks would be made up, and cost as much."""
    asked = []
    monkeypatch.setattr(face_upsampling, 'load', lambda path, scale=None, batch_size=None, sharpness=None: asked.append(batch_size))
    monkeypatch.setattr(loaded_upsamplers, '_kept', collections.OrderedDict())
    monkeypatch.setattr(restoring, 'restored', lambda *arguments: None)
    for given in (None, 'x8-fast'):
        for disagreement in (True, False):
            gln_jax.restore(photo()[0], [], given, disagreement=disagreement)
    assert asked == [4, 4, 4, 1, 1, 1, 4, 1]


def test_what_was_loaded_is_kept_until_its_file_changes(tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(face_upsampling, 'load', lambda path, scale=None, batch_size=None, sharpness=None: loaded.append(path) or len(loaded))
    monkeypatch.setattr(loaded_upsamplers, '_kept', collections.OrderedDict())
    file, workdir = tmp_path / 'x8.safetensors', tmp_path / 'workdir'
    file.write_bytes(b'1')
    (workdir / 'checkpoints').mkdir(parents=True)
    for given in (file, str(file), workdir, [file, workdir], None):
        first = loaded_upsamplers.all_of(given, 4)
        assert loaded_upsamplers.all_of(given, 4) == first != loaded_upsamplers.all_of(given, 1)
    before = loaded_upsamplers.all_of([file, workdir], 4)
    file.write_bytes(b'22')
    (workdir / 'checkpoints/100').mkdir()
    assert all(new != old for new, old in zip(loaded_upsamplers.all_of((file, workdir), 4), before))
    for number in range(2 * loaded_upsamplers.MOST_KEPT):
        loaded_upsamplers.all_of(f'x{number}', 4)
    assert len(loaded_upsamplers._kept) == loaded_upsamplers.MOST_KEPT
    with pytest.raises(errors.InputError, match='upsampler: none was given'):
        loaded_upsamplers.all_of([], 4)
    with pytest.raises(ValueError, match='upsampler: is to be a FaceUpsampler, a path or a name.*not int'):
        loaded_upsamplers.all_of([8], 4)


def test_from_several_threads_it_gives_the_same_bits(upsampler):
    images_known = [np.hstack([photo(seed=seed, span=24 + seed)[0], photo(seed=9 - seed)[0]]) for seed in range(6)]
    alone = [restoring.restore(image, None, upsampler) for image in images_known]
    assert all(result.faces for result in alone)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda image: restoring.restore(image, None, upsampler), images_known * 2))
    for one, other in zip(alone * 2, together):
        np.testing.assert_array_equal(one.image, other.image)
        assert [(face.eyes, face.box, face.trust) for face in one.faces] == [
            (face.eyes, face.box, face.trust) for face in other.faces]


def test_an_upside_down_face_is_restored_the_right_way_up_from_its_eyes_in_their_order(upsampler):
    image, eyes = photo()
    height, width = image.shape[:2]
    turned = image[::-1, ::-1].copy()
    eyes_turned = [(width - 1 - x, height - 1 - y) for x, y in eyes]  # the upright face's left one is now at the right
    upright = restoring.restore(image, [eyes], upsampler, disagreement=False)
    result = restoring.restore(turned, [eyes_turned], upsampler, disagreement=False)
    assert np.abs(result.faces[0].restored.astype(int) - upright.faces[0].restored).max() <= 2
    assert not upright.notes and not result.notes
    swapped = restoring.restore(image, [eyes[::-1]], upsampler, disagreement=False)
    assert 'in this order the face stands on its head' in swapped.notes[0]


def test_pillow_pictures_and_files_are_restored_like_arrays(upsampler, tmp_path):
    image, eyes = photo()
    expected = restoring.restore(image, [eyes], upsampler, disagreement=False)
    picture = Image.fromarray(image)
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = picture.transpose(Image.Transpose.ROTATE_180)
    upside_down.info['exif'] = exif.tobytes()
    picture.save(tmp_path / 'photo.png')
    for given in (picture, upside_down, tmp_path / 'photo.png', str(tmp_path / 'photo.png')):
        result = restoring.restore(given, [eyes], upsampler, disagreement=False)
        np.testing.assert_array_equal(result.image, expected.image)
    for mode, channels in (('P', 3), ('1', None), ('LA', 2), ('RGBA', 4)):
        result = restoring.restore(picture.convert(mode), [], upsampler)
        assert result.image.shape == (512, 512, channels)[:2 if channels is None else 3]
    with pytest.raises(ValueError, match="mode CMYK has no plain 8-bit colours.*convert"):
        restoring.restore(picture.convert('CMYK'), [], upsampler)


def test_eyes_may_be_four_numbers_and_upsamplers_a_list(upsampler):
    image, eyes = photo()
    expected = restoring.restore(image, [eyes], upsampler, disagreement=False).image
    flat = [number for eye in eyes for number in eye]
    for given in (flat, tuple(flat), eyes, np.array(eyes), [flat], np.array([eyes])):
        np.testing.assert_array_equal(restoring.restore(image, given, [upsampler], disagreement=False).image, expected)
    with pytest.raises(TypeError, match='detectr'):
        restoring.restore(image, detectr=None)


def test_a_forked_process_says_so_instead_of_hanging(upsampler):
    image, eyes = photo()
    restoring.restore(image, [eyes], upsampler, disagreement=False)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            restoring.restore(image, [eyes], upsampler, disagreement=False)
        except errors.RunError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        assert "multiprocessing.get_context('spawn')" in said.read()
    os.waitpid(child, 0)


def test_each_step_is_said(upsampler):
    image, eyes = photo()
    said = []
    restoring.restored(image, [eyes, eyes], (upsampler,), restoring.How(disagreement=False), lambda *step: said.append(step))
    assert said == [(0, 2, 'finding faces'), (1, 4, 'face 1 of 2'), (2, 4, 'face 2 of 2'), (3, 4, 'enlarging and pasting'),
                    (4, 4, 'writing')]


def test_what_interpolation_keeps_grows_with_a_face_and_what_a_network_restores_does_not(upsampler):
    truth = np.stack([images.luminance(drawing.draw_face(seed) / np.float32(255)) for seed in range(2)])
    titles, _, *rows = measure_sizes.table(np.asarray(truth), {'fresh': upsampler})
    assert titles == '| pixels | bicubic | fresh |'
    sizes, bicubic, network = np.array([row.strip('|').split('|') for row in rows], float).T
    assert tuple(sizes) == measure_sizes.SIZES and (np.diff(bicubic) > 0.2).all()
    assert np.ptp(network[sizes > 40]) < 0.2 and network[-1] < bicubic[-1] - 10


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
    (((5, 5), (float('nan'), 5)), 'lie outside'),
    ((5, 5, 9), 'are to be numbers'), ('40,52,49,51', 'are to be numbers'), (5, 'are to be numbers')])
def test_eyes_that_cannot_be_are_refused(upsampler, eyes, message):
    with pytest.raises(errors.InputError, match=message):
        restoring.restore(photo()[0], [eyes] if isinstance(eyes, tuple) else eyes, upsampler)


def test_without_a_path_the_best_released_network_of_the_scale_is_taken(upsampler, monkeypatch):
    monkeypatch.setattr(weights, 'best', {8: 'x8-a', 4: 'x4'}.get)
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
    monkeypatch.setattr(loaded_upsamplers, '_kept', collections.OrderedDict())
    monkeypatch.setattr(weights, 'released', lambda: [])
    with pytest.raises(errors.InputError, match='none for 8x comes with the project yet: give --ckpt'):
        restoring.restore(np.zeros((20, 20, 3), np.uint8))


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
