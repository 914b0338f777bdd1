"""The optimisers of both stages, each an optax chain; the order of a chain is part of the checkpoint's format."""

import jax
import optax

from gln_jax.training import muon


def reconstruction_optimizer(config):
    """Stage 1: the rate rises linearly, then falls as a cosine. The paper has neither (section 4: SGD, rate 1e-8)."""
    settings_, steps = config.optimizer, max(1, config.reconstruction.steps)
    warmup = min(settings_.warmup_steps, steps // 10)
    schedule = optax.warmup_cosine_decay_schedule(
        settings_.learning_rate / (warmup + 1), settings_.learning_rate, warmup, steps,
        settings_.final_learning_rate_share * settings_.learning_rate)
    return _generator_optimizer(config, muon.muon(schedule) if settings_.name == 'muon' else _descent(config, schedule))


def adversarial_optimizer(config):
    """Stage 2, the generator: a constant rate."""
    return _generator_optimizer(
        config, _descent(config, optax.constant_schedule(config.adversarial.generator_learning_rate)))


def discriminator_optimizer(config):
    """Stage 2, the discriminator: a constant rate."""
    return _descent(config, optax.constant_schedule(config.adversarial.discriminator_learning_rate))


def _generator_optimizer(config, descent):
    clip = optax.clip_by_global_norm(config.optimizer.clip_norm) if config.optimizer.clip_norm else optax.identity()
    return optax.chain(_biases_in_paper_unit(config), clip, descent)


def _descent(config, schedule):
    if config.optimizer.name == 'sgd':
        return optax.sgd(schedule, momentum=config.optimizer.momentum)
    return optax.adam(schedule, b1=config.optimizer.momentum)


def _biases_in_paper_unit(config):
    """Lets plain gradient descent move biases as it does in a network whose pixels are 0..255, like the paper's.

    Weights have the same gradient in both units. A bias is 255 times smaller here and its gradient 255 times larger, so
    that the paper's rate would move it 255^2 times too far. Adam does not see a gradient's size, and needs none of this.
    """
    if config.optimizer.name != 'sgd':
        return optax.identity()
    is_bias = lambda tree: jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == 'bias', tree)
    return optax.masked(optax.scale(1 / 255**2), is_bias)
