"""GLN8 at 8x: python train.py --config=configs/x8.py --config.data.name=folder --config.data.path=DIR

Stage 1 sees 15,000 x 128 = 1.9 million faces, stage 2 another 1.5 million. The batch is one for 8 chips
(docs/tpu_compiler.md); on a CPU give a smaller one, of 16 say. On 2 CPU cores GLN8 trains 3.0 faces/s, which would be a
week and more: it wants an accelerator, and has not been trained to the end yet. On a CPU, `:gn` (the global network alone,
1,000 faces/s and more) and then `:gln4` from it (`--init`; 9 faces/s a core) was 1.6 dB above bicubic on LFW after an
hour and a half; another hour, taught by `x8-fast`, made it the weights `x8`: 1.9 dB on LFW, 3.1 dB on studio portraits
(gln_jax/released/README.md has the commands).
"""

from gln_jax import config as settings


def get_config(variant=''):
    config = settings.default()
    config.name = 'x8'
    config.scale = 8
    return settings.with_variant(config, variant)
