"""Compiles the steps of training for TPUs that need not be there, and reports what the compiler says of them.

    python -m tools.compile_for_tpu configs/x8.py:gln4 configs/x8.py --topologies=v5e:2x4,v4:2x2x1 --output=tpu.json

It takes `libtpu`, the compiler of TPUs (`pip install "jax[tpu]"`, best in a virtual environment of its own, as JAX then
looks for a TPU at every start), and compiles the very steps that train.py maps over the chips, in bfloat16, at the
config's own global batch or another. Nothing is run. A row is for one step on one chip:

GFLOP       multiplications and additions, as the compiler counts them, without what it pads
HBM         bytes that the compiled schedule reads from the chip's memory and writes to it, at most
memory      arguments, results, temporary arrays and the program, of the chip's memory
bf16        share of the matrix work (multiplications and additions) with both operands in bfloat16
sums        sums over the chips: how many, of how many bytes
roofline    the least time, from the chip's published peak, or, with an H, from its memory's bandwidth
cycles      the time by the compiler's own estimates of each instruction's clock cycles; sums over chips not included
faces/s     on the whole slice, by the roofline and by the cycles: what would be the limit, and what to expect
"""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import time

import jax
from jax.experimental import topologies
import numpy as np

from configs import variants
from gln_jax import images
from gln_jax import config as settings
from gln_jax.models import layers
from gln_jax.runtime import command_line, errors, files, provenance
from gln_jax.training import run, schedule, steps
from tools import compiled_text

PHASES = (schedule.RECONSTRUCTION, schedule.GENERATOR, schedule.DISCRIMINATOR)


@dataclasses.dataclass(frozen=True)
class Chip:
    """What Google publishes of a chip: docs.cloud.google.com/tpu/docs/v4, v5e, v5p and v6e, read in November 2026."""

    peak: float  # multiplications and additions per second, in bfloat16
    memory: float  # bytes of HBM
    bandwidth: float  # bytes per second, between HBM and the chip
    matrix_units: int = 0  # of 128x128 multiply-adds a clock cycle; 0: the numbers published do not give the clock

    @property
    def clock(self):
        """Cycles per second at which the matrix units together reach the peak; None where that is not known."""
        return self.peak / (self.matrix_units * 2 * 128**2) if self.matrix_units else None


CHIPS = {
    'v4': Chip(275e12, 32e9, 1200e9, matrix_units=8),
    'v5e': Chip(197e12, 16e9, 819e9, matrix_units=4),
    'v5p': Chip(459e12, 95e9, 2765e9, matrix_units=8),
    'v6e': Chip(918e12, 32e9, 1638e9),
}

SLICES = {'v4': ('v4-32', 16), 'v5e': ('v5e-8', 8), 'v5p': ('v5p-8', 4), 'v6e': ('v6e-8', 8)}
"""The slice of each kind that the table counts faces/s for, and its chips."""

TOPOLOGIES = ('v5e:2x4', 'v4:2x2x1', 'v5p:2x2x1', 'v6e:2x4')


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        _be_quiet()
        _check(options)
        configs = {name: _as_on_tpu(variants.of_file(name)) for name in options.configs}
        kept = _kept(options.output)
        chips = {topology: _topology(topology) for topology in options.topologies}
        versions = {name: importlib.metadata.version(name) for name in ('jax', 'libtpu')}
        print(', '.join(f'{name} {version}' for name, version in versions.items()))
        print(_HEADER, flush=True)
        for topology, topology_ in chips.items():
            for name, config in configs.items():
                for phase in options.steps:
                    key = {'config': name, 'settings': _digest(config), 'commit': provenance.commit(),
                           'columns_at_once': options.columns_at_once, 'step': phase, 'topology': topology,
                           'chips': len(topology_.devices),
                           'faces_per_chip': _faces_per_chip(options, config, phase, topology_), **versions}
                    row = next((row for row in kept if key.items() <= row.items()), None)
                    if row is None:
                        with layers.columns_at_once(options.columns_at_once):
                            text, numbers = compiled(config, phase, topology_.devices, key['faces_per_chip'])
                        row = {**key, **numbers}
                        kept.append(row)
                        if options.texts:
                            files.write(pathlib.Path(options.texts) / _text_name(row), text)
                        if options.output:
                            files.write(options.output, json.dumps(kept, indent=1) + '\n')
                    print(_line(row), flush=True)


