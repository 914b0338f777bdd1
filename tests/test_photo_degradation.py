import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from gln_jax import config as settings
from gln_jax import images
from gln_jax.data import photo_degradation
from gln_jax.runtime import errors
from gln_jax.runtime.devices import AXIS
from gln_jax.training import steps
from tests import made_up

SPARED = {'clean': 0, 'blur_spared': 1, 'size_spared': 1, 'noise_spared': 1, 'jpeg_spared': 1}
DAMAGED = {'clean': 0, 'blur_spared': 0, 'size_spared': 0, 'noise_spared': 0, 'jpeg_spared': 0}


SIZE = settings.default().photo.size


@functools.partial(jax.jit, static_argnames='scale')
def compiled(hr, scale, key, first, others):
    return photo_degradation.degrade(hr, scale, others | {'size': SIZE}, jax.random.key(key), first)


def degraded(hr, scale=8, key=0, first=0, **changes):
    others = settings.default().photo.to_dict() | changes
    others.pop('size')
    return np.concatenate([compiled(part, scale, key, first + number, others)
                           for part, number in zip(np.split(hr, len(hr) // 2), range(0, len(hr), 2))])


@pytest.fixture(scope='module')
def hr():
    return np.stack([images.luminance(face.image / np.float32(255)) for face in made_up.made_up_faces(4)])


@pytest.mark.parametrize('quality', [40, 55, 75, 90, 98])
def test_jpeg_agrees_with_pillows_to_one_grey_level(quality):
    picture = made_up.colours(64, 64, channels=1, seed=quality)[..., 0]
    picture = np.clip(3.0 * picture - 256, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, 'JPEG', quality=quality)
    ours = np.asarray(photo_degradation.jpeg(jnp.asarray(picture, jnp.float32), quality))
    assert np.abs(ours - np.asarray(PIL.Image.open(file), np.float32)).max() <= 1
    assert np.abs(ours - picture).max() > 1


@pytest.mark.parametrize('scale', [2, 4, 8])
def test_what_nothing_damages_is_the_papers_but_for_8_bits(hr, scale):
    """At 2x, sampling between two HR pixels by interpolation is blunter than a Gaussian of 0.6 HR pixels."""
    lr = degraded(hr, scale, **SPARED)
    difference = np.abs(lr - images.degrade(hr, scale))
    assert difference.max() < {2: 8, 4: 1.2, 8: 0.6}[scale] / 255
    assert 0 < difference.mean() < 0.5 / 255


def test_the_share_left_clean_is_the_papers(hr):
    clean = images.degrade(hr, 8)
    np.testing.assert_allclose(degraded(hr, **DAMAGED | {'clean': 1}), clean, atol=1e-6)
    damaged = degraded(hr, **DAMAGED)
    assert (np.abs(damaged - clean).max(axis=(1, 2, 3)) > 5 / 255).all()


def test_a_face_is_where_it_was_whatever_made_its_pixels():
    """Every kernel, size and corner keeps a ramp as it is, away from the borders."""
    ramp = np.broadcast_to(np.linspace(0.2, 0.8, 128, dtype=np.float32)[:, None], (24, 128, 128))
    ramps = np.where(np.arange(24)[:, None, None] % 2, ramp, ramp.swapaxes(1, 2))[..., None]
    lr = degraded(ramps, **DAMAGED | {'noise_spared': 1, 'jpeg_spared': 1})
    difference = np.abs(lr - images.degrade(ramps, 8))[:, 4:-4, 4:-4]
    assert difference.max() < 1.2 / 255


def test_a_face_depends_on_key_and_number_alone(hr):
    whole = degraded(hr, key=1, **DAMAGED)
    np.testing.assert_allclose(degraded(hr[1:3], key=1, first=1, **DAMAGED), whole[1:3], atol=1e-6)
    assert np.abs(degraded(hr, key=2, **DAMAGED) - whole).max() > 0.01
    alike = degraded(np.repeat(hr[:1], 4, axis=0), **DAMAGED)
    assert min(np.abs(alike[0] - other).max() for other in alike[1:]) > 0.01


def test_noise_is_as_strong_as_its_range_says_and_stronger_in_light():
    grey = np.repeat(np.float32([0.2, 0.8])[:, None, None, None], 128, axis=1) * np.ones((1, 1, 128, 1), np.float32)
    lr = degraded(np.repeat(grey, 50, axis=0), **SPARED | {'noise_spared': 0, 'noise': (4.0, 4.0)})
    dark, light = 255 * np.asarray(lr).reshape(2, -1).std(axis=1)
    assert dark < 3.9 < 4.1 < light
    assert np.hypot(dark, light) / 2**0.5 == pytest.approx(4, abs=0.2)


def test_spread_noise_keeps_its_variance_and_is_alike_in_neighbours():
    noise = np.asarray(photo_degradation._spread(jax.random.normal(jax.random.key(0), (200, 200))))
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert np.mean(noise[:, 1:] * noise[:, :-1]) == pytest.approx(2 / 3, abs=0.05)


def test_blur_has_its_widths_along_its_angle():
    point = np.zeros((128, 128), np.float32)
    point[60, 64] = 1
    blurred = np.asarray(photo_degradation.blurred(point, 4.0, 2.0, np.pi / 6))
    y, x = np.mgrid[:128, :128] - np.array([60, 64])[:, None, None]
    along, across = x * np.cos(np.pi / 6) + y * np.sin(np.pi / 6), y * np.cos(np.pi / 6) - x * np.sin(np.pi / 6)
    assert np.sum(blurred * along**2) == pytest.approx(16, rel=0.02)
    assert np.sum(blurred * across**2) == pytest.approx(4, rel=0.02)


def test_two_devices_damage_a_batch_as_one_does(hr):
    config = settings.default()
    config.degradation = 'photo'
    lr_of = lambda faces, step: steps.lr_faces(config, faces, step)
    one, two = (jax.pmap(lr_of, axis_name=AXIS, in_axes=(0, None), devices=jax.devices()[:count])
                for count in (1, 2))
    lr = one(hr[None], 7)[0]
    np.testing.assert_allclose(two(hr.reshape(2, 2, 128, 128, 1), 7).reshape(lr.shape), lr, atol=1e-6)
    assert np.abs(one(hr[None], 8)[0] - lr).max() > 0.01


@pytest.mark.parametrize(['field', 'value'], [
    ('clean', 1.5), ('quality', (0.0, 98.0)), ('quality', (90.0, 40.0)), ('size', (0.1, 1.0)), ('anisotropy', 1.0)])
def test_a_range_that_cannot_be_is_refused(field, value):
    config = settings.default()
    config.photo[field] = value
    with pytest.raises(errors.InputError, match=f'config.photo.{field}'):
        settings.check(config)


def test_2x_is_for_the_fast_network_alone():
    config = settings.default()
    config.scale = 2
    with pytest.raises(errors.InputError, match='config.scale: 2 is for the network fast'):
        settings.check(config)
