"""The study of failures end to end, at tiny size on drawn faces: what it writes, that it continues, what it refuses."""

import csv
import json
import re

import numpy as np
from PIL import Image
import pytest

from gln_jax.data.synthetic import drawing
from gln_jax.evaluation import scoring
from tools.studies import conditions, failures, markdown, results


@pytest.fixture
def few_conditions(monkeypatch):
    """Of each kind of condition only the first, so that a test does not take minutes."""
    every = conditions.every
    bar = [('shift', 2), ('scale', 0.95), ('scale', 1.05)]
    monkeypatch.setattr(conditions, 'CURVES', {
        kind: (title, unchanged, tuple(level for level in levels if (kind, level) in bar) or levels[:1], alter)
        for kind, (title, unchanged, levels, alter) in conditions.CURVES.items()})
    monkeypatch.setattr(conditions.alterations, 'OCCLUSIONS', {
        name: how for name, how in conditions.alterations.OCCLUSIONS.items() if name == 'mask'})
    monkeypatch.setattr(conditions.lr_images, 'wrong', lambda config, wrong=conditions.lr_images.wrong: dict(
        list(wrong(config).items())[:1]))
    conditions.levels.cache_clear()
    yield every
    conditions.levels.cache_clear()


def no_more(*arguments, **options):
    raise AssertionError('scored again')


def test_failures_writes_what_it_measured_and_continues(study, few_conditions, tmp_path, monkeypatch):
    output = tmp_path / 'failures'
    arguments = ['--ckpt=x8-fast,x8-fast-gan', '--split=test/london', f'--output={output}']
    code, out, err = study('failures', *arguments)
    assert (code, err.count('error')) == (0, 0)
    names = 'yaw', 'misalignment', 'light', 'occlusion', 'lr_images', 'expression', 'colour', 'worst-test-london'
    for name in names:
        assert Image.open(output / f'{name}.png').size[0] > 400
        assert f'{name}.png' in out
    with (output / 'failures.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    found = json.loads((output / 'failures.json').read_text())
    unaltered = [float(row['gln_psnr']) for row in rows if row['condition'] == 'unaltered']
    means = {(row['split'], row['condition'], row['level']): row for row in found['means']}
    assert len(unaltered) == 6 and means['all', 'unaltered', '']['gln'] == pytest.approx(np.mean(unaltered), abs=1e-3)
    shift = means['all', 'unaltered', '']['gain'] - means['all', 'shift', 2]['gain']
    assert found['losses']['loss at 2 px shift (2)']['in gain over bicubic'] == pytest.approx(shift)
    gained = dict(re.findall(r'\| `(x8-fast\S*)` \| blindly \| \S+ \| (\S+) \|', out))
    assert float(gained['x8-fast']) == pytest.approx(means['all', 'LR image', 'bicubic reduction']['gain'], abs=0.006)
    assert float(gained['x8-fast']) > float(gained['x8-fast-gan']) + 0.05
    assert 'CC BY 4.0' in out and 'loss at 5 % scale' in out

    monkeypatch.setattr(failures, '_psnr', no_more)
    monkeypatch.setattr(failures.colour, 'psnr', no_more)
    monkeypatch.setattr(failures.measure_damage, 'gains', no_more)
    text = (output / 'failures.md').read_text()
    assert study('failures', *arguments)[0] == 0 and (output / 'failures.md').read_text() == text
    code, _, err = study('failures', *arguments, '--images=2')
    assert code == 2 and err.count('\n') == 1 and 'images: None there, 2 now' in err


def test_all_conditions_change_what_they_are_named_for():
    from gln_jax import config
    found = conditions.every(config.default())
    assert found[0].key == conditions.UNALTERED and len({condition.key for condition in found}) == len(found)
    image = drawing.draw_face(1)
    face = failures.face_data.Face(image, 'a.png', 'drawn', '')
    for condition in found[1:]:
        assert condition.alter or condition.lr_of or condition.kind == conditions.SEEN_PART
        if condition.alter:
            changed = conditions.Altered([face], condition.alter, condition.level)[0]
            assert changed.file == 'a.png' and (changed.image != image).any()


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / 'letter.txt').write_text('dear')
    with pytest.raises(results.errors.InputError, match='holds other files'):
        results.claimed(tmp_path, {'study': 'failures'})
    with pytest.raises(results.errors.InputError, match='is, or lies below, a file'):
        results.claimed(tmp_path / 'letter.txt', {'study': 'failures'})
    assert [path.name for path in tmp_path.iterdir()] == ['letter.txt']


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, 'SECONDS_BETWEEN_REPORTS', 0.0)
    folder, calls = results.claimed(tmp_path / 'new', {'study': 'x', 'splits': ('a',)}), []

    def job(name):
        def made():
            calls.append(name)
            if name == 'c/d' and calls.count(name) == 1:
                raise KeyboardInterrupt
            return {'value': name}
        return made
    jobs = {name: job(name) for name in ('a', 'b 1', 'c/d')}
    with pytest.raises(KeyboardInterrupt):
        results.worked_through(folder, jobs)
    assert '1 of 3 scored' in capsys.readouterr().err
    results.claimed(tmp_path / 'new', {'study': 'x', 'splits': ['a']})
    assert results.worked_through(folder, jobs) == {name: {'value': name} for name in jobs}
    assert calls == ['a', 'b 1', 'c/d', 'c/d']


@pytest.mark.parametrize('arguments, said', [
    (['--ckpt=nowhere', '--output=x'], 'nowhere: no such workdir'),
    (['--ckpt=x8-fast', '--output=x', '--split=test/moon'], "there is no split 'test/moon'"),
    (['--ckpt=x8-fast', '--output=x', '--images=none'], "'none' is not a whole number above 0"),
    (['--ckpt=x8-fast', '--output=x', '--split=,'], 'argument --split: is empty'),
])
def test_bad_input_is_told_in_one_line(study, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = study('failures', *arguments)
    assert code == 2 and said in err.splitlines()[-1] and not (tmp_path / 'x').exists()


def test_numbers_as_they_are_told():
    assert markdown.mean([-0.001], sign='+') == '+0.00' and markdown.mean_and_interval([1.0], ['a']) == '1.00'
    assert markdown.mean_and_interval([1.0] * 20, list(range(20)), sign='+') == '+1.00 [+1.00, +1.00]'
    assert markdown.mean_and_interval([1.0] * 19, list(range(19))) == '1.00'  # as evaluate and the report have it
    assert markdown.table(['a', 'b'], [['1', '2']]) == '| a | b |\n| --- | --- |\n| 1 | 2 |'
    assert 'CC BY' in markdown.credit(['london']) and 'mind them' in markdown.credit(['lfw'])
    assert scoring.spread(5, None) == [0, 1, 2, 3, 4]
