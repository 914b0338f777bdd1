import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import speed
from configs import variants
from gln_jax import images
from gln_jax import config as settings
from gln_jax.models import factory, fast


def network(scale, **changes):
    config = settings.default()
    config.network, config.scale = 'fast', scale
    config.fast.update(changes)
    module = factory.generator(config)
    return module, jax.random.uniform(jax.random.key(1), (2, 128 // scale, 128 // scale, 1))


@pytest.mark.parametrize('scale', [4, 8])
def test_a_fresh_network_is_bicubic_interpolation(scale):
    module, lr = network(scale, blocks=2)
    sr, _ = jax.jit(module.init_with_output)(jax.random.key(0), lr)
    np.testing.assert_allclose(sr, images.upsample(lr, scale, 'bicubic'), atol=1e-6)


@pytest.mark.parametrize('factor', [1, 2, 4])
def test_space_to_depth_undoes_depth_to_space(factor):
    features = jnp.arange(2 * 4 * 4 * 16.0).reshape(2, 4, 4, 16)
    hr = fast.depth_to_space(features, factor)
    assert hr.shape == (2, 4 * factor, 4 * factor, 16 // factor**2)
    np.testing.assert_array_equal(fast.space_to_depth(hr, factor), features)


def test_depth_to_space_puts_the_channels_of_a_position_side_by_side():
    hr = fast.depth_to_space(jnp.arange(8.0).reshape(1, 1, 2, 4), 2)
    np.testing.assert_array_equal(hr[0, :, :, 0], [[0, 1, 4, 5], [2, 3, 6, 7]])


@pytest.mark.parametrize('scale', [4, 8])
@pytest.mark.parametrize('size, least, most', [('fast_small', 0.2e9, 0.3e9), ('fast', 0.45e9, 0.6e9),
                                               ('fast_large', 1.3e9, 1.6e9)])
def test_a_size_takes_what_it_is_said_to(scale, size, least, most):
    config = settings.default()
    config.scale = scale
    variants.set_network(config, size)
    assert least < speed.multiply_adds(config) < most
    generator = jax.eval_shape(factory.generator(config).init, jax.random.key(0), jnp.zeros((1, 128 // scale, 128 // scale, 1)))
    assert 2 * factory.parameter_count(generator) < 10e6, 'two bytes each, a weights file would be above 10 MB'


def test_without_global_streams_a_pixel_far_away_does_not_matter():
    for has_global_streams in (True, False):
        module, lr = network(8, global_streams=has_global_streams, blocks=2)
        shapes, random = jax.eval_shape(module.init, jax.random.key(0), lr), np.random.default_rng(0)
        parameters = jax.tree.map(lambda leaf: 0.1 * random.standard_normal(leaf.shape, np.float32), shapes)
        restore = jax.jit(module.apply)
        before, after = restore(parameters, lr), restore(parameters, lr.at[:, -1, -1].add(0.5))
        changed = np.abs(after - before)[:, :16, :16].max() / np.abs(before).max()
        assert (changed > 1e-5) == has_global_streams, 'in the Fourier form, a tile shares its rounding'
