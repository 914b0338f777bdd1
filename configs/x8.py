"""GLN8 at 8x: python train.py --config=configs/x8.py --config.data.name=folder --config.data.path=DIR

Cost: stage 1 sees 15,000 x 128 = 1.9 million faces, stage 2 another 1.5 million; 4.4 days of 2 CPU cores at 9
faces/s, computed and not run: it wants an accelerator. The batch is one for 8 chips (docs/tpu_compiler.md); on a CPU give a
smaller one, of 16 say.
Score: not trained to the end yet. On one CPU core, `:gn` (the global network alone) for 16 minutes, then `:gln4` from it
(`--init`) for 68 minutes, then 57 minutes with the teacher `x8-fast` made the weights `x8`: 1.9 dB above bicubic on LFW,
3.1 dB on studio portraits (docs/training_log.md has the commands).
"""

from configs import variants
from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x8'
    config.scale = 8
    return variants.with_variant(config, variant)
