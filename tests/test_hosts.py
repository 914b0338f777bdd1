"""Training on two hosts, played by two processes of two CPU devices each that meet on loopback."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import pytest

from gln_jax import config as settings
from gln_jax.runtime import hosts, supervision
from gln_jax.training import checkpoints
from made_up import state_shape

ROOT = pathlib.Path(__file__).parent.parent
RECONSTRUCTION_STEPS, TOTAL_STEPS = 10, 10 + 10


@pytest.fixture(scope='module')
def config():
    """Plain SGD: Adam would hide a gradient of the wrong size."""
    config = settings.default()
    config.network, config.face_size = 'gn_only', 32
    config.optimizer.update(name='sgd', learning_rate=1e-8, average_decay=0.5)
    config.reconstruction.update(steps=RECONSTRUCTION_STEPS, batch_size=4)
    config.adversarial.update(turns=1, discriminator_steps=4, generator_steps=6, batch_size=4, weight='1e6',
                              generator_learning_rate=1e-9, discriminator_learning_rate=1e-4)
    config.validation.faces = 4
    config.checkpoint.update(every_steps=5, keep=9)
    config.log.update(every_seconds=0.1, pictures_every_steps=10)
    return config


@pytest.fixture(scope='module')
def start(drawn_faces, config):
    """Starts train.py: start(workdir) alone on one device, start(workdir, 0, port) as a host of two."""
    def start(workdir, process=None, port=None, *more):
        default = settings.default()
        arguments = [f'--config.{room}.{name}={value}' for room, names in config.items() if hasattr(names, 'items')
                     for name, value in names.items() if value != default[room][name]]
        arguments += [f'--config.data.directory={drawn_faces}', f'--workdir={workdir}', '--noscore', *more]
        if process is not None:
            arguments += [f'--coordinator=localhost:{port}', '--num_processes=2', f'--process_id={process}']
        flags = f'--xla_force_host_platform_device_count={1 if process is None else 2}'
        return subprocess.Popen([sys.executable, 'train.py', '--config=configs/x8.py:gn_only', '--config.face_size=32', *arguments], cwd=ROOT,
                                env=os.environ | {'XLA_FLAGS': flags}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)
    return start


@pytest.fixture(scope='module')
def start_both(start):
    def start_both(workdir, *more):
        port = free_port()
        return [start(workdir, process, port, *more) for process in (0, 1)]
    return start_both


def free_port():
    with socket.socket() as probe:
        probe.bind(('localhost', 0))
        return probe.getsockname()[1]


def finish(*processes):
    """[(exit code, stdout, stderr)] of processes that are about to end."""
    ends = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        ends.append((process.returncode, out, err))
    return ends


def wait_until(happens, *processes):
    while not happens():
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def has_step(workdir, step):
    return (workdir / checkpoints.LATEST / str(step)).is_dir()


def state_in(workdir, config, step=TOTAL_STEPS):
    return jax.device_get(checkpoints.load_state(workdir / checkpoints.LATEST / str(step), state_shape(config)))


def up_to(workdir, step, copy):
    """A copy of a run as if it had ended after `step`."""
    shutil.copytree(workdir, copy)
    for folder in (copy / checkpoints.LATEST).iterdir():
        if int(folder.name) > step:
            shutil.rmtree(folder)
    return copy


def assert_same_learning(state, other):
    """Parameters agree to 1e-5; so do, to a hundredth of each array, the gradients that SGD's momentum has gathered.

    Rounding lets a ReLU or a maximum of the discriminator tip the other way, which moves an array's gradient by
    thousandths; a sum over devices where a mean should be is off by a factor of 2 or 4.
    """
    for name in ('generator', 'average', 'discriminator'):
        chex.assert_trees_all_close(getattr(state, name), getattr(other, name), rtol=0, atol=1e-5)
    for name in ('generator_optimizer', 'discriminator_optimizer'):
        for one, two in zip(*(jax.tree.leaves(getattr(each, name)) for each in (state, other))):
            assert np.linalg.norm(one - two) <= 1e-2 * np.linalg.norm(two)


@pytest.fixture(scope='module')
def alone(start, tmp_path_factory):
    """The workdir of a run by one process with one device."""
    workdir = tmp_path_factory.mktemp('alone') / 'run'
    (code, _, err), = finish(start(workdir))
    assert code == 0, err
    return workdir


@pytest.fixture(scope='module')
def together(start, tmp_path_factory):
    """The workdir of a run by two processes with two devices each, the second of which came late; and their output."""
    workdir, port = tmp_path_factory.mktemp('together') / 'run', free_port()
    first = start(workdir, 0, port)
    assert 'waiting for all of 2 processes' in first.stdout.readline()
    time.sleep(1)
    ends = finish(first, start(workdir, 1, port))
    assert [code for code, _, _ in ends] == [0, 0], ends
    return workdir, ends


def test_two_hosts_with_two_devices_each_learn_what_one_device_learns(config, alone, together):
    for step in (RECONSTRUCTION_STEPS, TOTAL_STEPS):
        assert_same_learning(state_in(together[0], config, step), state_in(alone, config, step))
    moved = jax.tree.map(lambda new, old: float(np.abs(new - old).max()),
                         *(state_in(alone, config, step).generator for step in (TOTAL_STEPS, 5)))
    assert max(jax.tree.leaves(moved)) > 1e-2, 'or else the comparison says nothing'


def test_the_first_host_alone_speaks_and_writes(together):
    workdir, ((_, told_by_first, _), (_, told_by_second, _)) = together
    assert f'step {TOTAL_STEPS}/{TOTAL_STEPS}' in told_by_first and ' dB' in told_by_first
    assert 'step' not in told_by_second and 'trained' not in told_by_second
    assert not any(err for _, _, err in together[1])
    steps_logged = [json.loads(line)['step'] for line in (workdir / 'metrics.jsonl').read_text().splitlines()
                    if 'faces_per_second' in line]
    assert steps_logged == sorted(set(steps_logged)) and steps_logged[-1] == TOTAL_STEPS
    assert len(list((workdir / 'tensorboard').iterdir())) == 1


def test_what_one_process_saved_two_continue(config, alone, start_both, tmp_path):
    workdir = up_to(alone, RECONSTRUCTION_STEPS, tmp_path / 'run')
    ends = finish(*start_both(workdir))
    assert [code for code, _, _ in ends] == [0, 0] and f'continuing from step {RECONSTRUCTION_STEPS}' in ends[0][1], ends
    assert_same_learning(state_in(workdir, config), state_in(alone, config))


def test_what_two_processes_saved_one_continues(config, alone, together, start, tmp_path):
    workdir = up_to(together[0], RECONSTRUCTION_STEPS, tmp_path / 'run')
    (code, out, err), = finish(start(workdir))
    assert code == 0 and f'continuing from step {RECONSTRUCTION_STEPS}' in out, err
    assert_same_learning(state_in(workdir, config), state_in(alone, config))


def test_terminated_and_with_a_host_killed_a_run_ends_with_the_same_bits(config, together, start_both, tmp_path, request):
    workdir = tmp_path / 'run'

    processes = start_both(workdir)  # SIGTERM to one: all hosts stop after the same step, and save it
    wait_until(lambda: (workdir / 'metrics.jsonl').exists(), *processes)
    processes[1].send_signal(signal.SIGTERM)
    ends = finish(*processes)
    assert [code for code, _, _ in ends] == [supervision.TERMINATED] * 2, ends
    assert ends[0][2].startswith('terminated: saved step') and ends[1][2] == ''

    processes = start_both(workdir)  # the second host is killed in the middle of a step
    wait_until(lambda: has_step(workdir, RECONSTRUCTION_STEPS), *processes)
    processes[1].kill()
    began = time.monotonic()
    request.getfixturevalue('refused')  # is done while the first host waits for a sign of life
    (code, _, err), _ = finish(*processes)
    assert code == 1 and err.splitlines() == [supervision.LOST]
    assert time.monotonic() - began < 60

    ends = finish(*start_both(workdir))
    assert [code for code, _, _ in ends] == [0, 0] and 'continuing from step' in ends[0][1], ends
    chex.assert_trees_all_equal(state_in(workdir, config), state_in(together[0], config))


@pytest.fixture(scope='module')
def refused(start_both, tmp_path_factory):
    """Two processes whose workdir is somebody's folder."""
    folder = tmp_path_factory.mktemp('refused')
    (folder / 'thesis.txt').write_text('precious')
    return start_both(folder)


