import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import scipy.ndimage

from gln_jax import images


@pytest.fixture
def rgb():
    noise = np.random.default_rng(0).uniform(size=(128, 128, 3))
    return scipy.ndimage.gaussian_filter(noise, (2, 2, 0), mode='reflect').astype(np.float32) * 3 - 1


def test_luminance_of_white_is_one_and_of_green_its_weight():
    assert images.luminance(jnp.ones((1, 1, 3)))[0, 0, 0] == pytest.approx(1)
    assert images.luminance(jnp.array([[[0.0, 1.0, 0.0]]]))[0, 0, 0] == pytest.approx(0.587)


def test_colour_survives_yuv_and_back(rgb):
    rgb = np.clip(rgb, 0, 1)
    np.testing.assert_allclose(images.yuv_to_rgb(images.rgb_to_yuv(rgb)), rgb, atol=1e-5)


def test_no_chroma_means_grey_to_the_bit():
    grey = images.yuv_to_rgb(jnp.stack([jnp.linspace(0, 1, 999), jnp.zeros(999), jnp.zeros(999)], axis=-1))
    assert (grey[:, 0] == grey[:, 1]).all() and (grey[:, 1] == grey[:, 2]).all()


@pytest.mark.parametrize('scale', [4, 8])
def test_gaussian_degradation_is_blur_then_subsampling(rgb, scale):
    """Against SciPy's filter away from the border, on an image sampled twice as finely so that LR centres are
    pixels."""
    fine = np.repeat(np.repeat(rgb, 2, axis=0), 2, axis=1)
    sigma = 2 * images.BLUR_SIGMA[scale]
    blurred = scipy.ndimage.gaussian_filter(fine.astype(np.float64), (sigma, sigma, 0), truncate=8)
    start = scale - 1
    between = (blurred[start::2 * scale] + blurred[start + 1::2 * scale]) / 2
    expected = (between[:, start::2 * scale] + between[:, start + 1::2 * scale]) / 2
    inside = slice(3, -3)
    np.testing.assert_allclose(images.degrade(rgb, scale)[inside, inside], expected[inside, inside], atol=2e-2)


@pytest.mark.parametrize('degradation', images.DEGRADATIONS)
@pytest.mark.parametrize('scale', [4, 8])
def test_degradation_keeps_a_flat_image_and_mirrors_with_it(rgb, scale, degradation):
    np.testing.assert_allclose(images.degrade(jnp.full((1, 128, 128, 1), 0.3), scale, degradation), 0.3, atol=1e-6)
    mirrored = images.degrade(rgb[:, ::-1], scale, degradation)
    np.testing.assert_allclose(mirrored, images.degrade(rgb, scale, degradation)[:, ::-1], atol=1e-5)


@pytest.mark.parametrize('scale', [4, 8])
def test_bicubic_is_pillows_both_ways(rgb, scale):
    channel, size = rgb[..., 0], 128 // scale
    pillow = PIL.Image.fromarray(channel)
    inside = slice(2, -2)
    reduced = np.asarray(pillow.resize((size, size), PIL.Image.Resampling.BICUBIC))
    ours = np.asarray(images.degrade(rgb, scale, 'bicubic'))[..., 0]
    np.testing.assert_allclose(ours[inside, inside], reduced[inside, inside], atol=1e-4)
    enlarged = np.asarray(PIL.Image.fromarray(reduced).resize((128, 128), PIL.Image.Resampling.BICUBIC))
    inside = slice(2 * scale, -2 * scale)
    np.testing.assert_allclose(images.upsample(reduced[..., None], scale, 'bicubic')[inside, inside, 0],
                               enlarged[inside, inside], atol=1e-4)


def test_nearest_repeats_pixels():
    lr = jnp.arange(4.0).reshape(2, 2, 1)
    assert images.upsample(lr, 4, 'nearest')[3, 4, 0] == 1


def test_degradation_works_inside_a_compiled_step():
    compiled = jax.jit(lambda hr: images.degrade(hr, 8))
    hr = jax.random.uniform(jax.random.key(0), (2, 128, 128, 1))
    np.testing.assert_allclose(compiled(hr), images.degrade(hr, 8), atol=1e-6)


@pytest.mark.parametrize('scale, sigma', [(4, 1.2), (8, 2.4)])
def test_the_blur_is_as_wide_as_the_papers(scale, sigma):
    """Section 4 gives these widths, in HR pixels; the weights of an LR pixel far from the border have their variance."""
    weights = images.reduction_matrix(128, scale, 'gaussian')[64 // scale]
    places = np.arange(128)
    mean = np.sum(weights * places)
    assert np.sqrt(np.sum(weights * (places - mean) ** 2)) == pytest.approx(sigma, rel=1e-3)


def test_a_face_of_another_size_is_the_mean_of_its_pixels():
    hr = np.arange(2 * 8 * 8 * 1, dtype=np.float32).reshape(2, 8, 8, 1)
    assert images.of_size(hr, 8) is hr
    np.testing.assert_allclose(images.of_size(hr, 4)[1, 3, 2, 0], hr[1, 6:8, 4:6, 0].mean())
