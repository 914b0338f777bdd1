"""Measures how fast the networks restore and train on the device that is there, beside what it can do at best.

    python -m benchmarks.speed
    python -m benchmarks.speed --networks=fast,gln4 --scales=4,8 --batch-sizes=1,16 --dtypes=float32,bfloat16
    python -m benchmarks.speed --networks=gln8,gln6,gln4,ln_only --forms=direct,fourier --json=speed.json

The ceiling is the rate of a large matrix product in the same number format, on all devices, measured first. A network's
share of it counts the multiply-adds of the direct form of its convolutions in the forward pass, and three times as many for
a training step, which is train.py's: in the Fourier form, which takes fewer, it may pass 100 %. On CPUs, each core is a
device for both (unless XLA_FLAGS says how many there are).
Each figure is the best of several repetitions, of all forms one after the other: on a machine that does other work too, take ratios from
one run and no absolute times. Memory and the time of compiling are a training step's; memory is what it needs beside its state. At the
end, a process of its own takes the first network's first training step from a cold start: without compiled programs from
before, then with them.
"""

import argparse
import functools
import itertools
import json
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

from configs import variants
from gln_jax import images
from gln_jax import config as settings
from gln_jax.evaluation import scoring
from gln_jax.models import convolutions, factory
from gln_jax.runtime import command_line, compilation, devices, errors, files, precision
from gln_jax.training import optimizers, steps

DTYPES = 'float32', 'bfloat16'
MATRIX_SIZE = 2048
TRAINING_PER_FORWARD = 3  # a backward pass computes as much again for the inputs and for the weights


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        devices.a_device_per_core(*options.batch_sizes)
        dtypes = options.dtypes or (['float32'] if jax.default_backend() == 'cpu' else ['bfloat16', 'float32'])
        configs = [_config(*chosen) for chosen in itertools.product(
            options.networks, options.scales, dtypes, options.batch_sizes)]
        if options.first_step:
            _take_first_step(configs[0], options.first_step)
            return
        for config in configs:
            devices.check_batch_size(config.reconstruction.batch_size, '--batch-sizes')
        print(f'{jax.device_count()} x {jax.devices()[0].device_kind}, jax {jax.__version__}')
        ceilings = {dtype: matrix_product_rate(dtype) for dtype in dtypes}
        for dtype, ceiling in ceilings.items():
            print(f'matrix product of {MATRIX_SIZE}x{MATRIX_SIZE} in {dtype}: {ceiling / 1e9:,.0f} GFLOP/s')
        print(f'{"network":>10} {"scale":>5} {"dtype":>8} {"batch":>5} {"form":>7} {"GMAC/face":>9} {"parameters":>10} '
              f'{"restores/s":>10} {"ceiling":>7} {"trains/s":>8} {"ceiling":>7} {"memory":>8} {"compiling":>9}')
        rows = []
        for config in configs:
            rows += _rows(config, options.forms, ceilings[config.compute_dtype])
            if options.json:
                files.write(files.path(options.json), json.dumps(rows, indent=2) + '\n')
        cold, warm = _cold_starts(options, dtypes[0])
        print(f'first training step of {options.networks[0]} after a cold start: {cold:.1f} s; '
              f'with compiled programs kept from before: {warm:.1f} s')


def matrix_product_rate(dtype='float32'):
    """Multiplications and additions per second of a matrix product, in all bits of `dtype`, on all devices of this host.

    It is measured on the first of them: accelerators do as much each, and the cores of a CPU share the work of one.
    """
    matrix = jnp.ones((MATRIX_SIZE, MATRIX_SIZE), dtype)
    product = jax.jit(functools.partial(jnp.matmul, precision=precision.bits(dtype)))
    count = 1 if jax.default_backend() == 'cpu' else jax.local_device_count()
    return count * 2 * MATRIX_SIZE**3 / scoring.seconds(lambda: product(matrix, matrix))


def multiply_adds(config):
    """Multiplications with an addition that restoring one face takes in the direct form, as XLA counts them."""
    state = jax.eval_shape(lambda: steps.create_state(config))
    lr = images.degrade(jnp.zeros((1, config.face_size, config.face_size, 1)), config.scale, config.degradation)
    with convolutions.traced_in('direct'):
        restore = jax.jit(factory.generator(config).apply).lower({'params': state.generator}, lr)
    return restore.cost_analysis()['flops'] / 2


def _config(network, scale, dtype, batch_size):
    config = settings.default()
    config.name, config.scale, config.compute_dtype = network, scale, dtype
    variants.set_network(config, network)
    config.reconstruction.batch_size = batch_size
    config.adversarial.turns = 0
    settings.check(config)
    return config


