"""PSNR and SSIM against scikit-image, which is slow and independent; the bootstrap against simulated studies."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from gln_jax import images, metrics

GAUSSIAN = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
UNIFORM = dict(win_size=7)


def matlab_luminance(rgb):
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def compared(rgb, protocol):
    """One image [H, W, 3] as the protocol's table has it, written down a second time."""
    rgb = np.clip(rgb.astype(np.float64), 0, 1)
    if protocol == 'paper':
        return 255 * (0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2])
    if protocol == 'rgb':
        return 255 * rgb
    if protocol == 'y':
        return matlab_luminance(rgb).astype(np.uint8)
    return np.round(matlab_luminance(rgb))[8:-8, 8:-8]


def noise(seed, count=3):
    return np.random.default_rng(seed).random((count, 128, 128, 3), np.float32)


def smooth(seed, count=3):
    """Slow colour waves between about 0.1 and 0.9."""
    y, x = np.mgrid[:128, :128] / 128
    frequency = np.random.default_rng(seed).uniform(0.5, 4, (count, 3, 2))
    phases = frequency[..., 0, None, None] * y + frequency[..., 1, None, None] * x
    return np.moveaxis(0.5 + 0.4 * np.sin(2 * np.pi * phases), 1, -1).astype(np.float32)


PAIRS = {
    'unrelated noise': (noise(0), noise(1)),
    'smooth, a little off': (smooth(2), smooth(2) + 0.02 * (noise(3) - 0.5)),
    'nearly equal': (smooth(4), smooth(4) + 0.004 * (noise(5) - 0.5)),
    'beyond [0, 1]': (noise(6), 1.6 * noise(7) - 0.3),
    'flat': (np.full((2, 128, 128, 3), 0.4, np.float32), np.full((2, 128, 128, 3), 0.6, np.float32)),
}


@pytest.mark.parametrize('pair', PAIRS)
@pytest.mark.parametrize('protocol', metrics.PROTOCOLS)
def test_scores_are_those_of_scikit_image(protocol, pair):
    truth, restored = PAIRS[pair]
    psnr, ssim = (score(restored, truth, protocol) for score in (metrics.psnr, metrics.ssim))
    assert psnr.shape == ssim.shape == (len(truth),)
    settings = UNIFORM if protocol == 'y-crop8' else GAUSSIAN
    if protocol == 'rgb':
        settings = dict(settings, channel_axis=-1)
    for i in range(len(truth)):
        x, y = compared(truth[i], protocol), compared(restored[i], protocol)
        assert psnr[i] == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255), abs=1e-4)
        assert ssim[i] == pytest.approx(structural_similarity(x, y, data_range=255, **settings), abs=1e-4)


def test_protocols_differ_from_one_another():
    truth, restored = PAIRS['smooth, a little off']
    for score in (metrics.psnr, metrics.ssim):
        scores = [score(restored, truth, protocol)[0] for protocol in metrics.PROTOCOLS]
        assert len(set(np.round(scores, 4))) == len(scores)


def test_psnr_of_a_known_error():
    truth = np.full((1, 128, 128, 3), 0.5)
    assert metrics.psnr(truth + 0.1, truth, 'rgb') == pytest.approx(20.0)  # 20 log10(1 / 0.1)
    assert metrics.psnr(truth + 0.1, truth, 'paper') == pytest.approx(20.0)


def test_luminance_is_scored_as_it_is():
    truth, restored = PAIRS['unrelated noise']
    truth_y, restored_y = (np.asarray(images.luminance(rgb)) for rgb in (truth, restored))
    for score in (metrics.psnr, metrics.ssim):
        np.testing.assert_allclose(score(restored_y, truth_y), score(restored, truth), atol=1e-5)


def test_paper_rounds_nothing():
    truth = np.full((1, 128, 128, 1), 100 / 255)
    assert metrics.psnr(truth + 0.3 / 255, truth) == pytest.approx(20 * np.log10(255 / 0.3))


def test_only_the_cut_border_is_ignored():
    truth = smooth(8, 1)
    spoilt = truth.copy()
    spoilt[:, :8] = spoilt[:, -8:] = spoilt[:, :, :8] = spoilt[:, :, -8:] = 0
    for protocol in metrics.PROTOCOLS:
        assert np.isinf(metrics.psnr(spoilt, truth, protocol))[0] == (protocol == 'y-crop8')
    spoilt[:, 8, 8] = 0
    assert np.isfinite(metrics.psnr(spoilt, truth, 'y-crop8'))


@pytest.mark.parametrize('protocol', metrics.PROTOCOLS)
def test_identical_images_are_infinitely_good(protocol):
    truth = noise(9)
    assert (metrics.psnr(truth, truth, protocol) == np.inf).all()
    np.testing.assert_allclose(metrics.ssim(truth, truth, protocol), 1)


