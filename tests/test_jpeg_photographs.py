"""What is known of a JPEG photograph: its steps of quantisation, and what back-projection and the network make of them."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from gln_jax import images, weights
from gln_jax.data import photo_degradation
from gln_jax.data.image_files import reading
from gln_jax.photos import aligned_faces, consistency, face_upsampling
from gln_jax.runtime import errors
from tests import made_up
from tools import measure_photographs, weights_between


def in_file(pixels, form, **options):
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, form, **options)
    file.seek(0)
    return reading.decode(file, 'picture')


@pytest.fixture(scope='module')
def x8_fast():
    return weights.load_generator('x8-fast')


@pytest.fixture(scope='module')
def other(x8_fast):
    """x8-fast, a tenth of whose weights is gone."""
    return x8_fast._replace(parameters=jax.tree.map(lambda leaf: 0.9 * leaf, x8_fast.parameters))


@pytest.fixture(scope='module')
def lr():
    return np.asarray(images.degrade(images.luminance(made_up.made_up_faces(2)[1].image / np.float32(255))[None], 8))


def test_the_steps_of_a_jpeg_are_read_and_turn_with_the_picture():
    pixels = made_up.colours()
    steps = in_file(pixels, 'JPEG', quality=50).jpeg_steps
    np.testing.assert_array_equal(steps, photo_degradation.LUMINANCE_TABLE)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(in_file(pixels, 'JPEG', quality=50, exif=exif).jpeg_steps, steps.T)
    assert in_file(pixels, 'PNG').jpeg_steps is None


def test_back_projection_leaves_a_face_alone_that_jpeg_may_have_been_made_of():
    hr = np.asarray(images.luminance(made_up.made_up_faces(3)[2].image / np.float32(255)))[None]
    clean = images.degrade(hr, 8)
    lr = photo_degradation.jpeg(jnp.round(255 * clean[0, ..., 0]), 60)[None, ..., None] / 255
    slack = consistency.slack(photo_degradation.quantization_table(60), 16, 16)[None]
    kept = consistency.back_projected(hr, lr, 8, 'gaussian', slack)
    moved = consistency.back_projected(hr, lr, 8, 'gaussian')
    assert np.abs(kept - hr).max() < 2 / 255 < 6 / 255 < np.abs(moved - hr).max()
    plain, known = (consistency.consistency(hr, lr, 8, 'gaussian', each)[0] for each in (None, slack))
    assert plain < 40 < 50 < known
    wrong = consistency.consistency(np.clip(hr + 0.2, 0, 1), lr, 8, 'gaussian', slack)[0]
    assert wrong < 30
    assert consistency.consistency(consistency.back_projected(np.clip(hr + 0.2, 0, 1), lr, 8, 'gaussian', slack), lr, 8, 'gaussian',
                                   slack)[0] > wrong + 20


def test_noise_that_a_network_for_photographs_left_out_is_not_projected_back():
    hr = np.asarray(images.luminance(made_up.made_up_faces(3)[2].image / np.float32(255)))[None]
    clean = np.asarray(images.degrade(hr, 4))
    white = np.random.default_rng(0).normal(0, 1 / 255, clean.shape).astype(np.float32)
    assert consistency.noise(2 * white)[0] == pytest.approx(2, rel=0.1)
    noisy, lighter = (np.abs(consistency.back_projected(hr, clean + more, 4, 'photo') - hr).max() for more in (2 * white, 4 / 255))
    assert noisy < 1e-4 and lighter > 3 / 255
    half, whole = (np.asarray(consistency.back_projected(hr, clean + 1.3 * white, 4, degradation)) - hr
                   for degradation in ('photo', 'gaussian'))
    assert 0.2 < np.square(half).mean() ** 0.5 / np.square(whole).mean() ** 0.5 < 0.8


def test_without_jpeg_nothing_is_left_open_and_larger_photographs_leave_less():
    assert not consistency.slack(None, 16, 16).any()
    table = photo_degradation.quantization_table(50)
    assert consistency.slack(table, 16, 12)[0, 0] == pytest.approx(8 / 255)
    assert consistency.slack(table, 16, 32)[0, 0] == pytest.approx(4 / 255)


def test_the_network_lies_between_two_as_far_as_jpeg_was_strong(x8_fast, other, lr):
    between = face_upsampling.FaceUpsampler(other._replace(card={'share': 0.5}), 1, undamaged=x8_fast)
    steps = np.full((8, 8), 2.0**3.64 - 1)
    share = dict(face_upsampling.WAYS)[3.64] / 0.5
    weighted = jax.tree.map(lambda clean, own: clean + share * (own - clean), x8_fast.parameters, other.parameters)
    np.testing.assert_allclose(between.for_jpeg(steps)(lr), face_upsampling.FaceUpsampler(
        x8_fast._replace(parameters=weighted), 1)(lr), atol=1e-5)
    assert np.abs(between.for_jpeg(None)(lr) - between.for_jpeg(steps)(lr)).max() > 1e-3
    assert between.for_jpeg(steps) is between.for_jpeg(steps)
    alone = face_upsampling.FaceUpsampler(other, 1)
    assert alone.for_jpeg(steps) is alone


def test_aligned_faces_of_several_files_each_get_theirs(x8_fast, other):
    upsampler = face_upsampling.FaceUpsampler(other, 2, undamaged=x8_fast)
    pictures = [in_file(made_up.colours(16, 16, seed=seed), *form) for seed, form in enumerate(
        [('PNG',), ('JPEG',), ('PNG',)])]
    together = aligned_faces._restored(pictures, upsampler, True, False)
    for number, picture in enumerate(pictures):
        alone = aligned_faces._restored([picture], upsampler, True, False)
        np.testing.assert_allclose(together.luminance[number], alone.luminance[0], atol=1e-5)
        both = together.consistency[number], alone.consistency[0]
        assert min(both) > 100 or both[0] == pytest.approx(both[1], abs=0.1)  # above 100 dB it is rounding


def test_weights_between_two_networks_are_written_with_the_name_of_the_first(x8_fast, other, tmp_path, monkeypatch):
    load = {'x8-fast': x8_fast, 'other': other, 'x4': other._replace(parameters={})}
    monkeypatch.setattr(weights_between.weights, 'load_generator', load.__getitem__)
    weights_between.write('x8-fast', 'other', 0.5, tmp_path / 'between.safetensors')
    monkeypatch.undo()
    loaded = weights.load_generator(tmp_path / 'between.safetensors')
    assert loaded.card['undamaged'] == 'x8-fast' and loaded.card['share'] == 0.5
    kernel = loaded.parameters['Conv_0']['kernel']
    np.testing.assert_allclose(kernel, 0.95 * x8_fast.parameters['Conv_0']['kernel'], atol=1e-3)
    monkeypatch.setattr(weights_between.weights, 'load_generator', load.__getitem__)
    with pytest.raises(errors.InputError, match='no network of the same kind'):
        weights_between.write('x8-fast', 'x4', 0.5, tmp_path / 'none.safetensors')


def test_the_whole_way_of_a_photograph_is_measured_against_its_original(x8_fast):
    upsamplers = face_upsampling.FaceUpsampler(x8_fast, 1),
    image, eyes = made_up.colours(200, 200, seed=3), np.array([70 + 90j, 130 + 90j])
    values = {quality: measure_photographs.both(image, eyes, 32, quality, upsamplers) for quality in (None, 20)}
    assert all(15 < value < 60 for pair in values.values() for value in pair)
    assert values[None][0] > values[20][0] + 0.1
    large = measure_photographs.interpolated(image, tuple((eye.real, eye.imag) for eye in eyes))
    assert large.shape == (128, 128, 3)
