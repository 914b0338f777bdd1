"""evaluate.py: what its arguments mean, where its files go, and bad input."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import evaluate
from gln_jax import metrics, weights
from gln_jax import config as settings
from gln_jax.data import faces as face_data
from gln_jax.models import factory
from gln_jax.runtime import errors
from made_up import made_up_faces
from gln_jax.evaluation.comparison import methods


@pytest.fixture
def door(monkeypatch, tmp_path):
    """Runs evaluate.py on a network of zeros, and returns what it asked of the data: [(name, path, split, directory)]."""
    config = settings.default()
    config.scale, config.network = 4, 'gln3'
    config.data.update(name='folder', path=str(tmp_path / 'trained_on_this'), directory='of_the_training')
    (tmp_path / 'trained_on_this').mkdir()
    shapes = jax.eval_shape(factory.generator(config).init, jax.random.key(0), jnp.zeros((1, 32, 32, 1)))['params']
    parameters = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    asked = []

    def load_faces(config, split):
        asked.append((config.data.name, config.data.path, split, config.data.directory))
        if split == 'tset':
            raise errors.InputError("there is no split 'tset' here; there are test, train")
        return made_up_faces(2)

    def run(*arguments):
        asked.clear()
        evaluate.main(['--ckpt', str(tmp_path / 'run'), *map(str, arguments)])
        return asked

    (tmp_path / 'run' / 'checkpoints').mkdir(parents=True)
    monkeypatch.setattr(weights, 'load_generator', lambda path: weights.Loaded(config, parameters, 'run 7', {}))
    monkeypatch.setattr(face_data, 'load', load_faces)
    monkeypatch.setattr(face_data, 'check', lambda config, *splits: None)
    return run


def test_help_comes_at_once_and_names_what_there_is():
    """Nothing that takes long is imported for it, so that what it names stands in it a second time."""
    check = 'import sys, evaluate; evaluate._parser().format_help(); print({"jax", "numpy", "etils"} & sys.modules.keys())'
    assert subprocess.run([sys.executable, '-c', check], capture_output=True, text=True, check=True).stdout == 'set()\n'
    assert evaluate.METHODS == tuple(methods.known()) and evaluate.PROTOCOLS == metrics.PROTOCOLS
    assert {*evaluate.DATA, 'folder'} == set(settings.DATA_NAMES) and evaluate._released() == weights.released()


def test_door_defaults_to_what_was_trained_on_and_to_the_workdir(door, tmp_path, capsys):
    assert door() == [('folder', str(tmp_path / 'trained_on_this'), 'test', 'of_the_training')]
    folder = tmp_path / 'run' / 'scores' / 'trained_on_this-test-paper'
    summary = json.loads((folder / 'scores.json').read_text())
    assert (summary['data'], summary['checkpoint'], summary['scale']) == ('trained_on_this test', 'run 7', 4)
    assert str(folder / 'faces.png') in capsys.readouterr().out


def test_door_scores_each_split_into_its_folder(door, tmp_path):
    asked = door('--data=lfw', '--split=test/a, test/b', '--protocol=y', '--images=1', '--output', tmp_path / 'out')
    assert [(name, split) for name, _, split, _ in asked] == [('lfw', 'test/a'), ('lfw', 'test/b')]
    for folder in ('test-a', 'test-b'):
        summary = json.loads((tmp_path / 'out' / folder / 'scores.json').read_text())
        assert (summary['protocol'], summary['images']) == ('y', 1)


def test_door_takes_a_folder_of_faces(door, tmp_path):
    (tmp_path / 'mine').mkdir()
    asked = door('--data', tmp_path / 'mine', '--output', tmp_path / 'out')
    assert asked == [('folder', str(tmp_path / 'mine'), 'test', '')]
    assert (tmp_path / 'out' / 'scores.csv').exists()
    assert door('--directory', tmp_path / 'kept')[0][-1] == str(tmp_path / 'kept')


def test_the_faces_of_another_machine_have_to_be_named(door, tmp_path, capsys):
    (tmp_path / 'trained_on_this').rmdir()
    with pytest.raises(SystemExit):
        door()
    assert 'trained_on_this, which is not here; name the faces to score, --data=DIR' in capsys.readouterr().err


def test_mirrored_scores_say_so_and_lie_apart(door, tmp_path):
    door('--self-ensemble')
    summary = json.loads((tmp_path / 'run' / 'scores' / 'trained_on_this-test-paper-mirrored' / 'scores.json').read_text())
    assert summary['checkpoint'] == 'run 7, mirrored'


def test_scores_of_some_faces_do_not_replace_those_of_all(door, tmp_path):
    door()
    door('--images=1')
    for folder, images in (('trained_on_this-test-paper', 2), ('trained_on_this-test-paper-1-images', 1)):
        assert json.loads((tmp_path / 'run' / 'scores' / folder / 'scores.json').read_text())['images'] == images


def test_a_tilde_behind_an_equals_sign_is_the_home_folder(door, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    door('--output=~/scores')
    assert (tmp_path / 'scores' / 'scores.json').exists()


@pytest.mark.parametrize('arguments, said', [
    (['--split=tset'], "'tset'"), (['--data=no_such'], "'no_such'"), (['--split=,'], '--split'),
    (['--mirrored', '--methods=bicubic'], '--self-ensemble')])
def test_door_tells_bad_input_in_one_line(door, capsys, arguments, said):
    with pytest.raises(SystemExit) as exit:
        door(*arguments)
    told = capsys.readouterr().err
    assert exit.value.code == 2 and told.count('\n') == 1 and told.startswith('error: ') and said in told


@pytest.mark.parametrize('ckpt, folder', [
    ('run', 'run/scores/lfw-test-paper'),
    ('run/checkpoints/200', 'run/scores/checkpoints-200-lfw-test-paper'),
    ('run/reconstruction', 'run/scores/reconstruction-lfw-test-paper'),
    ('x8.safetensors', 'scores/x8-lfw-test-paper')])
def test_scores_of_different_networks_go_to_different_folders(tmp_path, ckpt, folder):
    (tmp_path / 'run' / 'checkpoints').mkdir(parents=True)
    options = evaluate._parser().parse_args(['--ckpt', str(tmp_path / ckpt)])
    assert evaluate._output(options, 'lfw', 'test', alone=True) == tmp_path / folder