def compiled(config, phase, devices, faces_per_chip):
    """Compiles one step of training and reads what the compiler made of it.

    Args:
        config: the run's settings, as a TPU's own JAX would take them: see `_as_on_tpu`.
        phase: one of PHASES.
        devices: a topology's.
        faces_per_chip: each chip's share of a batch.
    Returns:
        The compiled program's text, and a dict of numbers for one chip, in bytes, seconds and operations.
    """
    hr = jax.ShapeDtypeStruct((len(devices), faces_per_chip, images.FACE_SIZE, images.FACE_SIZE, 1), np.uint8)
    began = time.perf_counter()
    state = jax.eval_shape(lambda: _state(config, phase))
    program = run.mapped_updates(config, devices)[phase].lower(state, hr).compile()
    seconds = time.perf_counter() - began
    text, memory, cost = program.as_text(), program.memory_analysis(), program.cost_analysis()
    matrix_work = compiled_text.matrix_work(text)
    in_bfloat16 = [operations for operations, dtypes, _ in matrix_work if set(dtypes) == {'bf16'}]
    return text, {
        'seconds_to_compile': round(seconds, 1),
        'operations': cost['flops'],
        'matrix_operations': sum(operations for operations, _, _ in matrix_work),
        'bfloat16_share': sum(in_bfloat16) / sum(operations for operations, _, _ in matrix_work),
        'other_matrix_work': sorted({source for _, dtypes, source in matrix_work if set(dtypes) != {'bf16'}}),
        'bytes_accessed': cost['bytes accessed'],
        'hbm_bytes': compiled_text.hbm_bytes(text),
        'cycles': compiled_text.estimated_cycles(text),
        'sums': compiled_text.all_reduces(text),
        'state_buffers': len(jax.tree.leaves(state)),
        'state_buffers_given_up': compiled_text.given_up(text),
        'state_bytes': sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)),
        'arguments': memory.argument_size_in_bytes,
        'results': memory.output_size_in_bytes,
        'results_in_arguments': memory.alias_size_in_bytes,
        'temporary': memory.temp_size_in_bytes,
        'program': memory.generated_code_size_in_bytes,
    }


def memory_used(row):
    """Bytes of a chip's memory while the step runs."""
    return row['arguments'] + row['results'] - row['results_in_arguments'] + row['temporary'] + row['program']


def roofline(row):
    """(Seconds that a step takes at least, whether memory sets them) on the chip of `row`."""
    chip = CHIPS[row['topology'].partition(':')[0]]
    arithmetic, memory = row['operations'] / chip.peak, row['hbm_bytes'] / chip.bandwidth
    return max(arithmetic, memory), memory > arithmetic


def _state(config, phase):
    state = steps.create_state(config)
    return state if phase == schedule.RECONSTRUCTION else steps.begin_adversarial(config, state)


def _check(options):
    for phase in options.steps:
        if phase not in PHASES:
            raise errors.InputError(f'--steps: {phase!r} is not known; choose of {", ".join(PHASES)}')
    if options.faces_per_chip is not None and options.faces_per_chip < 1:
        raise errors.InputError(f'--faces-per-chip: must be above 0, is {options.faces_per_chip}')
    if options.columns_at_once < 1 or images.FACE_SIZE % options.columns_at_once:
        raise errors.InputError(f'--columns-at-once: must divide {images.FACE_SIZE} columns, is {options.columns_at_once}')


def _be_quiet():
    """JAX computes on the CPU; libtpu neither looks for chips nor asks the cloud which it has."""
    jax.config.update('jax_platforms', 'cpu')
    for name, value in {'TPU_SKIP_MDS_QUERY': '1', 'TPU_WORKER_HOSTNAMES': 'localhost', 'TPU_WORKER_ID': '0',
                        'TPU_ACCELERATOR_TYPE': 'v5litepod-8', 'ALLOW_MULTIPLE_LIBTPU_LOAD': '1'}.items():
        os.environ.setdefault(name, value)


def _topology(name):
    if name.partition(':')[0] not in CHIPS:
        raise errors.InputError(f'--topologies: {name!r} is not known; choose of {", ".join(TOPOLOGIES)}')
    if not importlib.util.find_spec('libtpu'):
        raise errors.InputError('libtpu, the compiler for TPUs, is not installed: pip install "jax[tpu]", best in a '
                                'virtual environment of its own')
    # Two cores of a v4 are one device on TPU VMs, which libtpu calls megacore; by itself it describes them apart.
    options = {'chip_config_name': 'megacore'} if name.startswith('v4:') else {}
    try:
        return topologies.get_topology_desc(platform='tpu', topology_name=name, **options)
    except Exception as error:  # libtpu names no class of its own
        raise errors.InputError(f'--topologies: libtpu knows no {name!r} ({error})') from error


