"""Who has no home folder gets one for what is kept between runs."""

import os
import pathlib
import pwd
import tempfile

import pytest

from gln_jax.runtime import compilation, home


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A user whose number has no name, and whose temporary files are in `tmp_path`."""
    def unknown(number):
        raise KeyError(f'getpwuid(): uid not found: {number}')
    monkeypatch.setattr(pwd, 'getpwuid', unknown)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    return tmp_path / f'gln_jax_{os.getuid()}'


@pytest.mark.parametrize('given', [None, '/proc', '/nonexistent'])
def test_a_user_without_a_name_and_a_home_gets_a_folder(nobody, given, monkeypatch):
    monkeypatch.delenv('HOME') if given is None else monkeypatch.setenv('HOME', given)
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # as root may write everywhere
    home.ensure()
    assert pathlib.Path.home() == nobody and nobody.stat().st_mode & 0o777 == 0o700
    assert os.path.expanduser('~/tensorflow_datasets') == f'{nobody}/tensorflow_datasets'
    assert compilation.cache() == nobody / '.cache' / 'gln_jax'


def test_somebody_else_s_folder_is_not_used(nobody, tmp_path, monkeypatch):
    (tmp_path / 'theirs').mkdir()
    nobody.symlink_to(tmp_path / 'theirs')
    monkeypatch.delenv('HOME')
    home.ensure()
    assert pathlib.Path.home().parent == tmp_path and pathlib.Path.home() not in (nobody, tmp_path / 'theirs')


def test_a_home_that_is_there_stays(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    home.ensure()
    assert os.environ['HOME'] == str(tmp_path) and not nobody.exists()
