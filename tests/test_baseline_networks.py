"""SRCNN and BCCNN, the published networks in the generator's slot."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import x8
from gln_jax import images
from gln_jax import config as settings
from gln_jax.models import factory
from gln_jax.runtime import devices
from gln_jax.training import optimizers, steps

BCCNN_FEATURES = {4: 4 * 4 * 128, 8: 2 * 2 * 128}  # 32x32 and 16x16, halved three times


def module_and_input(network, scale=8):
    config = settings.default()
    config.network, config.scale = network, scale
    size = images.FACE_SIZE // scale
    return factory.generator(config), jax.random.uniform(jax.random.key(1), (2, size, size, 1))


@functools.cache
def made(network):
    module, lr = module_and_input(network)
    return module, jax.jit(module.init)(jax.random.key(0), lr), lr


def parameters(network, scale):
    """The shapes of all parameters, and their number."""
    module, lr = module_and_input(network, scale)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), lr))['params']
    return shapes, factory.parameter_count(shapes)


def made_up(network):
    """Parameters in place of random ones: drawing the 33 million of BCCNN takes half a minute."""
    return jax.tree.map(lambda leaf: 0.03 * np.cos(np.arange(leaf.size, dtype=np.float32)).reshape(leaf.shape),
                        parameters(network, 8)[0])


@pytest.mark.parametrize('scale', [4, 8])
def test_srcnn_has_the_papers_layers(scale):
    shapes, count = parameters('srcnn', scale)
    assert count == 8129
    kernels = {layer['kernel'].shape for layer in shapes.values()}
    assert kernels == {(9, 9, 1, 64), (1, 1, 64, 32), (5, 5, 32, 1)}


@pytest.mark.parametrize('scale', [4, 8])
def test_bccnn_has_the_layers_that_its_docstring_says(scale):
    features = BCCNN_FEATURES[scale]
    convolutions = (5 * 5 + 1) * 32 + (3 * 3 * 32 + 1) * 64 + (3 * 3 * 64 + 1) * 128
    face = (features + 1) * 2000 + (2000 + 1) * 128 * 128
    alpha = (features + 1) * 100 + (100 + 1)
    assert parameters('bccnn', scale)[1] == convolutions + face + alpha


def test_fresh_srcnn_gives_the_bicubic_image():
    """Which ReLU cuts at 0, where it has overshot."""
    module, variables, lr = made('srcnn')
    bicubic = images.upsample(lr, 8, 'bicubic')
    assert jnp.min(bicubic) < 0
    np.testing.assert_allclose(module.apply(variables, lr), jnp.maximum(bicubic, 0), atol=1e-5)


def test_srcnn_sees_12_pixels_around_each():
    """Of the bicubic image, 4 + 0 + 2 to each side; an LR pixel reaches 16 HR pixels further."""
    module, variables, lr = made('srcnn')
    variables = jax.tree.map(lambda leaf: leaf + 0.01, variables)
    changed = module.apply(variables, lr.at[:, 8, 8].add(0.5)) != module.apply(variables, lr)
    reached = np.flatnonzero(np.any(np.asarray(changed)[0, ..., 0], axis=0))
    assert 8 * 8 - 16 > reached.min() >= 8 * 8 - 16 - 6 and 8 * 8 + 23 < reached.max() <= 8 * 8 + 23 + 6


def test_bccnn_mixes_two_channels_by_alpha():
    module, lr = module_and_input('bccnn')
    variables = {'params': made_up('bccnn')}
    enlarged, face, alpha = module.apply(variables, lr, method='channels')
    assert alpha.shape == (2, 1, 1, 1) and jnp.all((alpha > 0) & (alpha < 1)) and alpha[0, 0, 0, 0] != alpha[1, 0, 0, 0]
    hr = module.apply(variables, lr)
    np.testing.assert_array_equal(enlarged, images.upsample(lr, 8, 'bicubic'))
    assert jnp.all((hr >= jnp.minimum(enlarged, face) - 1e-5) & (hr <= jnp.maximum(enlarged, face) + 1e-5))
    np.testing.assert_allclose(hr, alpha * enlarged + (1 - alpha) * face, atol=1e-5)


def blocks():
    """Images uint8 [2, 128, 128, 1] with edges that bicubic interpolation blurs."""
    coarse = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.mark.parametrize('network', ['srcnn', 'bccnn'])
def test_they_train_in_the_generators_place(network):
    config = x8.get_config(network)
    assert (config.network, config.name) == (network, f'x8_{network}')
    settings.check(config)
    config.optimizer.update(warmup_steps=0, learning_rate=2e-5)
    start = made_up('bccnn') if network == 'bccnn' else {}
    state = jax.jit(lambda start: steps.create_state(config, start))(start)
    batch = blocks()[None]  # the first axis is that of the devices
    update = devices.mapped(steps.generator_update(config, optimizers.reconstruction_optimizer(config), False),
                             jax.devices()[:1])
    found = []
    for _ in range(12):
        state, metrics = update(state, batch)
        found.append(float(metrics['reconstruction_loss']))
    assert found[-1] < 0.995 * found[0]
