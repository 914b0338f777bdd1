"""The state of a training run and its two updates: one for the generator, one for the discriminator.

The updates are pure functions (state, hr) -> (state, metrics) for one device's share of a batch; they average their
gradients over the devices of the axis `devices.AXIS`, under which runtime/devices.py maps them.
"""

from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax

from gln_jax import images, losses
from gln_jax import config as settings
from gln_jax.data import photo_degradation
from gln_jax.models import factory, growing
from gln_jax.runtime import devices, precision
from gln_jax.training import optimizers

UNSET = -1.0  # value of `State.adversarial_weight` while lambda is still to be found
AUTO_SHARE = 0.1  # 'auto' sets lambda so that the adversarial term is at first this share of L_MS (section 4)


@flax.struct.dataclass
class State:
    """All that a run has learnt. Its field names are the checkpoint's format.

    There is no random key and no data position in it: every random choice is a function of the config's seed and `step`.
    """

    step: jax.Array  # updates done, of both kinds and stages; int32
    generator: Any  # parameters
    generator_optimizer: Any
    average: Any  # exponential moving average of the generator's parameters
    discriminator: Any  # parameters
    discriminator_optimizer: Any
    adversarial_weight: jax.Array  # lambda in the paper's unit; 0 in stage 1, UNSET until 'auto' has found it


def create_state(config, generator=None):
    """The state before the first step, from `config.seed`, and from the parameters `generator` where there are any.

    Those may be a part of the network, as returned by `weights.load_for`: the rest then gets its usual initial values.
    """
    generator_key, discriminator_key = jax.random.split(jax.random.key(config.seed))
    hr = jnp.zeros((1, config.face_size, config.face_size, 1))
    lr = images.degrade(hr, config.scale, config.degradation)
    generator = growing.from_part(factory.generator(config).init(generator_key, lr)['params'], generator or {})
    discriminator = factory.discriminator(config).init(discriminator_key, hr)['params']
    return State(
        step=jnp.int32(0),
        generator=generator,
        generator_optimizer=optimizers.reconstruction_optimizer(config).init(generator),
        average=jax.tree.map(jnp.copy, generator),
        discriminator=discriminator,
        discriminator_optimizer=optimizers.discriminator_optimizer(config).init(discriminator),
        adversarial_weight=jnp.float32(0),
    )


def begin_adversarial(config, state):
    """The state that enters stage 2: from the EMA of stage 1's generator, with fresh optimiser moments."""
    weight = settings.adversarial_weight(config)
    return state.replace(
        generator=jax.tree.map(jnp.copy, state.average),
        generator_optimizer=optimizers.adversarial_optimizer(config).init(state.average),
        adversarial_weight=jnp.float32(UNSET if weight is None else weight),
    )


def shape_after(config, step):
    """The state after `step` steps of a run, with shapes in place of arrays: what its checkpoint holds.

    The generator's optimiser is another one in stage 2 where stage 1's is Muon.
    """
    def state():
        fresh = create_state(config)
        return begin_adversarial(config, fresh) if step > config.reconstruction.steps else fresh
    return jax.eval_shape(state)


