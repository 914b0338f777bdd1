"""The fast network at 8x: python train.py --config=configs/x8_fast.py --config.data.name=folder --config.data.path=DIR"""

from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x8_fast'
    config.network = 'fast'
    config.optimizer.learning_rate = 1.5e-3
    config.reconstruction.batch_size = 16
    return settings.with_variant(config, variant)
