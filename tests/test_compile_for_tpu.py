"""What the compiler of TPUs makes of training's steps, on a machine without one.

It is installed in a virtual environment of its own, whose Python GLN_TPU_PYTHON names: `.ci/run` makes one.
"""

import importlib.util
import json
import os
import pathlib
import subprocess

import jax
import pytest

from gln_jax.models import factory
from gln_jax.training import steps
from tools import compile_for_tpu, compiled_text
from configs import x8

TPU_PYTHON = os.environ.get('GLN_TPU_PYTHON')
V5E = compile_for_tpu.CHIPS['v5e']

COMPILED = ('reconstruction', 'generator')  # a step of each stage; the discriminator's takes as long again

TEXT = '''HloModule jit_step, input_output_alias={ {0}: (0, {}, may-alias), {1}: (2, {}, must-alias) }, entry={}

%fused (p0: bf16[4,16], p1: bf16[16,64]) -> bf16[4,64] {
  %p0 = bf16[4,16]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  %p1 = bf16[16,64]{1,0:T(8,128)(2,1)} parameter(1)
  ROOT %product = bf16[4,64]{1,0:T(8,128)(2,1)} convolution(%p0, %p1), dim_labels=bf_io->bf, metadata={op_name="dense"}
}

ENTRY %main (a: bf16[4,16], b: bf16[16,64]) -> f32[64] {
  %a = bf16[4,16]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  %b = bf16[16,64]{1,0:T(8,128)(2,1)} parameter(1)
  %fusion = bf16[4,64]{1,0:T(8,128)(2,1)} fusion(%a, %b), calls=%fused, backend_config={"estimated_cycles":"300"}
  %c = f32[4,8,8,1]{3,2,1,0} parameter(2)
  %d = f32[3,3,1,1]{3,2,1,0} parameter(3)
  %blur = f32[4,8,8,1]{3,2,1,0} convolution(%c, %d), window={size=3x3}, dim_labels=b01f_01io->b01f
  %all-reduce.1 = (f32[64]{0}, f32[2,3]{1,0}) all-reduce(%e, %f), replica_groups={}
  %part = f32[64]{0} get-tuple-element(%all-reduce.1), index=0, backend_config={"estimated_cycles":"20"}
}
'''


def test_a_compiled_text_is_read():
    assert compiled_text.matrix_work(TEXT) == [
        (2 * 4 * 16 * 64, ('bf16', 'bf16'), 'dense'), (2 * 4 * 8 * 8 * 9, ('f32', 'f32'), '%blur')]
    assert compiled_text.all_reduces(TEXT) == [(2, 4 * (64 + 6))]
    assert compiled_text.given_up(TEXT) == 2
    assert compiled_text.estimated_cycles(TEXT) == 320
    blurred, kernel, sums = 2 * 4 * 4 * 8 * 8, 4 * 9, 4 * (64 + 6)
    assert compiled_text.hbm_bytes(TEXT) == 2 * (16 * 64 + 4 * 64) + blurred + kernel + sums, 'but not what is S(1)'


@pytest.mark.parametrize('arguments, message', [
    (['configs/x8.py', '--topologies=v9:2x2'], "--topologies: 'v9:2x2' is not known"),
    (['configs/x8.py', '--steps=third'], "--steps: 'third' is not known"),
    (['configs/x8.py', '--faces-per-chip=0'], '--faces-per-chip: must be above 0'),
    (['configs/x9.py'], 'configs/x9.py: not a config file'),
    (['README.md'], 'README.md: not a config file'),
    (['configs/x8.py:gln5'], "variant 'gln5' is not known"),
    (['configs/x8.py', '--columns-at-once=3'], '--columns-at-once: must divide 128 columns, is 3'),
    (['configs/x8.py', '--output=README.md'], '--output: README.md holds something else'),
])
def test_what_cannot_be_compiled_is_said_in_one_line(arguments, message, command):
    code, _, told = command(compile_for_tpu.main, *arguments)
    assert code == 2 and message in told and told.count('\n') == 1


@pytest.mark.skipif(bool(importlib.util.find_spec('libtpu')), reason='libtpu is installed')
def test_without_libtpu_it_says_what_to_install(command):
    code, _, told = command(compile_for_tpu.main, 'configs/x8.py:gln4')
    assert code == 2 and told == ('error: libtpu, the compiler for TPUs, is not installed: pip install "jax[tpu]", best in '
                                  'a virtual environment of its own\n')


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
    """{step: row} of GLN4 at 8x on eight v5e chips; each step is compiled by a process of its own, all at once."""
    if not TPU_PYTHON:
        pytest.skip('GLN_TPU_PYTHON names no Python with libtpu')
    folder = tmp_path_factory.mktemp('tpu')
    unlike_here = 'JAX_COMPILATION_CACHE_DIR', 'JAX_DISABLE_MOST_OPTIMIZATIONS'
    environment = {name: value for name, value in os.environ.items() if name not in unlike_here}
    started = [subprocess.Popen(
        [TPU_PYTHON, '-m', 'tools.compile_for_tpu', 'configs/x8.py:gln4', '--topologies=v5e:2x4', f'--steps={phase}',
         f'--output={folder / phase}.json'], cwd=pathlib.Path(__file__).parent.parent, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for phase in COMPILED]
    for process in started:
        told, _ = process.communicate()
        assert process.returncode == 0, told
    return {phase: json.loads((folder / f'{phase}.json').read_text())[0] for phase in COMPILED}


each_step = pytest.mark.parametrize('phase', COMPILED)


@each_step
def test_it_fits_the_chip_with_room(rows, phase):
    row = rows[phase]
    assert row['chips'] == 8 and row['faces_per_chip'] == 16
    assert row['state_bytes'] < row['arguments'] + row['temporary'] < V5E.memory / 2
    assert compile_for_tpu.memory_used(row) < V5E.memory / 2


@each_step
def test_matrix_work_is_in_bfloat16(rows, phase):
    """But for the degradation, which makes the training images, in float32, and is a ten-thousandth of it."""
    assert rows[phase]['bfloat16_share'] > 0.999
    assert all('yh,...hwc,xw->...yxc' in source for source in rows[phase]['other_matrix_work'])
    assert rows[phase]['matrix_operations'] == pytest.approx(rows[phase]['operations'], rel=0.05)


@each_step
def test_gradients_are_summed_all_at_once(rows, phase):
    """In stage 2, two losses are summed before, to find lambda with."""
    state = jax.eval_shape(lambda: steps.create_state(x8.get_config('gln4')))
    *small, (count, size) = sorted(rows[phase]['sums'], key=lambda sum_: sum_[1])
    assert count >= len(jax.tree.leaves(state.generator)) and size >= 4 * factory.parameter_count(state.generator)
    assert len(small) <= 1 and sum(size for _, size in small) <= 8


@each_step
def test_the_states_buffers_are_given_up(rows, phase):
    row = rows[phase]
    assert row['state_buffers_given_up'] == row['state_buffers'] > 50
    assert row['results_in_arguments'] >= row['state_bytes']
    assert row['results'] - row['results_in_arguments'] < 100_000, 'the metrics'


def test_the_roofline_is_the_slower_of_arithmetic_and_memory():
    row = {'topology': 'v5e:2x4', 'operations': V5E.peak, 'hbm_bytes': V5E.bandwidth / 2}
    assert compile_for_tpu.roofline(row) == (1.0, False)
    assert compile_for_tpu.roofline(row | {'hbm_bytes': 3 * V5E.bandwidth}) == (3.0, True)
    assert V5E.clock == pytest.approx(1.5e9, rel=0.01)
