"""GLN8 at 4x: python train.py --config=configs/x4.py --config.data.name=folder --config.data.path=DIR

As many faces as `configs/x8.py`. On 2 CPU cores GLN8 trains 3.0 faces/s at 4x and GLN4 (`:gln4`) 21: it wants an
accelerator, and has not been trained to the end yet. On a CPU, `:gn`, then `:gln4` from it, then `:gln6` from that
(`--init`), taught by `x4-fast` at last, made the weights `x4` (gln_jax/released/README.md has the commands).
"""

from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x4'
    config.scale = 4
    return settings.with_variant(config, variant)
