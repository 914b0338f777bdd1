"""Similarity transforms and the pictures that they make."""

import cv2
import numpy as np
import pytest

from gln_jax import images
from gln_jax.data import alignment

EYES = ((150.3, 180.2), (190.1, 171.0))


def rotation(degrees, zoom, centre=(256, 256), new_centre=(64, 64)):
    turn = zoom * np.exp(1j * np.radians(degrees))
    move = complex(*new_centre) - turn * complex(*centre)
    return np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])


def grating(cycles_per_pixel, degrees=0.0, size=512):
    y, x = np.mgrid[:size, :size]
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return np.sin(2 * np.pi * cycles_per_pixel * along).astype(np.float32)


def amplitude(picture):
    return np.sqrt(2) * picture[16:-16, 16:-16].std()


def test_eyes_are_taken_to_the_template_and_back():
    transform = alignment.to_template(EYES)
    assert transform.dtype == np.float64
    np.testing.assert_allclose(alignment.moved(transform, EYES), images.TEMPLATE_EYES, atol=1e-9)
    np.testing.assert_allclose(alignment.moved(alignment.inverse(transform), images.TEMPLATE_EYES), EYES, atol=1e-9)
    np.testing.assert_allclose(transform[:, :2] @ transform[:, :2].T,
                               alignment.magnification(transform) ** 2 * np.eye(2), atol=1e-12)
    assert np.linalg.det(transform[:, :2]) > 0  # not mirrored


def test_after_is_one_transform_then_the_other():
    first, second = alignment.to_template(EYES), rotation(30, 2.5)
    np.testing.assert_allclose(alignment.moved(alignment.after(second, first), EYES),
                               alignment.moved(second, alignment.moved(first, EYES)))


@pytest.mark.parametrize('eyes', [((5, 5), (5, 5)), ((5, 5), (float('nan'), 5)), ((5, 5), (float('inf'), 5))])
def test_eyes_that_tell_no_face_are_refused(eyes):
    with pytest.raises(ValueError, match='do not tell a face'):
        alignment.to_template(eyes)


@pytest.mark.parametrize('shrink', [1.3, 2, 5, 11])
@pytest.mark.parametrize('degrees', [0, 20])
def test_shrinking_does_not_alias(shrink, degrees):
    """Cycles per pixel of the result: 0.1 is well below Nyquist's 0.5; 0.9 would come back as 0.1."""
    size = int(128 * shrink) + 64
    for cycles, low, high in ((0.1, 0.93, 1.01), (0.9, 0, 0.06)):
        if cycles / shrink < 0.45:  # else the photograph itself cannot hold it
            source = grating(cycles / shrink, degrees, size)
            result = alignment.warp(source, rotation(15, 1 / shrink, (size / 2, size / 2)), (128, 128))
            assert low <= amplitude(result) <= high, (cycles, amplitude(result))


@pytest.mark.parametrize('zoom', [1.0, 1.7, 8])
def test_enlarging_keeps_the_amplitude(zoom):
    source = grating(0.2, 30)
    assert amplitude(alignment.warp(source, rotation(15, zoom), (128, 128))) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize('zoom', [0.07, 0.3, 0.9, 1, 3.3])
def test_a_spot_lands_where_its_transform_says(zoom):
    size = max(600, int(256 / zoom))
    y, x = np.mgrid[:size, :size]
    transform = rotation(25, zoom, (size / 2, size / 2))
    spot = alignment.moved(alignment.inverse(transform), [(50.4, 71.8)])[0]
    source = np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * (3 / zoom) ** 2)).astype(np.float32)
    result = alignment.warp(source, transform, (128, 128))
    y, x = np.mgrid[:128, :128]
    found = [np.average(coordinate, weights=np.clip(result, 0.01, None) - 0.01) for coordinate in (x, y)]
    np.testing.assert_allclose(found, (50.4, 71.8), atol=0.05)


def test_a_warp_keeps_channels_and_takes_bytes():
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for transform in (rotation(15, 0.5, (25, 20), (10, 10)), rotation(15, 0.05, (25, 20), (10, 10)),
                      rotation(15, 2, (25, 20), (10, 10))):
        all_channels = alignment.warp(picture, transform, (20, 22))
        one_channel = alignment.warp(picture[..., 1:2], transform, (20, 22))
        assert all_channels.shape == (22, 20, 3) and all_channels.dtype == np.float32
        np.testing.assert_allclose(all_channels[..., 1:2], one_channel, atol=1e-3)
        np.testing.assert_allclose(all_channels[..., 1], alignment.warp(picture[..., 1], transform, (20, 22)), atol=1e-3)