def _as_on_tpu(config):
    """The config with what 'auto' means on a TPU; here the backend is the CPU."""
    config.compute_dtype = 'bfloat16'
    settings.check(config)
    return config


def _faces_per_chip(options, config, phase, topology):
    if options.faces_per_chip is not None:
        return options.faces_per_chip
    batch_size = (config.reconstruction if phase == schedule.RECONSTRUCTION else config.adversarial).batch_size
    if batch_size % len(topology.devices):
        raise errors.InputError(f'configs: a batch of {batch_size} cannot be split over {len(topology.devices)} chips; '
                                'give --faces-per-chip')
    return batch_size // len(topology.devices)


def _digest(config):
    """A short name for the settings: a config file that was changed is another config, whatever it is called."""
    return hashlib.sha256(settings.to_json(config).encode()).hexdigest()[:12]


def _kept(output):
    path = output and pathlib.Path(output)
    try:
        rows = json.loads(path.read_text()) if path and path.exists() else []
    except ValueError:
        rows = None
    if not isinstance(rows, list):
        raise errors.InputError(f'--output: {path} holds something else; name another file')
    return rows


def _text_name(row):
    words = '-'.join(str(row[name]) for name in ('config', 'columns_at_once', 'step', 'topology', 'faces_per_chip'))
    return re.sub(r'[^\w.]+', '-', words) + '.txt'


_HEADER = (f'{"config":<20} {"step":<14} {"topology":<9} {"faces":>5} {"compiling":>9} {"GFLOP":>8} {"HBM":>8} '
           f'{"memory":>14} {"bf16":>6} {"sums":>10} {"roofline":>10} {"cycles":>9} {"slice":>6} {"faces/s":>17}')


def _line(row):
    kind = row['topology'].partition(':')[0]
    chip, (slice_, chips) = CHIPS[kind], SLICES[kind]
    used, (least, is_memory) = memory_used(row), roofline(row)
    expected = row['cycles'] / chip.clock if chip.clock else None
    faces = chips * row['faces_per_chip']
    memory = f'{used / 1e9:.2f} GB {used / chip.memory:4.0%}'
    sums = f'{len(row["sums"])}, {sum(size for _, size in row["sums"]) / 1e6:.0f} MB'
    rates = f'{faces / least:,.0f}, {f"{faces / expected:,.0f}" if expected else "-"}'
    return (f'{row["config"]:<20} {row["step"]:<14} {row["topology"]:<9} {row["faces_per_chip"]:>5} '
            f'{row["seconds_to_compile"]:>7.0f} s {row["operations"] / 1e9:>8.1f} {row["hbm_bytes"] / 1e9:>5.2f} GB '
            f'{memory:>14} {row["bfloat16_share"]:>6.1%} {sums:>10} {least * 1e3:>6.2f} ms{"H" if is_memory else " "} '
            f'{f"{expected * 1e3:.2f} ms" if expected else "-":>9} {slice_:>6} {rates:>17}')


def _parser():
    parser = command_line.parser('tools.compile_for_tpu', __doc__)
    names = lambda text: text.split(',')
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='as for train.py: configs/x8.py:gln4, say')
    parser.add_argument('--topologies', type=names, default=list(TOPOLOGIES), metavar='NAME,...',
                        help=f'chips and their arrangement, of libtpu; default: {",".join(TOPOLOGIES)}')
    parser.add_argument('--steps', type=names, default=list(PHASES), metavar='NAME,...',
                        help=f'of {", ".join(PHASES)} (the first is stage 1, the others stage 2); default: all')
    parser.add_argument('--faces-per-chip', type=int, metavar='N', help="default: the config's batch over all chips")
    parser.add_argument('--columns-at-once', type=int, default=layers.COLUMNS_AT_ONCE_ON_TPU, metavar='N',
                        help="that a local network's convolutions take as one; default: %(default)s")
    parser.add_argument('--output', type=command_line.path, metavar='FILE',
                        help='rows as JSON, kept after each; those that it has already are not '
                        'made again (remove it after a change to the networks)')
    parser.add_argument('--texts', type=command_line.path, metavar='FOLDER', help="also keep the compiled programs' texts")
    return parser


if __name__ == '__main__':
    main()
