"""What a word after a config file's colon changes: another network, or the paper's recipe."""

import runpy

from gln_jax import config as settings
from gln_jax.runtime import errors

FAST_SIZES = {
    'fast_small': {'width': 64, 'blocks': 8, 'upsampling_widths': (48, 32), 'upsampling_blocks': (1, 0)},
    'fast_large': {'width': 96, 'blocks': 7, 'upsampling_widths': (64, 48), 'upsampling_blocks': (7, 3)},
}
"""`config.fast` of two more sizes of the fast network: 0.27 and 1.45 billion multiply-adds a face; `settings.default` has 0.57."""

VARIANTS = (*settings.NETWORKS, *FAST_SIZES)  # what `set_network` takes


def of_file(name):
    """The config of a config file, with a variant after a colon: 'configs/x8.py:gln4'. Raises InputError."""
    path, _, variant = name.partition(':')
    try:
        return runpy.run_path(path)['get_config'](variant)
    except (OSError, KeyError, SyntaxError, ImportError) as error:
        raise errors.InputError(f'{path}: not a config file ({error!r}); name one as configs/x8.py:gln4') from error


def with_variant(config, variant):
    """`config` as the word after a config file's colon changes it: another network, 'paper', or both ('gln4,paper').

    'paper' is the paper's recipe (section 4): plain SGD with momentum, batch 5, 10,000 cycles, no augmentation, no EMA.
    Raises InputError for an unknown variant.
    """
    known = [*VARIANTS, 'paper']
    for word in filter(None, variant.split(',')):
        if word not in known:
            raise errors.InputError(f'variant {word!r} is not known; choose of {", ".join(known)}')
        if word == config.network:
            continue
        config.name = f'{config.name}_{word}'.replace('fast_fast', 'fast')
        if word == 'paper':
            _follow_the_paper(config)
        else:
            set_network(config, word)
    return config


def set_network(config, name):
    """Makes the network of `config` the one that a name of VARIANTS says."""
    config.network = 'fast' if name in FAST_SIZES else name
    config.fast.update(FAST_SIZES.get(name, {}))


def _follow_the_paper(config):
    config.optimizer.update(name='sgd', learning_rate=1e-8, warmup_steps=0, final_learning_rate_share=1.0,
                            momentum=0.9, average_decay=0.0)
    config.optimizer.clip_norm = 1e5  # the paper names none; without one this rate diverges
    config.augmentation.update(flip=False, scale=0.0, shift=0.0, roll=0.0, gamma=0.0, contrast=0.0)
    config.reconstruction.batch_size = config.adversarial.batch_size = 5
    config.reconstruction.loss = 'squared'
    config.adversarial.update(turns=10_000, discriminator='paper', discriminator_steps=10, generator_steps=50, weight='auto',
                              generator_learning_rate=1e-8, discriminator_learning_rate=1e-2)  # it names no rates here
