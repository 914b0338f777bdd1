"""What the failures study does to faces and to LR images, one alteration after the other."""

import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import images
from gln_jax import config as settings
from gln_jax.data.synthetic import drawing
from gln_jax.evaluation import scoring
from tools.studies import alterations, lr_images

FACE = drawing.draw_face(3)
(LEFT, EYES), (RIGHT, _) = [(round(x), round(y)) for x, y in images.TEMPLATE_EYES]


@pytest.mark.parametrize('unaltered', [
    alterations.shifted(FACE, 0), alterations.rolled(FACE, 0), alterations.scaled(FACE, 1.0),
    alterations.gamma(FACE, 1.0), alterations.side_light(FACE, 0)])
def test_what_changes_nothing_changes_nothing(unaltered):
    np.testing.assert_array_equal(unaltered, FACE)


@pytest.mark.parametrize('number, moved_to', [
    (0, (60, 72)), (1, (62, 70)), (2, (60, 68)), (3, (58, 70)), (4, (60, 72))])
def test_a_shift_of_two_moves_a_pixel_by_two(number, moved_to):
    face = np.zeros_like(FACE)
    face[60, 70] = 255
    shifted = alterations.shifted(face, 2, number)
    assert np.argwhere(shifted.any(axis=-1)).tolist() == [list(moved_to)] and (shifted[moved_to] == 255).all()


def test_a_shift_mirrors_the_border():
    np.testing.assert_array_equal(alterations.shifted(FACE, 2)[:, :2], FACE[:, 2:0:-1])


def test_a_roll_turns_about_the_centre_either_way():
    face = np.zeros_like(FACE)
    face[63:65, 100:102] = 255
    heights = [np.argwhere(alterations.rolled(face, 10, number)[..., 0] > 99)[:, 0].mean() for number in (0, 1)]
    expected = 37 * np.sin(np.radians(10))
    assert heights == pytest.approx([63.5 - expected, 63.5 + expected], abs=0.5)


def test_a_scale_enlarges_about_the_centre():
    face = np.zeros_like(FACE)
    face[63:65, 100:102] = 255
    bright = np.argwhere(alterations.scaled(face, 1.1)[..., 0] > 99)
    assert bright[:, 1].mean() == pytest.approx(63.5 + 1.1 * 37, abs=0.5)


def test_light_darkens_as_told():
    grey = np.full_like(FACE, 128)
    assert (alterations.gamma(grey, 2.0) == 64).all() and (alterations.gamma(grey, 0.5) == 181).all()
    light = alterations.side_light(grey, 0.5)
    assert (light[:, 0] == 128).all() and (light[:, -1] == 64).all()
    np.testing.assert_array_equal(alterations.side_light(grey, 0.5, 1), light[:, ::-1])


def test_occlusions_cover_what_they_are_named_for():
    glasses, sunglasses, mask, cheek, brow = map(alterations.covered, alterations.OCCLUSIONS)
    for x in (LEFT, RIGHT):
        assert sunglasses[EYES - 6:EYES + 7, x - 9:x + 10].all()
        assert not glasses[EYES, x] and glasses[EYES, x - alterations.LENS_AXES[0]]
        assert not mask[EYES, x]
    assert sunglasses[glasses].all()
    assert mask[86:96, 50:79].all()  # the mouth, about one eye distance below the eyes
    assert brow[EYES, LEFT] and not brow[EYES, RIGHT] and not cheek[EYES].any()
    assert all(0.02 < occlusion.mean() < 0.3 for occlusion in (glasses, sunglasses, mask, cheek, brow))


@pytest.mark.parametrize('name', alterations.OCCLUSIONS)
def test_what_is_not_covered_stays(name):
    covered, occluded = alterations.covered(name), alterations.occluded(FACE, name)
    np.testing.assert_array_equal(occluded[~covered], FACE[~covered])
    assert (occluded[covered] == alterations.OCCLUSIONS[name][1]).all() and occluded.dtype == np.uint8


def faces_in_yuv(count):
    return images.rgb_to_yuv(jnp.asarray(np.stack([drawing.draw_face(i) for i in range(count)]), jnp.float32) / 255)


def test_wrong_lr_images_are_wrong_by_as_much_as_they_say():
    config = settings.default()
    hr = faces_in_yuv(4)
    right = images.degrade(hr, 8, 'gaussian')
    errors = {name: float(np.sqrt(np.mean((images.yuv_to_rgb(make(hr)) - images.yuv_to_rgb(right)) ** 2)) * 255)
              for name, make in lr_images.wrong(config).items()}
    assert errors['rounded to 8 bits'] < 0.5 < errors['JPEG 90'] < errors['JPEG 70'] < errors['JPEG 50']
    for sigma in (1, 3, 5):
        assert errors[f'noise {sigma}'] == pytest.approx(sigma, rel=0.15)
    np.testing.assert_array_equal(lr_images.wrong(config)['bicubic reduction'](hr), images.degrade(hr, 8, 'bicubic'))
    config.degradation = 'bicubic'
    assert next(iter(lr_images.wrong(config))) == 'gaussian reduction'


def test_noise_is_the_same_at_every_call():
    make = lr_images.wrong(settings.default())['noise 3']
    np.testing.assert_array_equal(make(faces_in_yuv(2)), make(faces_in_yuv(2)))


def test_psnr_over_some_pixels_is_that_of_these_alone():
    truth, restored = np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1))
    restored[0, 0] = 0.1
    restored[0, 3] = 0.5
    counted = np.zeros((4, 4), bool)
    counted[:2] = True
    assert scoring._psnr(restored, truth, scoring.Task(None, counted=counted))[0] == pytest.approx(-10 * np.log10(0.1 ** 2 / 2))
