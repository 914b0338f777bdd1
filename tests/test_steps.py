import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import losses
from gln_jax import config as settings
from gln_jax.models import factory
from gln_jax.runtime import devices, errors
from gln_jax.training import optimizers, steps


@pytest.fixture(scope='module')
def faces():
    return np.random.default_rng(0).integers(0, 256, (8, 128, 128, 1), np.uint8)


def sgd_config():
    """Plain SGD: Adam would hide a gradient that is 4 times too large."""
    config = settings.default()
    config.network, config.face_size = 'gln3', 32
    config.optimizer.update(name='sgd', learning_rate=5e-10, momentum=0.0, warmup_steps=0, clip_norm=0.0,
                            final_learning_rate_share=1.0)
    config.adversarial.update(generator_learning_rate=5e-10, discriminator_learning_rate=1e-2)
    return config


def created(config):
    """What `steps.create_state` makes of a config of this file, in arrays that an update may take."""
    return jax.tree.map(np.copy, _created(config.adversarial.discriminator))


@functools.cache
def _created(discriminator):
    config = sgd_config()
    config.adversarial.discriminator = discriminator
    return jax.device_get(jax.jit(lambda: steps.create_state(config))())


def generator_update(config, adversarial):
    optimizer = (optimizers.adversarial_optimizer if adversarial else optimizers.reconstruction_optimizer)(config)
    return steps.generator_update(config, optimizer, adversarial)


def both_stages(config, faces, count):
    """The state after two steps of each kind, on so many devices."""
    state, over = created(config), jax.devices()[:count]
    batch = faces.reshape(len(over), -1, *faces.shape[1:])
    reconstruct = devices.mapped(generator_update(config, False), over)
    discriminate = devices.mapped(steps.discriminator_update(config, optimizers.discriminator_optimizer(config)), over)
    generate = devices.mapped(generator_update(config, True), over)
    for update in (reconstruct, reconstruct):
        state, metrics = update(state, batch)
    state = steps.begin_adversarial(config, state)
    for update in (discriminate, discriminate, generate, generate):
        state, metrics = update(state, batch)
    return jax.device_get(state), jax.device_get(metrics)


def test_four_devices_learn_what_one_learns(faces):
    config = sgd_config()
    start = jax.device_get(created(config))
    one, one_metrics = both_stages(config, faces, 1)
    four, four_metrics = both_stages(config, faces, 4)
    moved = jax.tree.map(lambda before, after: np.abs(after - before).max(), start.generator, one.generator)
    assert max(jax.tree.leaves(moved)) > 1e-3, 'nothing was learnt, so that nothing is compared'
    for learnt in ('generator', 'average', 'discriminator'):
        chex.assert_trees_all_close(getattr(one, learnt), getattr(four, learnt), atol=1e-5)
    chex.assert_trees_all_close(one_metrics, four_metrics, rtol=1e-4)


def test_stage_1_minimises_the_loss_that_the_config_names(faces):
    config, gradient_norms = sgd_config(), {}
    for name in settings.LOSSES:
        config.reconstruction.loss = name
        _, metrics = devices.mapped(generator_update(config, False), jax.devices()[:1])(
            created(config), faces[None])
        assert metrics['reconstruction_loss'] > 1e5, 'L_MS is told whatever is minimised'
        gradient_norms[name] = float(metrics['gradient_norm'])
    assert gradient_norms['squared'] > 10 * gradient_norms['absolute']
    assert gradient_norms['charbonnier'] == pytest.approx(gradient_norms['absolute'], rel=0.05)


@pytest.mark.parametrize('share', [0.25, 1.0])
def test_a_teacher_takes_its_share_of_the_gradient(faces, share):
    """A network that is its own teacher has nothing to learn of it, and so much less to learn of the truth."""
    config, gradient_norms, told = sgd_config(), {}, {}
    config.reconstruction.teacher_share = share
    network, parameters = factory.generator(config), created(config).generator
    for teacher in (None, lambda lr: network.apply({'params': parameters}, lr)):
        update = steps.generator_update(config, optimizers.reconstruction_optimizer(config), False, teacher)
        _, metrics = devices.mapped(update, jax.devices()[:1])(created(config), faces[None])
        gradient_norms[bool(teacher)], told[bool(teacher)] = metrics['gradient_norm'], metrics['reconstruction_loss']
    left = float(gradient_norms[True] / gradient_norms[False])
    assert left == pytest.approx(1 - share, abs=1e-3)
    assert told[True] == pytest.approx(float(told[False]), rel=1e-6), 'L_MS is told of the truth, whatever is learnt'


