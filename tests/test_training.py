"""Training as a user runs it: child processes that are killed, told to end, and started again."""

import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import chex
import evaluate
import jax
import pytest

from gln_jax import weights
from gln_jax import config as settings
from gln_jax.runtime import errors, files, provenance, supervision
from gln_jax.training import checkpoints, run
from made_up import state_shape

ROOT = pathlib.Path(__file__).parent.parent
RECONSTRUCTION_STEPS, TOTAL_STEPS = 60, 60 + 2 * 20


@pytest.fixture(scope='module')
def config(drawn_faces):
    config = settings.default()
    config.network, config.face_size = 'gn_only', 32
    config.data.directory = str(drawn_faces)
    config.reconstruction.update(steps=RECONSTRUCTION_STEPS, batch_size=4)
    config.adversarial.update(turns=2, discriminator_steps=8, generator_steps=12, batch_size=4)
    config.validation.faces = 4
    config.checkpoint.every_steps = 10
    config.log.update(every_seconds=0.2, pictures_every_steps=50)
    return config


def overrides(config):
    """The command line that makes the default config this one."""
    default = settings.default()
    for room in ('reconstruction', 'adversarial', 'validation', 'checkpoint', 'log', 'data', ''):
        place, normal = (config[room], default[room]) if room else (config, default)
        for name, value in place.items():
            if not hasattr(value, 'items') and value != normal[name]:
                yield f'--config.{room}.{name}={value}'.replace('..', '.')


def arguments(config, workdir):
    return ['--config=configs/x8.py', *overrides(config), f'--workdir={workdir}', '--noscore']


