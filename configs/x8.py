"""GLN8 at 8x: python train.py --config=configs/x8.py --config.data.name=folder --config.data.path=DIR"""

from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x8'
    config.scale = 8
    return settings.with_variant(config, variant)
