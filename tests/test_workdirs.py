"""Whose a workdir is, and that a run in it goes on as it began."""

import contextlib
import json
import shutil
import sys

import jax.numpy as jnp
import pytest

from gln_jax import weights
from gln_jax import config as settings
from gln_jax.data import faces as face_data
from gln_jax.data import pipeline
from gln_jax.runtime import errors, precision, provenance
from gln_jax.training import checkpoints, opening, run, schedule, steps, workdirs

STEPS = 2


@pytest.fixture(scope='module')
def config(drawn_faces):
    config = settings.default()
    config.network, config.face_size, config.data.directory = 'gn_only', 32, str(drawn_faces)
    config.reconstruction.update(steps=STEPS, batch_size=4)
    config.adversarial.turns, config.validation.faces = 0, 4
    return config


@pytest.fixture(scope='module')
def finished(config, tmp_path_factory):
    """The workdir of a run."""
    workdir = tmp_path_factory.mktemp('runs') / 'finished'
    run.train(config, workdir)
    return workdir


@pytest.fixture(scope='module')
def stopped(config, finished, tmp_path_factory):
    """The config and the workdir of a run that was stopped after a step, and its teacher, a weights file, with its contents."""
    config, folder = settings.from_json(settings.to_json(config)), tmp_path_factory.mktemp('stopped')
    teacher = folder / 'teacher.safetensors'
    weights.export(finished, teacher)
    config.reconstruction.teacher = str(teacher)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, 'total_steps', lambda config: 1)
        run.train(config, folder / 'run', **weights.for_training(config))
    return config, folder / 'run', teacher, teacher.read_bytes()


@pytest.fixture
def half_done(stopped, tmp_path):
    """A copy of that run: its config, its workdir, and its teacher."""
    config, workdir, teacher, contents = stopped
    teacher.write_bytes(contents)
    return config, shutil.copytree(workdir, tmp_path / 'run'), teacher


def test_another_config_in_the_same_workdir_is_refused_by_its_field(config, finished):
    other = settings.from_json(settings.to_json(config))
    other.optimizer.learning_rate = 0.5
    before = (finished / 'config.json').read_bytes()
    with pytest.raises(errors.InputError, match=r'optimizer.learning_rate: 0.001 there, 0.5 now'):
        run.train(other, finished)
    assert (finished / 'config.json').read_bytes() == before


