"""Measures how fast the networks restore and train on the device that is there, beside what it can do at best.

    python -m gln_jax.speed
    python -m gln_jax.speed --networks=fast,gln4 --scales=4,8 --batch-sizes=1,16

The ceiling is the rate of a large matrix product in float32, measured first. A network's share of it counts the
multiplications and additions that XLA finds in the forward pass, and three times as many for a training step. Each
figure is the best of several repetitions: on a machine that does other work too, take ratios from one run and no
absolute times.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import config as settings
from gln_jax import errors, images, networks, parallel, steps

MATRIX_SIZE = 2048
SECONDS_EACH = 3.0  # of repetitions, and at least two of them
TRAINING_PER_FORWARD = 3  # a backward pass computes as much again for the inputs and for the weights


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        device = jax.devices()[0]
        ceiling = matrix_product_rate()
        print(f'{jax.device_count()} x {device.device_kind}, jax {jax.__version__}; '
              f'matrix product of {MATRIX_SIZE}x{MATRIX_SIZE} in float32: {ceiling / 1e9:.0f} GFLOP/s')
        print(f'{"network":>8} {"scale":>5} {"batch":>5} {"GMAC/face":>9} {"parameters":>10} '
              f'{"restores/s":>10} {"ceiling":>7} {"trains/s":>8} {"ceiling":>7} {"compiling":>9}')
        for network in options.networks:
            for scale in options.scales:
                for batch_size in options.batch_sizes:
                    print(_row(network, scale, batch_size, ceiling), flush=True)


def matrix_product_rate():
    """Multiplications and additions per second of a matrix product, on the first device."""
    matrix = jnp.ones((MATRIX_SIZE, MATRIX_SIZE))
    product = jax.jit(jnp.matmul)
    return 2 * MATRIX_SIZE**3 / _seconds(lambda: product(matrix, matrix))


def _row(network, scale, batch_size, ceiling):
    config = settings.default()
    config.network, config.scale, config.reconstruction.batch_size = network, scale, batch_size
    settings.check(config)
    parallel.check_batch_size(batch_size, '--batch-sizes')
    began = time.perf_counter()
    state = steps.create_state(config)
    hr = np.random.default_rng(0).integers(0, 256, (batch_size, images.FACE_SIZE, images.FACE_SIZE, 1), np.uint8)
    lr = images.degrade(jnp.asarray(hr, jnp.float32) / 255, scale, config.degradation)
    restore = jax.jit(networks.generator(config).apply).lower({'params': state.generator}, lr).compile()
    compiling = time.perf_counter() - began
    operations = restore.cost_analysis()['flops'] / batch_size
    parameters = networks.parameter_count(state.generator)
    restored = batch_size / _seconds(lambda: restore({'params': state.generator}, lr))
    trained = batch_size / _training_seconds(config, state, hr)
    return (f'{network:>8} {scale:>5} {batch_size:>5} {operations / 2e9:>9.2f} {parameters:>10,} '
            f'{restored:>10.1f} {restored * operations / ceiling:>7.0%} '
            f'{trained:>8.1f} {TRAINING_PER_FORWARD * trained * operations / ceiling:>7.0%} {compiling:>7.1f} s')


def _training_seconds(config, state, hr):
    update = parallel.mapped(steps.generator_update(config, steps.reconstruction_optimizer(config), adversarial=False))

    def step():
        nonlocal state
        state, metrics = update(state, parallel.split(hr))
        return metrics

    return _seconds(step)


def _seconds(function):
    """Seconds that `function` takes at best, after a first call, which compiles."""
    jax.block_until_ready(function())
    best, began, repetitions = np.inf, time.perf_counter(), 0
    while repetitions < 2 or time.perf_counter() - began < SECONDS_EACH:
        start = time.perf_counter()
        jax.block_until_ready(function())
        best, repetitions = min(best, time.perf_counter() - start), repetitions + 1
    return best


def _parser():
    parser = argparse.ArgumentParser(prog='python -m gln_jax.speed', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    words, numbers = lambda text: text.split(','), lambda text: [int(number) for number in text.split(',')]
    parser.add_argument('--networks', type=words, default=['fast', 'gln4', 'gln8'], metavar='NAME[,NAME...]',
                        help=f'of {", ".join(settings.NETWORKS)} (default: fast,gln4,gln8)')
    parser.add_argument('--scales', type=numbers, default=[8], metavar='N[,N...]', help='4, 8 or both (default: 8)')
    parser.add_argument('--batch-sizes', type=numbers, default=[16], metavar='N[,N...]', help='(default: 16)')
    return parser


if __name__ == '__main__':
    main()
