import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import losses
from gln_jax import config as settings

EVEN = jnp.zeros((4, 2))  # D(.) = 1/2
SURE_RECONSTRUCTION = jnp.tile(jnp.array([-20.0, 20.0]), (4, 1))


def test_reconstruction_loss_sums_over_pixels_in_0_to_255_and_averages_over_images():
    hr = jnp.zeros((4, 128, 128, 1))
    assert losses.reconstruction_loss(hr + 1 / 255, hr) == pytest.approx(128 * 128, rel=1e-5)
    assert losses.reconstruction_loss(hr.at[0].add(1 / 255), hr) == pytest.approx(128 * 128 / 4, rel=1e-5)


@pytest.mark.parametrize('name, of_a_small_error, of_a_large_one', [
    ('squared', 0.01**2, 50**2), ('absolute', 0.01, 50), ('charbonnier', losses.CHARBONNIER, 50)])
def test_losses_of_stage_1_by_pixel(name, of_a_small_error, of_a_large_one):
    hr = jnp.zeros((4, 128, 128, 1))
    for error, expected in ((0.01, of_a_small_error), (50, of_a_large_one)):
        assert losses.STAGE_1[name](hr - error / 255, hr) == pytest.approx(128 * 128 * expected, rel=1e-3)


def test_adversarial_loss_is_small_where_the_discriminator_is_fooled():
    assert losses.adversarial_loss(EVEN) == pytest.approx(np.log(2))
    assert losses.adversarial_loss(-SURE_RECONSTRUCTION) == pytest.approx(0, abs=1e-6)
    assert losses.adversarial_loss(SURE_RECONSTRUCTION) == pytest.approx(40, rel=1e-5)


def test_discriminator_loss_is_the_papers_mean_of_both_halves():
    assert losses.discriminator_loss(EVEN, EVEN) == pytest.approx(np.log(2))
    assert losses.discriminator_loss(-SURE_RECONSTRUCTION, SURE_RECONSTRUCTION) == pytest.approx(0, abs=1e-6)
    assert losses.discriminator_loss(SURE_RECONSTRUCTION, SURE_RECONSTRUCTION) == pytest.approx(20, rel=1e-5)


def test_patches_weigh_alike():
    patches = jnp.stack([EVEN, SURE_RECONSTRUCTION], axis=1)[:, :, None]
    assert losses.adversarial_loss(patches) == pytest.approx((np.log(2) + 40) / 2, rel=1e-5)
    assert losses.discriminator_loss(-patches, patches) == pytest.approx(np.log(2) / 2, rel=1e-5)
    assert losses.discriminator_accuracy(-patches, patches) == pytest.approx(0.75)


def test_discriminator_accuracy_counts_both_halves():
    assert losses.discriminator_accuracy(-SURE_RECONSTRUCTION, SURE_RECONSTRUCTION) == 1
    assert losses.discriminator_accuracy(SURE_RECONSTRUCTION, SURE_RECONSTRUCTION) == 0.5


def test_psnr_of_loss():
    assert losses.psnr_of_loss(255**2 / 100 * 128 * 128, 128 * 128) == pytest.approx(20, rel=1e-5)


def test_every_loss_of_the_config_is_there():
    assert tuple(losses.STAGE_1) == settings.LOSSES
