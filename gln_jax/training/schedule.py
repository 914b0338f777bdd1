"""What a step of a run is: stage 1's reconstruction steps, then stage 2's cycles of discriminator and generator steps."""

RECONSTRUCTION, DISCRIMINATOR, GENERATOR = 'reconstruction', 'discriminator', 'generator'


def total_steps(config):
    cycle = config.adversarial.discriminator_steps + config.adversarial.generator_steps
    return config.reconstruction.steps + config.adversarial.turns * cycle


def phase_at(config, step):
    """Which network step number `step` (from 0) updates, and in which stage: one of the three names above."""
    since_stage_2 = step - config.reconstruction.steps
    if since_stage_2 < 0:
        return RECONSTRUCTION
    cycle = config.adversarial.discriminator_steps + config.adversarial.generator_steps
    return DISCRIMINATOR if since_stage_2 % cycle < config.adversarial.discriminator_steps else GENERATOR


def batch_size_at(config, step):
    return (config.reconstruction if step < config.reconstruction.steps else config.adversarial).batch_size


def is_due(step, every, total):
    """Whether something that happens `every` so many steps, and at the end, happens after `step` steps."""
    return step > 0 and (step % every == 0 or step == total)