def test_auto_lambda_makes_the_adversarial_term_a_tenth(faces):
    config = sgd_config()
    state = steps.begin_adversarial(config, created(config))
    assert state.adversarial_weight == steps.UNSET
    generate = devices.mapped(generator_update(config, True))
    state, metrics = generate(state, devices.split(faces))
    metrics = jax.device_get(metrics)
    term = metrics['adversarial_weight'] * metrics['adversarial_loss']
    assert term == pytest.approx(0.1 * metrics['reconstruction_loss'], rel=1e-4)
    assert metrics['loss'] == pytest.approx(1.1 * metrics['reconstruction_loss'], rel=1e-4)
    found = float(state.adversarial_weight)
    state, _ = generate(state, devices.split(255 - faces))
    assert state.adversarial_weight == found, 'lambda is found once'


def test_a_given_lambda_stays(faces):
    config = sgd_config()
    config.adversarial.weight = '8e3'
    state = steps.begin_adversarial(config, created(config))
    _, metrics = devices.mapped(generator_update(config, True))(state, devices.split(faces))
    metrics = jax.device_get(metrics)
    assert metrics['adversarial_weight'] == 8e3
    expected = metrics['reconstruction_loss'] + 8e3 * metrics['adversarial_loss']
    assert metrics['loss'] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('discriminator', settings.DISCRIMINATORS)
def test_each_update_leaves_the_other_network_alone(discriminator, faces):
    config = sgd_config()
    config.adversarial.discriminator = discriminator
    state = jax.device_get(steps.begin_adversarial(config, created(config)))
    discriminate = devices.mapped(steps.discriminator_update(config, optimizers.discriminator_optimizer(config)))
    after, metrics = discriminate(state, devices.split(faces))
    chex.assert_trees_all_equal(after.generator, state.generator)
    assert changed(after.discriminator, state.discriminator)
    assert 0 <= metrics['discriminator_accuracy'] <= 1
    after, _ = devices.mapped(generator_update(config, True))(state, devices.split(faces))
    chex.assert_trees_all_equal(after.discriminator, state.discriminator)
    assert changed(after.generator, state.generator)
    assert after.step == state.step + 1


def test_the_adversarial_term_pulls_towards_what_the_discriminator_takes_for_real(faces):
    """With lambda far above L_MS, a step on the same faces lowers the adversarial loss."""
    config = sgd_config()
    config.adversarial.update(weight='1e12', generator_learning_rate=1e-16)
    generate = devices.mapped(generator_update(config, True))
    state, first = generate(steps.begin_adversarial(config, created(config)), devices.split(faces))
    _, second = generate(state, devices.split(faces))
    assert second['adversarial_loss'] < first['adversarial_loss']


def test_stage_2_starts_from_the_average():
    config = sgd_config()
    state = created(config)
    state = state.replace(average=jax.tree.map(lambda leaf: leaf + 1, state.average))
    chex.assert_trees_all_equal(steps.begin_adversarial(config, state).generator, state.average)


def test_average_follows_the_generator(faces):
    config = sgd_config()
    config.optimizer.average_decay = 0.0
    state, _ = devices.mapped(generator_update(config, False))(created(config), devices.split(faces))
    chex.assert_trees_all_close(state.average, state.generator)


@pytest.mark.parametrize('step, kept', [(0, 0.1), (8, 0.5), (10**6, 0.9)])
def test_the_average_forgets_its_start_soon_and_then_changes_slowly(step, kept):
    config = settings.default()
    config.optimizer.average_decay = 0.9
    state = steps.State(jnp.int32(step), None, None, {'kernel': jnp.ones(())}, None, None, None)
    assert steps._moving_average(config, state, {'kernel': jnp.zeros(())})['kernel'] == pytest.approx(kept)


