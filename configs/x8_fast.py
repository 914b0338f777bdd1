"""The fast network at 8x: python train.py --config=configs/x8_fast.py --config.data.name=folder --config.data.path=DIR"""

from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x8_fast'
    config.network = 'fast'
    config.optimizer.name = 'muon'
    config.optimizer.learning_rate = 3e-3
    config.optimizer.warmup_steps = 100
    config.reconstruction.steps = 7000
    config.reconstruction.batch_size = 16
    config.adversarial.batch_size = 16
    config.adversarial.discriminator_learning_rate = 5e-4  # at 1e-4 it is right about 6 images in 10, and teaches chequers
    config.checkpoint.every_steps = 500
    config.log.pictures_every_steps = 250
    return settings.with_variant(config, variant)
