"""The fast network at 8x: python train.py --config=configs/x8_fast.py --config.data.name=folder --config.data.path=DIR

Stage 2 has short cycles against a discriminator of patches. With the paper's 10 and 50 steps a cycle, the generator learns
to fool the discriminator by a fine chequered pattern before that can answer; so it does in the first 200 steps here, and
then unlearns it (docs/studies.md). There are many cycles because the EMA, which is what evaluation sees, follows slowly.
"""

from configs import variants
from gln_jax import config as settings


def get_config(variant=''):
    return variants.with_variant(recipe(), variant)


def recipe():
    """The settings before a word after the colon changes them; `configs/x4_fast.py` builds on them too."""
    config = settings.default()
    config.name = 'x8_fast'
    config.network = 'fast'
    config.optimizer.name = 'muon'
    config.optimizer.learning_rate = 3e-3
    config.optimizer.warmup_steps = 100
    config.reconstruction.steps = 7000
    config.reconstruction.batch_size = 16
    config.adversarial.update(batch_size=16, discriminator='patch', discriminator_steps=4, generator_steps=4, turns=400,
                              discriminator_learning_rate=5e-4, weight='1e6')  # three times what 'auto' finds
    config.checkpoint.every_steps = 500
    config.log.pictures_every_steps = 250
    return config
