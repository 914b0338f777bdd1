"""Convolutions in the Fourier domain against direct ones."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import config as settings
from gln_jax import images, metrics, weights
from gln_jax.models import convolutions, factory, fourier
from gln_jax.runtime import devices, precision
from gln_jax.training import optimizers, steps
from tools import golden


pytestmark = pytest.mark.usefixtures('optimized')


@pytest.mark.parametrize('maps_shape, kernel_shape', [
    ((2, 48, 32, 16), (7, 7, 16, 32)),  # whole tiles
    ((2, 33, 47, 3), (7, 7, 3, 5)),     # tiles cut off below and on the right
    ((1, 5, 40, 4), (7, 7, 4, 2)),      # an image lower than a tile
    ((2, 16, 19, 16), (3, 3, 16, 8))])
def test_result_and_gradients_are_those_of_the_direct_form(maps_shape, kernel_shape):
    """In single and in double precision, relative to the largest number, against the direct form in double precision."""
    def fourier_form(maps, kernel, gradient):
        return fourier.convolved(maps, kernel), *fourier.gradients(maps, kernel, gradient)

    @jax.jit
    def direct_form(maps, kernel, gradient):
        result, pullback = jax.vjp(direct, maps, kernel)
        return result, *pullback(gradient)

    with jax.enable_x64(True):
        exact = random(maps_shape, kernel_shape)
        expected = direct_form(*exact)
        for dtype, tolerance in (('float32', 3e-6), ('float64', 1e-11)):
            found = jax.jit(fourier_form)(*(array.astype(dtype) for array in exact))
            for one, other in zip(found, expected, strict=True):
                assert one.dtype == dtype
                assert jnp.abs(one - other).max() < tolerance * jnp.abs(other).max()


@pytest.mark.parametrize('row, column', [(0, 0), (15, 16), (32, 8)])
def test_a_point_becomes_the_kernel_seen_from_it(row, column):
    """At a corner, at the edges of tiles, in the last row: nothing comes from other tiles or around the image."""
    maps = np.zeros((1, 33, 40, 1), np.float32)
    maps[0, row, column] = 1
    kernel = np.arange(1, 50, dtype=np.float32).reshape(7, 7, 1, 1)
    expected = np.zeros((39, 46), np.float32)
    expected[row:row + 7, column:column + 7] = kernel[::-1, ::-1, 0, 0]
    np.testing.assert_allclose(fourier.convolved(maps, kernel)[0, ..., 0], expected[3:-3, 3:-3], atol=1e-4)


@pytest.mark.parametrize('maps_shape, kernel_shape, dtype, is_chosen', [
    ((1, 32, 32, 16), (7, 7, 16, 32), 'float32', True),
    ((1, 32, 32, 16), (7, 7, 16, 32), 'bfloat16', False),
    ((1, 32, 32, 2), (7, 7, 2, 16), 'float32', False),
    ((1, 32, 32, 32), (7, 7, 32, 1), 'float32', False),
    ((1, 16, 16, 96), (3, 3, 96, 40), 'float32', True),
    ((1, 64, 64, 32), (3, 3, 32, 64), 'float32', False),
    ((1, 32, 32, 64), (5, 5, 64, 64), 'float32', False),
    ((1, 32, 32, 32), (7, 5, 32, 32), 'float32', False)])
def test_a_layer_takes_the_fourier_domain_where_that_is_faster(maps_shape, kernel_shape, dtype, is_chosen):
    maps, kernel = jnp.ones(maps_shape, dtype), jnp.ones(kernel_shape, dtype)
    assert is_chosen == has_no_convolution(lambda: convolutions.convolved(maps, kernel))
    if is_chosen:
        assert has_no_convolution(lambda: jax.grad(lambda *both: convolutions.convolved(*both).sum(), (0, 1))(maps, kernel))


def test_the_direct_form_can_be_had():
    with convolutions.traced_in('direct'):
        assert not has_no_convolution(lambda: convolutions.convolved(jnp.ones((1, 32, 32, 16)), jnp.ones((7, 7, 16, 32))))


def test_another_platform_gets_the_direct_form():
    convolved = jax.jit(convolutions.convolved).trace(jnp.ones((1, 32, 32, 16)), jnp.ones((7, 7, 16, 32)))
    for platform, is_direct in (('tpu', True), ('cuda', True), ('cpu', False)):
        assert is_direct == ('convolution' in convolved.lower(lowering_platforms=(platform,)).as_text())


@pytest.mark.parametrize('name', ['x4', 'x8'])
def test_the_psnr_of_released_networks_hardly_moves(name):
    """Of the paper's networks, whose layers of 7x7 take this form. Bicubic images stand for the truth."""
    loaded = weights.load_generator(name)
    lr = dict(np.load(golden.FILE))[golden.lr_name(loaded)][:1]
    hr = images.upsample(lr, loaded.config.scale, 'bicubic')
    psnr = {}
    for form in convolutions.FORMS:
        with convolutions.traced_in(form):
            restore = jax.jit(precision.applied(factory.generator(loaded.config), jnp.float32))
            psnr[form] = metrics.psnr(restore(loaded.parameters, lr), hr, 'paper')
    assert not np.array_equal(psnr['direct'], psnr['fourier']), 'both took the same form'
    np.testing.assert_allclose(psnr['fourier'], psnr['direct'], rtol=0, atol=5e-4)


def test_two_devices_learn_what_one_learns_in_the_fourier_domain():
    config = settings.default()
    config.network, config.face_size = 'gln4', 32
    config.optimizer.update(name='sgd', learning_rate=5e-10, momentum=0.0, warmup_steps=0, clip_norm=0.0)
    faces = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 1), np.uint8)
    before, learnt = jax.device_get(steps.create_state(config).generator), {}
    assert convolutions.form_here(before, jnp.float32) == 'fourier'
    for count in (1, 2):
        update = devices.mapped(steps.generator_update(config, optimizers.reconstruction_optimizer(config), False),
                                jax.devices()[:count])
        learnt[count] = jax.device_get(update(steps.create_state(config), faces.reshape(count, -1, *faces.shape[1:]))[0].generator)
    kernels = [tree['local']['Conv_1']['kernel'] for tree in (before, learnt[1], learnt[2])]
    assert np.abs(kernels[1] - kernels[0]).max() > 1e-4, 'nothing was learnt, so that nothing is compared'
    chex.assert_trees_all_close(learnt[1], learnt[2], atol=1e-6)


def random(maps_shape, kernel_shape):
    shapes = maps_shape, kernel_shape, (*maps_shape[:3], kernel_shape[-1])
    return [jax.random.normal(jax.random.key(i), shape, 'float64') for i, shape in enumerate(shapes)]


def direct(maps, kernel):
    return jax.lax.conv_general_dilated(maps, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def has_no_convolution(function):
    return 'convolution' not in jax.jit(function).lower().as_text()
