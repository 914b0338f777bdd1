"""GLN8 at 4x: python train.py --config=configs/x4.py --config.data.name=folder --config.data.path=DIR"""

from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x4'
    config.scale = 4
    return settings.with_variant(config, variant)