def _rows(config, forms, ceiling):
    """A row for each form, printed and as a dictionary."""
    operations, batch_size = 2 * multiply_adds(config), config.reconstruction.batch_size
    measured = {form: _Measured(config, form) for form in forms}
    began, rounds = time.perf_counter(), 0
    while rounds < 2 or time.perf_counter() - began < len(forms) * scoring.SECONDS_EACH:
        for one in measured.values():
            one.again()
        rounds += 1
    rows = []
    for form, one in measured.items():
        restored, trained = batch_size / one.restore_seconds, batch_size / one.train_seconds
        rows.append({
            'network': config.name, 'scale': config.scale, 'dtype': config.compute_dtype, 'batch_size': batch_size, 'form': form,
            'restores_per_second': restored, 'restores_of_ceiling': restored * operations / ceiling,
            'trains_per_second': trained, 'trains_of_ceiling': TRAINING_PER_FORWARD * trained * operations / ceiling,
            'memory_bytes': one.memory, 'compile_seconds': one.compiling, 'multiply_adds': operations / 2,
            'parameters': one.parameters})
        print('{network:>10} {scale:>5} {dtype:>8} {batch_size:>5} {form:>7} {:>9.2f} {parameters:>10,} '
              '{restores_per_second:>10.1f} {restores_of_ceiling:>7.0%} {trains_per_second:>8.1f} {trains_of_ceiling:>7.0%} '
              '{:>4,.0f} MiB {compile_seconds:>7.1f} s'.format(operations / 2e9, one.memory / 2**20, **rows[-1]), flush=True)
    return rows


class _Measured:
    """A network that restores and trains in one form of its convolutions, and the best times of both."""

    def __init__(self, config, form):
        self.state, self.batch = devices.placed(_first_state(config)), _faces(config)
        self.generator = jax.device_get(self.state.generator)
        self.parameters = factory.parameter_count(self.generator)
        self.lr = images.degrade(jnp.asarray(self.batch, jnp.float32) / 255, config.scale, config.degradation)
        self.restore = devices.over_devices(precision.applied(factory.generator(config), precision.of(config)))
        self.restore_seconds = self.train_seconds = np.inf
        with convolutions.traced_in(form):
            began = time.perf_counter()
            self.train = _training_update(config).lower(self.state, devices.split(self.batch)).compile()
            self.compiling = time.perf_counter() - began
            self.memory = self.train.memory_analysis().temp_size_in_bytes
            self.restore(self.generator, self.lr)

    def again(self):
        began = time.perf_counter()
        self.restore(self.generator, self.lr)
        restored = time.perf_counter()
        self.state, _ = jax.block_until_ready(self.train(self.state, devices.split(self.batch)))
        self.restore_seconds = min(self.restore_seconds, restored - began)
        self.train_seconds = min(self.train_seconds, time.perf_counter() - restored)


def _faces(config):
    shape = (config.reconstruction.batch_size, config.face_size, config.face_size, 1)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _first_state(config):
    return jax.jit(lambda: steps.create_state(config))()


def _training_update(config):
    return devices.mapped(steps.generator_update(config, optimizers.reconstruction_optimizer(config), adversarial=False))


def _cold_starts(options, dtype):
    """Seconds from the start of a process to the end of its first training step: the first time, and the second."""
    with tempfile.TemporaryDirectory(prefix='gln_jax_') as cache:
        command = [sys.executable, '-m', 'benchmarks.speed', f'--first-step={cache}', f'--networks={options.networks[0]}',
                   f'--scales={options.scales[0]}', f'--batch-sizes={options.batch_sizes[0]}',
                   f'--dtypes={dtype}']
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run(command, check=True)
            seconds.append(time.perf_counter() - began)
    return seconds


def _take_first_step(config, cache):
    compilation.keep(cache)
    state = devices.placed(_first_state(config))
    jax.block_until_ready(_training_update(config)(state, devices.split(_faces(config))))


def _parser():
    parser = command_line.parser('benchmarks.speed', __doc__)
    words, numbers = lambda text: text.split(','), lambda text: [int(number) for number in text.split(',')]
    parser.add_argument('--networks', type=words, default=['fast', 'gln4', 'gln8'], metavar='NAME[,NAME...]',
                        help=f'of {", ".join(variants.VARIANTS)} (default: fast,gln4,gln8)')
    parser.add_argument('--scales', type=numbers, default=[8, 4], metavar='N[,N...]', help='4, 8 or both (default: 8,4)')
    parser.add_argument('--batch-sizes', type=numbers, default=[16], metavar='N[,N...]', help='(default: 16)')
    parser.add_argument('--dtypes', type=_one_of(DTYPES), metavar='NAME[,NAME...]',
                        help='float32, bfloat16 or both (default: both, but float32 alone on a CPU)')
    parser.add_argument('--forms', type=_one_of(convolutions.FORMS), default=['fourier'], metavar='NAME[,NAME...]',
                        help='of convolutions: direct; fourier, for layers that it makes faster, or both (default: fourier)')
    parser.add_argument('--json', metavar='FILE', help='writes all rows here, too')
    parser.add_argument('--first-step', metavar='DIR', help=argparse.SUPPRESS)  # what _cold_starts calls
    return parser


def _one_of(known):
    def names(text):
        unknown = [name for name in text.split(',') if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f'{unknown[0]!r} is none of {", ".join(known)}')
        return text.split(',')
    return names


if __name__ == '__main__':
    main()