def generator_update(config, optimizer, adversarial, teacher=None):
    """The update of the generator: on L_MS alone in stage 1 (or another loss of losses.STAGE_1), on L_G with the
    discriminator fixed in stage 2.

    Args:
        optimizer: the optax transformation that steps the generator.
        adversarial: whether L_G has its adversarial term.
        teacher: the function of LR to HR luminance, both [n, H, W, 1] in [0, 1], of a network that stage 1 learns from
            too; None is none.
    Returns:
        (state, hr) -> (state, metrics), hr being luminance [n, H, W, 1] in [0, 1]; metrics are scalars, averaged over
        all devices, in the paper's unit.
    """
    generate, discriminate = _networks(config)

    def reconstruction(parameters, state, lr, hr):
        sr = generate(parameters, lr)
        target = _taught(hr, teacher(lr), config.reconstruction.teacher_share) if teacher else hr
        loss = losses.STAGE_1[config.reconstruction.loss](sr, target)
        return loss, (state.adversarial_weight, {'loss': loss, 'reconstruction_loss': losses.reconstruction_loss(sr, hr)})

    def with_adversarial_term(parameters, state, lr, hr):
        sr = generate(parameters, lr)
        l_ms, l_adversarial = losses.reconstruction_loss(sr, hr), losses.adversarial_loss(discriminate(state.discriminator, sr))
        lam = _found_weight(state.adversarial_weight, l_ms, l_adversarial)
        l_g = l_ms + lam * l_adversarial
        return l_g, (lam, {'loss': l_g, 'reconstruction_loss': l_ms, 'adversarial_loss': l_adversarial})

    loss = with_adversarial_term if adversarial else reconstruction

    def update(state, hr):
        hr = images.of_size(hr, config.face_size)
        lr = lr_faces(config, hr, state.step)
        gradient, (weight, terms) = jax.grad(loss, has_aux=True)(state.generator, state, lr, hr)
        gradient, metrics = jax.lax.pmean((gradient, terms), devices.AXIS)
        changes, optimizer_state = optimizer.update(gradient, state.generator_optimizer, state.generator)
        parameters = optax.apply_updates(state.generator, changes)
        metrics['psnr'] = losses.psnr_of_loss(metrics['reconstruction_loss'], hr[0].size)
        metrics['gradient_norm'] = optax.tree.norm(gradient)
        if adversarial:
            metrics['adversarial_weight'] = weight
        return state.replace(
            step=state.step + 1,
            generator=parameters,
            generator_optimizer=optimizer_state,
            average=_moving_average(config, state, parameters),
            adversarial_weight=weight,
        ), metrics

    return update


def lr_faces(config, hr, step):
    """The LR faces of this device's share of a batch; 'photo' damages each by the seed, the step and its place in the batch."""
    if config.degradation != 'photo':
        return images.degrade(hr, config.scale, config.degradation)
    key = jax.random.fold_in(jax.random.key(config.seed), step)
    return photo_degradation.degrade(hr, config.scale, config.photo, key, jax.lax.axis_index(devices.AXIS) * len(hr))


def _taught(hr, teachers_image, share):
    """What stage 1 is to give: HR, and in its place a share of what a trained network makes of LR (Hinton et al. 2015).

    LR does not determine all detail of HR, and what it leaves open is noise to the gradient. The teacher's image lacks it.
    """
    return hr + share * (jax.lax.stop_gradient(teachers_image) - hr)


def discriminator_update(config, optimizer):
    """The update of the discriminator on L_D, with the generator fixed; as `generator_update` otherwise."""
    generate, discriminate = _networks(config)

    def update(state, hr):
        hr = images.of_size(hr, config.face_size)
        sr = generate(state.generator, lr_faces(config, hr, state.step))

        def loss(parameters):
            hr_logits = discriminate(parameters, hr)
            sr_logits = discriminate(parameters, sr)
            value = losses.discriminator_loss(hr_logits, sr_logits)
            return value, {'discriminator_loss': value,
                           'discriminator_accuracy': losses.discriminator_accuracy(hr_logits, sr_logits)}

        gradient, metrics = jax.grad(loss, has_aux=True)(state.discriminator)
        gradient, metrics = jax.lax.pmean((gradient, metrics), devices.AXIS)
        changes, optimizer_state = optimizer.update(gradient, state.discriminator_optimizer, state.discriminator)
        return state.replace(
            step=state.step + 1,
            discriminator=optax.apply_updates(state.discriminator, changes),
            discriminator_optimizer=optimizer_state,
        ), metrics

    return update


def _networks(config):
    """The functions (parameters, LR) -> HR of the generator and (parameters, HR) -> logits of the discriminator."""
    dtype = precision.of(config)
    return tuple(precision.applied(network(config), dtype) for network in (factory.generator, factory.discriminator))


def _found_weight(weight, reconstruction, adversarial):
    """lambda: as it is, or, while UNSET, such that the adversarial term is AUTO_SHARE of L_MS over all devices."""
    reconstruction, adversarial = jax.lax.pmean(jax.lax.stop_gradient((reconstruction, adversarial)), devices.AXIS)
    return jnp.where(weight == UNSET, AUTO_SHARE * reconstruction / adversarial, weight)


def _moving_average(config, state, parameters):
    """The EMA's decay grows with the steps, so that it forgets the random initial values (as in TensorFlow's own)."""
    decay = jnp.minimum(config.optimizer.average_decay, (1 + state.step) / (10 + state.step))
    return optax.incremental_update(parameters, state.average, 1 - decay)
