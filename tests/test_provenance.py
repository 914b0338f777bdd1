import types

from gln_jax.runtime import provenance


def test_what_a_run_came_from(tmp_path, monkeypatch):
    faces = types.SimpleNamespace(sources=['lfw', 'lfw', 'uspol'])
    monkeypatch.setattr('sys.argv', ['train.py', '--config=configs/x8.py', '--workdir=a b'])
    provenance.record(tmp_path, faces)
    known = provenance.of(tmp_path)
    assert known['command'] == "python train.py --config=configs/x8.py '--workdir=a b'"
    assert known['training_faces'] == {'lfw': 2, 'uspol': 1}
    assert known['devices'] == '4 x cpu'


def test_without_git_the_commit_is_not_known(monkeypatch):
    monkeypatch.setenv('PATH', 'nowhere')
    assert provenance.commit() == ''


def test_a_folder_without_a_record_says_nothing(tmp_path):
    assert provenance.of(tmp_path) == {}