def test_faces_beyond_the_border_are_still_pictures():
    picture = np.full((30, 30, 3), 77, np.uint8)
    for eyes in (((-5, 10), (8, 9)), ((500, 500), (530, 500)), ((10, -900), (20, -900)), ((1, 1), (1.01, 1))):
        np.testing.assert_array_equal(alignment.align(picture, eyes), 77)


def smooth_face(pitch=1):
    """A smooth picture of which one pixel spans `pitch` HR pixels, [384, 384, 1], the face's grid in the middle."""
    size = int(384 / pitch)
    hr = np.arange(size) * pitch + (pitch - 1) / 2
    waves = np.sin(2 * np.pi * hr / 40) + 0.5 * np.cos(2 * np.pi * hr / 64)
    picture = (0.5 + 0.15 * waves[:, None] + 0.15 * waves[None, :]).astype(np.float32)[..., None]
    return picture, alignment.after(np.array([[1.0, 0, -128], [0, 1, -128]]), alignment.enlargement(pitch))


@pytest.mark.parametrize('degradation', images.DEGRADATIONS)
@pytest.mark.parametrize('scale', [4, 8])
def test_a_sharp_face_gets_the_degradation_itself(scale, degradation):
    picture, transform = smooth_face()
    expected = images.degrade(picture[128:256, 128:256], scale, degradation)
    np.testing.assert_allclose(alignment.lr_face(picture, transform, scale, degradation), expected, atol=1e-5)


@pytest.mark.parametrize('scale', [4, 8])
def test_a_face_on_the_lr_grid_is_left_alone(scale):
    picture = np.random.default_rng(0).random((60, 60, 3), dtype=np.float32)
    transform = alignment.after(alignment.enlargement(scale), np.array([[1.0, 0, -9], [0, 1, -11]]))
    size = 128 // scale
    expected = picture[11:11 + size, 9:9 + size]
    for degradation in images.DEGRADATIONS:
        np.testing.assert_allclose(alignment.lr_face(picture, transform, scale, degradation), expected, atol=1e-6)


@pytest.mark.parametrize('degradation', images.DEGRADATIONS)
@pytest.mark.parametrize('scale', [4, 8])
def test_between_the_grids_the_lr_face_changes_without_a_jump(scale, degradation):
    noise = np.random.default_rng(0).random((300, 300), dtype=np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 1.2)[..., None]
    for pitch in (1.0, float(scale)):
        below, above = (alignment.lr_face(picture, rotation(20, pitch * factor, (150, 150)), scale, degradation)
                        for factor in (0.9999, 1.0001))
        assert 0 < np.abs(below - above).mean() < 0.03 * picture.std()


@pytest.mark.parametrize('pitch', [1.5, 3, 6])
def test_a_photo_made_by_a_smaller_blur_gets_the_rest_of_the_blur(pitch):
    """A sharp wave, blurred as much as pixels at this pitch blur it, ends up as the degradation leaves it."""
    scale, wavelength = 8, 40
    size = int(512 / pitch)
    hr = np.arange(size) * pitch + (pitch - 1) / 2
    own_variance = images.BLUR_SIGMA[scale] ** 2 * (pitch**2 - 1) / (scale**2 - 1)
    own_contrast = np.exp(-2 * np.pi**2 * own_variance / wavelength**2)
    photo = (own_contrast * np.sin(2 * np.pi * hr / wavelength))[None, :, None].repeat(size, 0).astype(np.float32)
    transform = alignment.after(np.array([[1.0, 0, -192], [0, 1, -192]]), alignment.enlargement(pitch))
    lr = alignment.lr_face(photo, transform, scale, 'gaussian')
    sharp = np.sin(2 * np.pi * (np.arange(512)) / wavelength)[None, :, None].repeat(512, 0).astype(np.float32)
    expected = images.degrade(sharp, scale)[24:40, 24:40]
    np.testing.assert_allclose(lr[1:-1, 1:-1], expected[1:-1, 1:-1], atol=0.02)
