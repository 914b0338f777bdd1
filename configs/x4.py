"""GLN8 at 4x: python train.py --config=configs/x4.py --config.data.name=folder --config.data.path=DIR

Cost: as many faces as `configs/x8.py`; it wants an accelerator.
Score: not trained to the end yet. On a CPU, `:gn`, then `:gln4` from it, then `:gln6` from that (`--init`), with the teacher
`x4-fast` at last, made the weights `x4` in 12 hours (docs/training_log.md has the commands).
"""

from configs import variants
from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x4'
    config.scale = 4
    return variants.with_variant(config, variant)
