import re
import subprocess
import types

import pytest

from gln_jax.runtime import origin, provenance


def test_scores_of_two_versions_of_the_code_are_not_mixed_without_a_word(monkeypatch, capsys):
    monkeypatch.setattr(provenance, 'commit', lambda: 'b')
    assert origin.with_this_commit([], 'out') == ['b'] and origin.with_this_commit(['b'], 'out') == ['b']
    assert not capsys.readouterr().err
    assert origin.with_this_commit(['a'], 'out') == ['a', 'b']
    assert 'warning: out: what is there was scored at commit a, and this is b' in capsys.readouterr().err


def test_what_a_run_came_from(tmp_path, monkeypatch):
    faces = types.SimpleNamespace(sources=['lfw', 'lfw', 'uspol'])
    monkeypatch.setattr('sys.argv', ['train.py', '--config=configs/x8.py', '--workdir=a b'])
    provenance.record(tmp_path, faces, 'abc')
    known = provenance.of(tmp_path)
    assert known['command'] == "python train.py --config=configs/x8.py '--workdir=a b'"
    assert known['training_digest'] == 'abc'
    assert known['training_faces'] == {'lfw': 2, 'uspol': 1}
    assert known['devices'] == '4 x cpu'


def test_without_git_the_commit_is_not_known(monkeypatch):
    monkeypatch.setenv('PATH', 'nowhere')
    assert provenance.commit() == ''


def git(folder, *command):
    identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org']
    subprocess.run(['git', *identity, *command], cwd=folder, check=True, capture_output=True)


def committed(folder):
    folder.mkdir(parents=True)
    git(folder, 'init')
    (folder / 'thesis.txt').write_text('mine')
    git(folder, 'add', '.')
    git(folder, 'commit', '-m', 'mine')
    return folder


def commit_of(package):
    """What `provenance.commit` gives where the program lies in this folder."""
    package.mkdir(parents=True, exist_ok=True)
    (package / '__init__.py').touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, 'PACKAGE', package)
        return provenance.commit()


def test_the_commit_is_that_of_the_checkout_of_the_program(tmp_path):
    clone = committed(tmp_path / 'gln')
    assert commit_of(clone / 'gln_jax') == ''  # nobody has added the program to this repository
    git(clone, 'add', '.')
    git(clone, 'commit', '-m', 'program')
    assert re.fullmatch('[0-9a-f]{12}', commit_of(clone / 'gln_jax'))
    (clone / 'gln_jax' / '__init__.py').write_text('changed')
    assert re.fullmatch(r'[0-9a-f]{12}\+', commit_of(clone / 'gln_jax'))
    assert commit_of(clone / 'env/lib/site-packages/gln_jax') == ''  # an environment inside of it has a program of its own


def test_a_strangers_commit_is_not_named(tmp_path, monkeypatch):
    stranger = committed(tmp_path / 'stranger')
    assert commit_of(stranger / 'env/lib/site-packages/gln_jax') == ''
    git(stranger, 'add', '-f', '.')
    git(stranger, 'commit', '-m', 'the environment as well')
    assert commit_of(stranger / 'env/lib/site-packages/gln_jax') == ''
    mine = committed(tmp_path / 'mine')
    (mine / 'gln_jax').mkdir()
    (mine / 'gln_jax' / '__init__.py').touch()
    git(mine, 'add', '.')
    git(mine, 'commit', '-m', 'program')
    commit = commit_of(mine / 'gln_jax')
    monkeypatch.setenv('GIT_DIR', str(stranger / '.git'))  # as inside of a hook
    assert commit and commit_of(mine / 'gln_jax') == commit


def test_a_folder_without_a_record_says_nothing(tmp_path):
    assert provenance.of(tmp_path) == {}
