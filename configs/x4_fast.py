"""The fast network at 4x: python train.py --config=configs/x4_fast.py --config.data.name=folder --config.data.path=DIR

Cost: stage 1's 76,800 faces took 1 h 15 min on 2 CPU cores, without the residual block at 64x64, which came later.
Score: 30.45 dB on val, where bicubic has 27.77; with 216,000 faces more, and the block, 30.87 (docs/training_log.md).
With the rate of `configs/x8_fast.py`, 3e-3, the loss jumped to twice its value again and again from step 290 on.
"""

from configs import variants, x8_fast


def get_config(variant=''):
    config = x8_fast.recipe()
    config.name = 'x4_fast'
    config.scale = 4
    config.optimizer.learning_rate = 1e-3
    config.reconstruction.steps = 2400
    config.reconstruction.batch_size = 32
    config.adversarial.weight = '3e5'  # as at 8x, where the squared error is three times as large
    config.checkpoint.every_steps = 200
    return variants.with_variant(config, variant)
