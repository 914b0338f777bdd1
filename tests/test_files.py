"""What is found in a folder: each real file once, whatever links there are."""

import os

import pytest

from gln_jax.runtime import errors, files


@pytest.fixture
def root(tmp_path):
    """tmp_path/root with a.png and sub/b.png, beside tmp_path/elsewhere with c.png and deep/d.png."""
    for name in ('root/a.png', 'root/sub/b.PNG', 'root/sub/note.txt', 'elsewhere/c.png', 'elsewhere/deep/d.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / 'root'


OWN = ['a.png', 'sub/b.PNG']


def link(root, **links):
    for name, target in links.items():
        place = root / name.replace('__', '/')
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(target)


@pytest.mark.parametrize('links, found', [
    ({'up': '.'}, OWN),
    ({'up': '..'}, OWN),  # and not what lies beside the folder
    ({'sub__up': '..', 'sub__again': '../sub', 'aaa': 'sub'}, OWN),  # two circles and an alias that comes first in order
    ({'one': 'two', 'two': 'one'}, OWN),
    ({'gone.png': 'nowhere', 'sub__self.png': 'self.png'}, OWN),
    ({'alias.png': 'a.png', '0.png': 'sub/b.PNG', 'sub__more.png': '0.png'}, OWN),
    ({'far': '../elsewhere', 'near': '../elsewhere/deep', 'sub__far': '../../elsewhere'},
     ['a.png', 'far/c.png', 'near/d.png', 'sub/b.PNG']),
    ({'c.png': '../elsewhere/c.png', 'far': '../elsewhere'}, ['a.png', 'c.png', 'far/deep/d.png', 'sub/b.PNG']),
    ({'.hidden': '../elsewhere', '.c.png': '../elsewhere/c.png'}, OWN),
])
def test_each_real_file_comes_once(root, links, found):
    link(root, **links)
    assert files.below(root, ('.png',)) == found


def test_hard_links_are_one_file(root):
    os.link(root / 'sub' / 'b.PNG', root / 'copy.png')
    assert files.below(root, ('.png',)) == ['a.png', 'copy.png']


def test_links_in_the_folder_that_is_linked_to_end(root):
    link(root, far='../elsewhere')
    link(root.parent / 'elsewhere', back='../root', round='.', deep__up='..')
    assert files.below(root, ('.png',)) == ['a.png', 'far/c.png', 'far/deep/d.png', 'sub/b.PNG']


def test_a_folder_may_be_named_by_a_link_and_by_a_relative_path(root, monkeypatch):
    link(root.parent, alias='root')
    monkeypatch.chdir(root / 'sub')
    assert files.below(root.parent / 'alias', ('.png',)) == files.below('..', ('.png',)) == OWN


def test_folders_below_and_a_folder_of_results_are_left_out_where_it_is_asked_for(root):
    link(root, far='../elsewhere', again='a.png')
    assert files.below(root, ('.png',), deep=False) == ['a.png']
    assert files.below(root, ('.png',), apart_from=root.parent / 'elsewhere') == OWN
    assert files.below(root, ('.png',), apart_from=root / 'sub') == ['a.png', 'far/c.png', 'far/deep/d.png']


def test_what_is_no_file_does_not_count(root):
    os.mkfifo(root / 'pipe.png')
    (root / 'folder.png').mkdir()
    assert files.below(root, ('.png',)) == OWN


def test_a_name_that_is_not_utf_8_is_refused_in_one_line(root):
    (root / os.fsdecode(b'caf\xe9.png')).touch()
    with pytest.raises(errors.InputError, match=r'caf\\udce9.png.: the name of this file is not UTF-8'):
        files.check_names(root, files.below(root, ('.png',)))
