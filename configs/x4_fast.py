"""The fast network at 4x: python train.py --config=configs/x4_fast.py --config.data.name=folder --config.data.path=DIR

As `configs/x8_fast.py` otherwise; not trained to the end yet.
"""

from configs import x8_fast


def get_config(variant=''):
    config = x8_fast.get_config(variant)
    config.name = config.name.replace('x8', 'x4')
    config.scale = 4
    return config