def test_the_rate_of_stage_1_rises_and_then_falls_along_a_cosine():
    config = settings.default()
    config.optimizer.update(name='sgd', momentum=0.0, clip_norm=0.0, learning_rate=1.0, warmup_steps=4,
                            final_learning_rate_share=0.1)
    config.reconstruction.steps = 44
    optimizer, kernel = optimizers.reconstruction_optimizer(config), {'kernel': jnp.zeros(())}
    state, rates = optimizer.init(kernel), []
    for _ in range(45):
        change, state = optimizer.update({'kernel': jnp.ones(())}, state, kernel)
        rates.append(-float(change['kernel']))
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[24] == pytest.approx(0.55) and rates[44] == pytest.approx(0.1)


def test_sgd_moves_biases_as_a_network_on_0_to_255_pixels_would():
    """One linear layer fitted by hand in both units: the same rate must give the same image."""
    config = sgd_config()
    optimizer = optimizers.reconstruction_optimizer(config)
    inputs, target = jnp.linspace(0, 1, 16), jnp.linspace(0.2, 0.9, 16)
    parameters = {'layer': {'kernel': jnp.array(0.5), 'bias': jnp.array(0.1)}}
    def loss(parameters):
        layer = parameters['layer']
        return losses.reconstruction_loss((layer['kernel'] * inputs + layer['bias'])[None], target[None])
    changes, _ = optimizer.update(jax.grad(loss)(parameters), optimizer.init(parameters), parameters)
    rate, residual = config.optimizer.learning_rate, 255 * (0.5 * inputs + 0.1 - target)
    by_hand = {'kernel': -rate * jnp.sum(2 * residual * 255 * inputs), 'bias': -rate * jnp.sum(2 * residual) / 255}
    chex.assert_trees_all_close(changes['layer'], by_hand, rtol=1e-4)


def test_sgd_has_momentum():
    """A second equal gradient moves a parameter by itself and by the momentum's share of the first (section 4: 0.9)."""
    config = sgd_config()
    config.optimizer.momentum, kernel, gradient = 0.9, {'kernel': jnp.zeros(3)}, {'kernel': jnp.arange(3.0)}
    for optimizer in (optimizers.adversarial_optimizer(config), optimizers.discriminator_optimizer(config)):
        state = optimizer.init(kernel)
        first, state = optimizer.update(gradient, state, kernel)
        second, _ = optimizer.update(gradient, state, kernel)
        np.testing.assert_allclose(second['kernel'], 1.9 * first['kernel'], rtol=1e-6)


@pytest.mark.parametrize('stage', ['reconstruction_optimizer', 'adversarial_optimizer'])
def test_the_norm_of_a_generators_gradient_is_clipped(stage):
    config = sgd_config()
    config.optimizer.clip_norm, kernel = 5.0, {'kernel': jnp.zeros(2)}
    optimizer = getattr(optimizers, stage)(config)
    small, large = (optimizer.update({'kernel': jnp.array(gradient)}, optimizer.init(kernel), kernel)[0]['kernel']
                    for gradient in ([3.0, 4.0], [30.0, 40.0]))
    assert np.all(small != 0)
    np.testing.assert_allclose(large, small, rtol=1e-6)


def test_the_discriminator_sees_the_generators_images_and_not_the_averages(faces):
    config = sgd_config()
    state = jax.device_get(steps.begin_adversarial(config, created(config)))
    discriminate = devices.mapped(steps.discriminator_update(config, optimizers.discriminator_optimizer(config)))
    other = jax.tree.map(lambda leaf: leaf + 0.05, state.generator)
    usual, of_another_average, of_another_generator = (
        jax.device_get(discriminate(each, devices.split(faces))[0]).discriminator
        for each in (state, state.replace(average=other), state.replace(generator=other)))
    chex.assert_trees_all_equal(usual, of_another_average)
    assert changed(usual, of_another_generator)


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(errors.InputError, match='30 faces cannot be split over 4 devices'):
        devices.check_batch_size(30, 'config.reconstruction.batch_size')


def changed(before, after):
    return any(bool(jnp.any(a != b)) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after)))
