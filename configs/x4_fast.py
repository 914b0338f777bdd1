"""The fast network at 4x: python train.py --config=configs/x4_fast.py --config.data.name=folder --config.data.path=DIR

2 CPU cores train about 18 faces/s of it: 1 h 15 min for stage 1's 76,800 faces. On 12,898 photographs it reached 30.45 dB
on val, and 30.56 with 57,600 faces more, where bicubic has 27.77 (README, x4-fast). With the rate of `configs/x8_fast.py`,
3e-3, the loss jumped to twice its value again and again from step 290 on.
"""

from configs import x8_fast
from gln_jax import config as settings


def get_config(variant=''):
    config = x8_fast.recipe()
    config.name = 'x4_fast'
    config.scale = 4
    config.fast.upsampling_blocks = (2, 0)  # as `x4-fast` has; at 8x, the block at 64x64 came later
    config.optimizer.learning_rate = 1e-3
    config.reconstruction.steps = 2400
    config.reconstruction.batch_size = 32
    config.adversarial.weight = '3e5'  # as at 8x, where the squared error is three times as large
    config.checkpoint.every_steps = 200
    return settings.with_variant(config, variant)