def test_an_error_of_the_first_host_is_told_and_ends_the_others(refused):
    first, second = finish(*refused)
    assert first[0] == 2 and 'holds other files' in first[2] and len(first[2].splitlines()) == 1
    assert second[0] == 1 and second[2].splitlines() == [supervision.LOST]


@pytest.mark.parametrize('arguments, message', [
    (['--num_processes=2'], '--coordinator, --num_processes and --process_id go together'),
    (['--num_processes=0'], '--num_processes: must be at least 1'),
    (['--num_processes=2', '--process_id=2', '--coordinator=localhost:1'], '--process_id: must be one of 0 to 1'),
])
def test_bad_flags_are_one_line(train_command, arguments, message):
    code, _, told = train_command('--config=configs/x8.py', *arguments)
    assert code == 2 and message in told and len(told.splitlines()) == 1


def test_the_processes_that_slurm_announces_are_counted(monkeypatch):
    assert hosts.expected() == 1
    for name, value in {'SLURM_JOB_ID': '7', 'SLURM_STEP_NODELIST': 'node[1-3]', 'SLURM_NTASKS': '3',
                        'SLURM_PROCID': '1', 'SLURM_LOCALID': '0'}.items():
        monkeypatch.setenv(name, value)
    assert hosts.expected() == 3
    assert hosts.expected(1) == 1