def test_somebody_elses_folder_is_not_written_to(config, tmp_path):
    (tmp_path / 'thesis.txt').write_text('precious')
    with pytest.raises(errors.InputError, match='holds other files'):
        run.train(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


def test_a_workdir_that_is_a_file_is_refused(config, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(errors.InputError, match='is, or lies below, a file'):
        run.train(config, tmp_path / 'file')


def test_a_run_needs_the_same_teacher_until_stage_1_has_ended(half_done, tmp_path, capsys):
    config, workdir, teacher = half_done
    shutil.copy(teacher, tmp_path / 'kept')
    teacher.unlink()
    weights.export(workdir, teacher)
    with pytest.raises(errors.InputError, match='began with other parameters of its teacher'):
        run.train(config, workdir, **weights.for_training(config))
    shutil.copy(tmp_path / 'kept', teacher)
    run.train(config, workdir, **weights.for_training(config))
    assert provenance.of(workdir)['taught_by']['network'] == str(teacher)
    teacher.unlink()
    shutil.rmtree(workdir / checkpoints.LATEST / '1')
    run.train(config, workdir, **weights.for_training(config))
    assert f'continuing from step {STEPS}' in capsys.readouterr().out


def test_a_run_needs_the_same_faces(half_done):
    config, workdir, _ = half_done
    changed = provenance.of(workdir) | {'training_faces': {'drawn': 23}}
    (workdir / provenance.FILE).write_text(json.dumps(changed))
    with pytest.raises(errors.InputError, match="other training faces .*'drawn': 23}, now .*'drawn': 24"):
        run.train(config, workdir, **weights.for_training(config))


def test_a_run_needs_the_same_faces_by_their_pixels(half_done, monkeypatch):
    config, workdir, _ = half_done
    read = face_data.Faces.luminance
    with monkeypatch.context() as patch:  # as many of each source, one of which was replaced
        patch.setattr(face_data.Faces, 'luminance', lambda self, number: read(self, number) ^ (number == 5))
        with pytest.raises(errors.InputError, match='began with other training faces: as many of each source, but other'):
            run.train(config, workdir, **weights.for_training(config))
    assert provenance.of(workdir)['training_digest']


def test_a_run_that_began_at_random_is_not_given_a_start_later(half_done, finished):
    config, workdir, _ = half_done
    with pytest.raises(errors.InputError, match='--init: the run in .* began without it'):
        run.train(config, workdir, **weights.for_training(config, finished))


def test_a_run_that_goes_on_needs_its_start_no_more(config, finished, tmp_path, capsys):
    run.train(config, tmp_path / 'run', **weights.for_training(config, finished))
    run.train(config, tmp_path / 'run', **weights.for_training(config, tmp_path / 'gone'))
    assert f'continuing from step {STEPS}' in capsys.readouterr().out


@pytest.mark.parametrize('network, recorded, is_said', [
    ('gln4', {}, True), ('gln4', {'convolutions': 'direct'}, True), ('gln4', {'convolutions': 'fourier'}, False),
    ('gn_only', {}, False)])
def test_a_run_that_began_with_direct_convolutions_goes_on_and_says_so(config, network, recorded, is_said, tmp_path):
    config = settings.from_json(settings.to_json(config))
    config.network = network
    (tmp_path / provenance.FILE).write_text(json.dumps(recorded))
    going_on = opening.Run(config, tmp_path, *[None] * (len(opening.Run._fields) - 2))
    said = opening.continued(going_on, steps.shape_after(config, 0).replace(step=1))
    changed = '; it began with convolutions in the direct form and goes on with the fourier one, equal up to rounding'
    assert said == 'continuing from step 1' + (changed if is_said else '')


def test_the_form_of_convolutions_is_recorded(finished):
    assert provenance.of(finished)['convolutions'] == 'direct', 'a network without convolutions'


def test_a_run_goes_on_in_the_number_format_that_it_began_with(half_done, monkeypatch, capsys):
    config, workdir, _ = half_done
    asked = []
    monkeypatch.setattr(run, 'mapped_updates', lambda config, **_: asked.append(config.compute_dtype) or sys.exit('asked'))
    monkeypatch.setattr(precision, 'of', lambda config: jnp.bfloat16 if config.compute_dtype == 'auto' else
                        jnp.dtype(config.compute_dtype))  # as on an accelerator
    with pytest.raises(SystemExit, match='asked'):
        run.train(config, workdir, **weights.for_training(config))
    assert asked == ['float32'] and 'computing in float32, as this run began' in capsys.readouterr().out


def test_two_processes_do_not_train_in_one_folder(config, finished):
    with workdirs.claimed(finished, config), pytest.raises(errors.InputError, match='another process is training here'):
        run.train(config, finished)
    run.train(config, finished)


@pytest.mark.parametrize('broken', [False, True])
def test_what_reads_batches_is_closed_in_the_end(config, tmp_path, monkeypatch, broken):
    opened, closed, original = [], [], pipeline.training_batches

    class Batches:
        def __init__(self, *arguments):
            opened.append(self)
            self._batches = original(*arguments)

        def __next__(self):
            if broken:
                raise errors.RunError('the disk is gone')
            return next(self._batches)

        def close(self):
            closed.append(self)
            self._batches.close()

    monkeypatch.setattr(pipeline, 'training_batches', Batches)
    with pytest.raises(errors.RunError) if broken else contextlib.nullcontext():
        run.train(config, tmp_path)
    assert opened == closed and len(opened) == 1