def start(config, workdir):
    return subprocess.Popen([sys.executable, 'train.py', *arguments(config, workdir)], cwd=ROOT,
                            env=os.environ | {'XLA_FLAGS': ''}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for_step(process, workdir, step):
    """Returns when a checkpoint of at least that step stands in the workdir."""
    folder = workdir / checkpoints.LATEST
    while not any(path.name.isdigit() and int(path.name) >= step for path in folder.glob('*')):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def final_state(config, workdir, step=TOTAL_STEPS):
    folder = workdir / checkpoints.LATEST / str(step)
    return jax.device_get(checkpoints.load_state(folder, state_shape(config, step)))


@pytest.fixture(scope='module')
def undisturbed(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp('runs') / 'undisturbed'
    code, out, err = finish(start(config, workdir))
    assert code == 0, err
    return workdir, out


def test_a_run_leaves_what_it_promises(config, undisturbed):
    workdir, out = undisturbed
    assert f'step {TOTAL_STEPS}/{TOTAL_STEPS}' in out and 'faces/s' in out and ' left' in out and ' dB' in out
    assert 'waiting for data' in out and 'peak memory' in out
    assert (workdir / checkpoints.RECONSTRUCTION / str(RECONSTRUCTION_STEPS)).is_dir()
    assert settings.from_json((workdir / 'config.json').read_text()) == config
    lines = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    assert lines[-1]['step'] == TOTAL_STEPS
    logged = set().union(*lines)
    assert {'reconstruction_loss', 'adversarial_loss', 'adversarial_weight', 'discriminator_loss', 'validation_psnr',
            'faces_per_second', 'waiting_share'} <= logged
    assert list((workdir / 'tensorboard').glob('events.out.tfevents.*'))


def test_both_stages_learn(config, undisturbed):
    workdir, _ = undisturbed
    lines = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    losses = [line['reconstruction_loss'] for line in lines if 'reconstruction_loss' in line]
    assert losses[-1] < 0.8 * losses[0]
    end_of_stage_1 = checkpoints.load_state(workdir / checkpoints.RECONSTRUCTION / str(RECONSTRUCTION_STEPS),
                                            state_shape(config))
    assert end_of_stage_1.adversarial_weight == 0
    end, start = final_state(config, workdir), jax.device_get(end_of_stage_1)
    assert end.adversarial_weight > 0
    for network in ('generator', 'average', 'discriminator'):
        moved = jax.tree.map(lambda before, after: float(abs(after - before).max()), getattr(start, network), getattr(end, network))
        assert min(jax.tree.leaves(moved)) > 0, f'stage 2 moves all of the {network}'


def test_killed_at_any_time_a_run_ends_with_the_same_bits(config, undisturbed, tmp_path):
    for step in (10, RECONSTRUCTION_STEPS + 20):  # in stage 1, and in the middle of stage 2
        process = start(config, tmp_path / 'run')
        wait_for_step(process, tmp_path / 'run', step)
        process.send_signal(signal.SIGKILL)
        assert finish(process)[0] == -signal.SIGKILL
    code, out, err = finish(start(config, tmp_path / 'run'))
    assert code == 0 and 'continuing from step' in out, err
    chex.assert_trees_all_equal(final_state(config, tmp_path / 'run'), final_state(config, undisturbed[0]))
    steps_logged = [json.loads(line)['step'] for line in (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()]
    assert steps_logged == sorted(steps_logged), 'what was logged after the checkpoint is logged once'


def test_killed_between_its_two_checkpoints_a_run_has_the_end_of_stage_1(config, tmp_path):
    """The end of stage 1 is written first: where the last checkpoint of stage 1 stands, so does it."""
    class Killed(Exception):
        pass

    config = settings.from_json(settings.to_json(config))
    config.reconstruction.steps, config.adversarial.turns = 2, 0
    save = checkpoints.Checkpoints.save

    def killed_before_the_latest(self, step, state):
        if self._directory.name == checkpoints.LATEST:
            raise Killed
        save(self, step, state)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints.Checkpoints, 'save', killed_before_the_latest)
        run.train(config, tmp_path / 'run')
    assert (tmp_path / 'run' / checkpoints.RECONSTRUCTION / '2').is_dir()
    run.train(config, tmp_path / 'run')
    assert (tmp_path / 'run' / checkpoints.LATEST / '2').is_dir()


@pytest.mark.parametrize('field, wrong', [('validation.split', 'vall'), ('validation.test_split', 'tst'),
                                          ('data.source_weights', 'uspol:3')])
def test_what_is_wrong_with_the_data_leaves_the_workdir_free(config, tmp_path, field, wrong):
    mistaken = settings.from_json(settings.to_json(config))
    room, name = field.split('.')
    mistaken[room][name] = wrong
    with pytest.raises(errors.InputError, match=wrong.partition(':')[0]):
        run.train(mistaken, tmp_path / 'run', to_be_scored=True)
    assert not list((tmp_path / 'run').iterdir())


def test_a_stage_that_a_run_lacks_may_have_any_batch_size(config, tmp_path):
    config = settings.from_json(settings.to_json(config))
    config.reconstruction.steps, config.adversarial.turns, config.adversarial.batch_size = 1, 0, 5
    run.train(config, tmp_path / 'run')


@pytest.fixture
def in_the_foreground():
    """What the background of a script starts ignores Ctrl-C, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_told_to_end_a_run_saves_first(config, undisturbed, in_the_foreground, tmp_path):
    config = settings.from_json(settings.to_json(config))
    config.checkpoint.every_steps, log, saved = 1000, tmp_path / 'run' / 'metrics.jsonl', []
    assert supervision.TERMINATED == 128 + signal.SIGTERM == 143
    for number, said in ((signal.SIGTERM, ''), (signal.SIGINT, 'saving after this step')):
        process, before = start(config, tmp_path / 'run'), log.stat().st_size if log.exists() else 0
        while not log.exists() or log.stat().st_size <= before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(number)
        code, _, err = finish(process)
        assert code == 128 + number and said in err and 'Traceback' not in err
        saved += map(int, re.findall(r'terminated: saved step (\d+)', err))
        assert (tmp_path / 'run' / checkpoints.LATEST / str(saved[-1])).is_dir()
    assert len(saved) == 2 and 0 < saved[0] < saved[1] < TOTAL_STEPS
    assert finish(start(config, tmp_path / 'run'))[0] == 0
    chex.assert_trees_all_equal(final_state(config, tmp_path / 'run'), final_state(config, undisturbed[0]))


def test_a_finished_run_has_nothing_left_to_train(config, undisturbed, capsys):
    """Here on four devices, while the run itself had one: any checkpoint restores onto any number."""
    before = provenance.of(undisturbed[0])
    run.train(config, undisturbed[0])
    assert f'continuing from step {TOTAL_STEPS}' in capsys.readouterr().out
    assert provenance.of(undisturbed[0]) == before, 'the start of a run is told, not that it went on'


def test_a_run_may_start_from_the_weights_of_another(config, undisturbed, tmp_path):
    config = settings.from_json(settings.to_json(config))
    config.reconstruction.steps, config.adversarial.turns, config.optimizer.learning_rate = 1, 0, 1e-9
    run.train(config, tmp_path / 'run', **weights.for_training(config, undisturbed[0]))
    there = weights.load_generator(undisturbed[0]).parameters
    chex.assert_trees_all_close(final_state(config, tmp_path / 'run', 1).generator, there, atol=1e-6)
    assert '--noscore' in provenance.of(tmp_path / 'run')['started_from']['command']
    shutil.rmtree(tmp_path / 'run' / checkpoints.LATEST)
    shutil.rmtree(tmp_path / 'run' / checkpoints.RECONSTRUCTION)
    run.train(config, tmp_path / 'run')
    assert 'started_from' not in provenance.of(tmp_path / 'run'), 'without a checkpoint it began anew'


def test_stage_2_alone_starts_from_the_weights_of_another(config, undisturbed, tmp_path, capsys):
    """And with a rate next to nothing they stay what they are. Muon is stage 1's alone: the state changes its shape."""
    config = settings.from_json(settings.to_json(config))
    config.reconstruction.steps, config.optimizer.name = 0, 'muon'
    with pytest.raises(errors.InputError, match='--init'):
        run.train(config, tmp_path / 'run')
    config.adversarial.update(turns=1, discriminator_steps=1, generator_steps=1, generator_learning_rate=1e-9)
    run.train(config, tmp_path / 'run', **weights.for_training(config, undisturbed[0]))
    there, start = weights.load_generator(undisturbed[0]).parameters, final_state(config, tmp_path / 'run', 2)
    chex.assert_trees_all_close(start.generator, there, atol=1e-6)
    assert start.adversarial_weight > 0, 'the adversarial term was there'
    chex.assert_trees_all_equal(weights.load_generator(tmp_path / 'run').parameters, start.average)
    shutil.copytree(tmp_path / 'run' / checkpoints.LATEST / '2', tmp_path / '0')
    chex.assert_trees_all_equal(weights.load_generator(tmp_path / '0').parameters, start.average)
    config.adversarial.turns = 2
    run.train(config, tmp_path / 'run', **weights.for_training(config, undisturbed[0]))
    assert 'continuing from step 2' in capsys.readouterr().out


def test_the_weights_of_another_network_are_no_start(config, undisturbed, tmp_path):
    config = settings.from_json(settings.to_json(config))
    config.network = 'gln3'
    with pytest.raises(errors.InputError, match='its network is gn_only'):
        run.train(config, tmp_path / 'run', **weights.for_training(config, undisturbed[0]))
    assert not (tmp_path / 'run').exists()


def test_a_run_may_have_another_network_as_its_teacher(config, undisturbed, tmp_path):
    """What it learns is then the teacher's mean image with the mirror image, which differs from the truth."""
    config, learnt = settings.from_json(settings.to_json(config)), {}
    config.reconstruction.steps, config.adversarial.turns = 3, 0
    for teacher in ('', str(undisturbed[0])):
        config.reconstruction.teacher = teacher
        run.train(config, tmp_path / f'taught{bool(teacher)}', **weights.for_training(config))
        learnt[bool(teacher)] = final_state(config, tmp_path / f'taught{bool(teacher)}', 3).generator
    differences = jax.tree.map(lambda one, other: abs(one - other).max(), learnt[True], learnt[False])
    assert max(jax.tree.leaves(differences)) > 1e-4
    config.scale = 4
    with pytest.raises(errors.InputError, match='config.reconstruction.teacher: the scale of .* is 8'):
        run.train(config, tmp_path / 'run', **weights.for_training(config))
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('of', ['', checkpoints.RECONSTRUCTION, f'{checkpoints.LATEST}/{TOTAL_STEPS}', 'weights file'])
def test_both_stages_can_be_scored_by_their_paths_alone(undisturbed, tmp_path, of, capsys):
    path = undisturbed[0] / of
    if of == 'weights file':
        path = tmp_path / 'x8.safetensors'
        weights.export(undisturbed[0], path)
    evaluate.main([f'--ckpt={path}', f'--output={tmp_path / "scores"}'])
    scores = json.loads((tmp_path / 'scores' / 'scores.json').read_text())
    assert scores['images'] == 8 and scores['scale'] == 8 and scores['data'] == 'drawn test'
    assert set(scores['methods']) == {'nearest', 'bilinear', 'bicubic', 'gln'}
    assert 'bicubic' in capsys.readouterr().out
    assert (tmp_path / 'scores' / 'faces.png').is_file() and (tmp_path / 'scores' / 'scores.csv').is_file()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(config, train_command, tmp_path):
    config = settings.from_json(settings.to_json(config))
    config.optimizer.name, config.checkpoint.every_steps = 'sgd', 1
    code, _, err = train_command(*arguments(config, tmp_path / 'run'), '--config.optimizer.name=sgd',
                                 '--config.optimizer.clip_norm=0', '--config.optimizer.learning_rate=1e-3')
    assert code == 1 and 'is not finite' in err and len(err.splitlines()) == 1
    kept = checkpoints.find(tmp_path / 'run')[0]
    state = checkpoints.load_state(kept, state_shape(config))
    assert all(math.isfinite(leaf.sum()) for leaf in jax.tree.leaves(state.generator))


def test_a_full_disk_is_one_line(config, small_disk):
    code, _, err = finish(start(config, small_disk('10m') / 'run'))
    assert code == 2 and 'no space left on the disk' in err and 'Traceback' not in err


@pytest.mark.parametrize('arguments, message', [
    ([], '--config is missing; give one of configs/'),
    (['--config=configs/none.py'], 'cannot be loaded'),
    (['--config=README.md'], 'cannot be loaded: '),
    (['--config=configs/x8.py:gln5'], "variant 'gln5' is not known; choose of"),
    (['--config=configs/x8.py', '--config.optimizer.learning_rat=1'], 'no setting learning_rat. Did you mean'),
    (['--config=configs/x8.py', '--config.scale=big'], 'config.scale'),
    (['--config=configs/x8.py', '--config.scale=3'], 'config.scale: 3 is not known; choose one of 2, 4, 8'),
    (['--config=configs/x8.py', '--wrkdir=x'], 'wrkdir'),
    (['--config=configs/x8.py', 'x'], 'x: not understood'),
])
def test_bad_arguments_are_one_line_and_exit_code_2(train_command, arguments, message, tmp_path):
    code, _, told = train_command(*arguments, f'--workdir={tmp_path / "run"}')
    assert code == 2 and message in told and len(told.splitlines()) == 1


def test_what_a_run_cannot_use_is_one_line_and_exit_code_2(tmp_path):
    process = subprocess.run([sys.executable, 'train.py', '--config=configs/x8.py', '--config.data.name=folder',
                              '--config.data.path=nowhere', f'--workdir={tmp_path / "run"}'], cwd=ROOT,
                             capture_output=True, text=True, timeout=300)
    assert process.returncode == 2 and 'nowhere: there is no such' in process.stderr
    assert len(process.stderr.splitlines()) == 1 and 'Traceback' not in process.stderr


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    files.write(tmp_path / 'a', 'before')
    monkeypatch.setattr(files.os, 'fsync', lambda _: (_ for _ in ()).throw(OSError('disk')))
    with pytest.raises(OSError):
        files.write(tmp_path / 'a', 'after')
    assert [path.name for path in tmp_path.iterdir()] == ['a'] and (tmp_path / 'a').read_text() == 'before'