def test_one_bad_pixel_spoils_its_own_image_only():
    truth, restored = (values.copy() for values in PAIRS['unrelated noise'])
    restored[1, 64, 64, 0] = np.nan
    assert np.isnan(metrics.psnr(restored, truth)).tolist() == [False, True, False]
    assert np.isnan(metrics.ssim(restored, truth)).tolist() == [False, True, False]


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match='paper, rgb, y, y-crop8'):
        metrics.psnr(noise(0), noise(1), 'rgby')
    with pytest.raises(ValueError, match='one shape'):
        metrics.ssim(noise(0), noise(1, count=1))
    with pytest.raises(ValueError, match='luminance'):
        metrics.psnr(noise(0)[..., :1], noise(1)[..., :1], 'y')
    with pytest.raises(ValueError, match='at least 11'):
        metrics.ssim(noise(0)[:, :10], noise(1)[:, :10])


def simulated_study(generator, people, images_each, between, within):
    """Scores and identities of `people` seen in `images_each` images: a person's own level and each image's chance."""
    level = generator.normal(25, between, (people, 1)) + np.zeros((1, images_each))
    scores = level + generator.normal(0, within, level.shape)
    return scores.ravel(), np.repeat(np.arange(people), images_each)


def coverage(images_each, between, clustered, studies=1500):
    """The share of simulated studies of 60 people whose interval contains the true mean."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(studies):
        scores, identities = simulated_study(generator, 60, images_each, between, within=1.0)
        low, high = metrics.bootstrap_interval(scores, groups=identities if clustered else None, resamples=500)
        covered += low <= 25 <= high
    return covered / studies


@pytest.mark.parametrize('images_each, between', [(1, 0.0), (4, 2.0)])
def test_interval_covers_the_true_mean_as_often_as_it_says(images_each, between):
    assert 0.93 <= coverage(images_each, between, clustered=True) <= 0.97


def test_interval_without_groups_claims_too_much_where_people_repeat():
    assert coverage(4, 2.0, clustered=False) < 0.8  # in theory 71 %: 1.96 standard errors are 1.07 of the true ones


def test_the_interval_is_that_of_resampled_groups_by_hand():
    """The mean of all images of as many people as there are, drawn with replacement."""
    generator = np.random.default_rng(4)
    values, people = generator.normal(25, 2, 90), generator.integers(30, size=90)
    images_of = [values[people == person] for person in range(30)]
    drawn = [np.concatenate([images_of[person] for person in generator.integers(30, size=30)]).mean() for _ in range(4000)]
    assert metrics.bootstrap_interval(values, groups=people) == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.03)


def test_interval_is_wider_where_people_repeat():
    scores, identities = simulated_study(np.random.default_rng(1), 50, 6, between=2.0, within=0.5)
    clustered, plain = metrics.bootstrap_interval(scores, groups=identities), metrics.bootstrap_interval(scores)
    assert np.ptp(clustered) > 1.8 * np.ptp(plain)  # sqrt(6) times in theory, were the images of a person all alike


def test_groups_of_one_are_no_groups():
    scores = np.random.default_rng(2).normal(size=40)
    names = [f'person {i}' for i in range(40)]
    assert metrics.bootstrap_interval(scores, groups=names) == metrics.bootstrap_interval(scores)


def test_interval_is_near_the_textbook_one():
    scores = np.random.default_rng(3).normal(25, 2, 400)
    half = 1.96 * scores.std() / np.sqrt(400)
    assert metrics.bootstrap_interval(scores) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.02)
    narrower = metrics.bootstrap_interval(scores, level=0.5)
    assert np.ptp(narrower) == pytest.approx(2 * 0.6745 / 1.96 * half, rel=0.1)


def test_interval_weighs_images_not_people():
    scores = np.array([1.0] * 90 + [0.0] * 20)
    low, high = metrics.bootstrap_interval(scores, groups=['a'] * 90 + list(range(20)))
    assert low < 90 / 110 < high


def test_no_interval():
    assert metrics.bootstrap_interval([25.0, 26.0], groups=['one', 'one']) is None
    assert metrics.bootstrap_interval([25.0]) is None
    assert metrics.bootstrap_interval([25.0] * 19) is None and metrics.bootstrap_interval([25.0] * 20) == (25, 25)
    assert metrics.bootstrap_interval([25.0] * 40, groups=list(range(19)) + [0] * 21) is None
    assert metrics.bootstrap_interval([25.0] * 20 + [np.inf]) is None
    with pytest.raises(ValueError, match='groups'):
        metrics.bootstrap_interval([25.0, 26.0], groups=['one'])


def test_gradient_energy_is_that_of_neighbouring_pixels():
    stairs = np.zeros((2, 4, 4, 1))
    stairs[1, :, :, 0] = 0.1 * np.arange(4)  # every step across is 0.1, none down
    np.testing.assert_allclose(metrics.gradient_energy(stairs), [0, 0.01])
    np.testing.assert_allclose(metrics.gradient_energy(stairs.transpose(0, 2, 1, 3) + 0.2), [0, 0.01])
