"""The fast network at 2x, for photographs; the paper has no 2x.

    python train.py --config=configs/x2_fast.py --config.degradation=photo --config.data.name=folder --config.data.path=DIR

Cost: x2-photo, with its body from a network at 4x (--init=x4-photo) and 500 steps, took 64 min on one busy CPU core.
Score: 2.5 dB above bicubic interpolation of clean faces of 64 pixels, 1.1 of JPEG of quality 75 (four test sets, docs/photographs.md).
"""

from configs import variants, x8_fast


def get_config(variant=''):
    config = x8_fast.recipe()
    config.name = 'x2_fast'
    config.scale = 2
    config.fast.upsampling_blocks = (1, 2)  # at 64x64, where the LR pixels are, one more than at 4x
    config.optimizer.learning_rate = 1e-3
    config.reconstruction.steps = 2400
    config.reconstruction.batch_size = 32
    config.checkpoint.every_steps = 200
    return variants.with_variant(config, variant)
