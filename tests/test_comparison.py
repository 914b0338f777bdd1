"""The comparison of methods, from the command line to its files, on a small folder of made-up faces."""

import csv
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

import evaluate
from gln_jax import images, metrics, weights
from gln_jax import config as settings
from gln_jax.data import faces as face_data
from gln_jax.evaluation import scoring
from gln_jax.models import factory
from gln_jax.runtime import errors
from gln_jax.evaluation.comparison import baselines, compare, methods, report
from gln_jax.evaluation.comparison.baselines import fitted, pca

SPLITS = {'train': 24, 'test': 21, 'two': 4, 'lonely': 3}
PEOPLE = {'two': 2, 'lonely': 1}  # in a split; elsewhere everybody is in one picture


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A folder with the faces, the prepared data, the cache and what the comparisons of this file write."""
    root = tmp_path_factory.mktemp('comparison')
    (root / 'made').mkdir()
    y, x = np.mgrid[:128, :128] / 128
    with (root / 'made' / 'index.csv').open('w') as index:
        index.write('file,split,source,identity\n')
        for split, count in SPLITS.items():
            for number in range(count):
                generator = np.random.default_rng([len(split), number])
                waves = [np.sin(2 * np.pi * (generator.uniform(1, 3) * y + channel * x)) for channel in (1, 2, 3)]
                image = 0.5 + 0.3 * np.stack(waves, axis=-1) + generator.normal(0, 0.02, (128, 128, 3))
                Image.fromarray(images.to_bytes(image)).save(root / 'made' / f'{split}{number}.png')
                index.write(f'{split}{number}.png,{split},made,{split}{number % PEOPLE.get(split, count)}\n')
    return root


def network(root, name, scale=8, degradation='gaussian', seed=0):
    """A small GLN of random numbers, as `weights.load_generator` returns it."""
    config = settings.default()
    config.network, config.scale, config.degradation = 'gln3', scale, degradation
    config.data.name, config.data.path, config.data.directory = 'folder', str(root / 'made'), str(root / 'prepared')
    lr = jnp.zeros((1, 128 // scale, 128 // scale, 1))
    shapes = jax.eval_shape(factory.generator(config).init, jax.random.key(0), lr)['params']
    generator = np.random.default_rng(seed)
    parameters = jax.tree.map(lambda leaf: generator.normal(0, 0.05, leaf.shape).astype(np.float32), shapes)
    return weights.Loaded(config, parameters, name, {})


@pytest.fixture(scope='module')
def loaded(root):
    different = {'mine': {}, 'other': {'seed': 1}, 'four': {'scale': 4}, 'bicubic_lr': {'degradation': 'bicubic'}}
    return {name: network(root, name, **settings) for name, settings in different.items()}


@pytest.fixture
def run(root, loaded, monkeypatch, command):
    """Runs evaluate.py on the networks above: (exit code, standard output, standard error)."""
    read = weights.load_generator
    monkeypatch.setattr(weights, 'load_generator', lambda path: loaded.get(path) or read(path))
    monkeypatch.setattr(scoring, 'SECONDS_EACH', 0)
    monkeypatch.setenv('XDG_CACHE_HOME', str(root / 'cache'))
    return lambda *arguments: command(evaluate.main, '--ckpt=mine', '--data', root / 'made', *arguments)


ALL = '--methods=all,other=other'
BOTH = ('--split=test,two', ALL)


@pytest.fixture
def compared(root, run, tmp_path):
    """A copy of the folder of a comparison on two splits."""
    if not (root / 'report').exists():
        code, _, told = run(*BOTH, '--output', root / 'report')
        assert code == 0, told
        (root / 'told').write_text(told)
    return shutil.copytree(root / 'report', tmp_path / 'report')


@pytest.fixture
def scored(monkeypatch):
    """The number of faces in each call of `scoring.score` from now on."""
    calls, score = [], scoring.score
    monkeypatch.setattr(scoring, 'score', lambda *arguments: calls.append(len(arguments[3])) or score(*arguments))
    return calls


def rows_of(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_hold_all_methods_and_gln_last(root, compared):
    names = [*scoring.INTERPOLATIONS, *baselines.METHODS, 'other', 'gln']
    assert sorted(contents(compared)) == sorted([
        report.RECORD, *report.FILES, 'test.csv', 'two.csv', 'faces-test.png', 'faces-two.png'])
    rows = rows_of(compared / 'test.csv')
    assert [row['method'] for row in rows] == 21 * names and {row['identity'] for row in rows} == {
        f'test{number}' for number in range(21)}
    summary = json.loads((compared / 'report.json').read_text(), parse_constant=pytest.fail)
    for split, result in summary['results'].items():
        assert list(result['methods']) == names and list(result['minus_gln']) == names[:-1]
        assert all(score['seconds_per_face'] > 0 for score in result['methods'].values())
    assert summary['results']['test']['methods']['pca']['psnr_interval']
    assert summary['results']['two']['methods']['pca']['psnr_interval'] is None
    assert summary['data']['prepared'].startswith('folder_faces/made-')
    told = (root / 'told').read_text()
    for said in ('pca: fitting on 24 faces', 'pca: fitted in', 'gln: ', 's a face', 'test (1 of 2): scoring'):
        assert said in told


def test_methods_are_scored_as_by_hand(root, loaded, run, compared):
    config = loaded['mine'].config
    faces, train = (face_data.load(config, split) for split in ('test', 'train'))
    face = faces[0]
    luminance = images.luminance(jnp.asarray(face.image[None] / 255, jnp.float32))
    lr = images.degrade(luminance, 8)
    hr = np.stack([train.luminance(number) for number in range(len(train))])
    by_hand = {'bicubic': images.upsample(lr, 8, 'bicubic')}
    for name, method in baselines.METHODS.items():
        by_hand[name] = method.restorer(method.fit(hr, 8, 'gaussian', **method.SETTINGS), 8)(lr)
    by_hand['gln'] = factory.upsampler(config, loaded['mine'].parameters)(lr)
    rows = {row['method']: row for row in rows_of(compared / 'test.csv') if row['file'] == face.file}
    for name, restored in by_hand.items():
        assert float(rows[name]['psnr']) == pytest.approx(metrics.psnr(restored, luminance)[0], abs=2e-2), name


def test_same_command_scores_nothing_twice(run, compared, scored, monkeypatch):
    monkeypatch.setattr(pca, 'fit', None)  # nor is anything fitted, or timed
    before = contents(compared)
    code, out, told = run(*BOTH, '--output', compared)
    assert code == 0 and not scored and 'test: scored before' in told and 'gln' in out
    assert contents(compared) == before


def test_the_same_methods_in_another_order_score_nothing_again(run, compared, scored):
    before = contents(compared)
    others = ','.join([*reversed(methods.known()), 'other=other'])
    assert run('--split=test,two', f'--methods={others}', '--output', compared)[0] == 0
    assert contents(compared) == before and not scored


def test_command_that_was_stopped_goes_on(run, compared, scored):
    before = contents(compared)
    for name in ('two.csv', 'report.md'):
        (compared / name).unlink()
    assert run(*BOTH, '--output', compared)[0] == 0
    assert scored == [4] and contents(compared) == before


@pytest.mark.parametrize('damage', [
    lambda folder: (folder / 'two.csv').write_text((folder / 'two.csv').read_text()[:999]),
    lambda folder: (folder / 'two.csv').write_text(''.join((folder / 'two.csv').open().readlines()[:-len(methods.known()) - 1])),
    lambda folder: (folder / 'faces-two.png').unlink()], ids=['cut', 'a face less', 'no picture'])
def test_damaged_scores_are_scored_again(run, compared, monkeypatch, damage):
    damage(compared)
    begun = []
    monkeypatch.setattr(methods, 'restorers', lambda *arguments: {})
    monkeypatch.setattr(compare, '_score', lambda restorers, config, split, *others: begun.append(split))
    run(*BOTH, '--output', compared)
    assert begun == ['two']


@pytest.mark.parametrize('arguments, said', [
    (['--protocol=y'], 'its protocol: paper there, y now'), (['--images=3'], 'its limit: all there, 3 now'),
    (['--split=test'], 'its splits: test, two there, test now'), (['--methods=pca'], 'its methods: nearest, '),
    (['--methods=all,other=mine'], 'with another other (network gln3 other')])
def test_another_commands_folder_is_refused(run, compared, scored, arguments, said):
    before = contents(compared)
    code, _, told = run(*BOTH, '--output', compared, *arguments)
    assert code == 2 and told.count('\n') == 1 and said in told and 'another folder' in told
    assert contents(compared) == before and not scored


def test_files_of_others_are_not_replaced(run, tmp_path):
    (tmp_path / 'report.md').write_text('mine')
    code, _, told = run('--methods=nearest', '--split=two', '--output', tmp_path)
    assert code == 2 and told.count('\n') == 1 and 'report.md' in told
    assert contents(tmp_path) == {'report.md': b'mine'}


@pytest.mark.parametrize('arguments, said', [
    (['--methods=pcb'], "no method 'pcb'; there are nearest, bilinear, bicubic, pca, mzq"),
    (['--methods='], 'name methods'), (['--methods=,'], 'name methods'),
    (['--methods=a=other,a=mine'], 'a= is there twice'),
    (['--methods=pca=other'], "cannot be called 'pca'"), (['--methods=gln=other'], "cannot be called 'gln'"),
    (['--methods=truth=other'], "cannot be called 'truth'"), (['--methods=lr=other'], "cannot be called 'lr'"),
    (['--methods==other'], "cannot be called ''"),
    (['--methods=a=no_such'], 'no_such: no such workdir, checkpoint or weights file'),
    (['--methods=a=four'], '--methods: a: the scale of four is 4, and 8 is needed'),
    (['--methods=a=bicubic_lr'], '--methods: a: the degradation of bicubic_lr is bicubic, and gaussian is needed'),
    (['--split=test,lonely'], 'lonely: only 1 person'), (['--split=two', '--images=1'], 'two: only 1 person')])
def test_bad_input_is_told_in_one_line_before_any_work(run, tmp_path, scored, arguments, said):
    code, _, told = run('--methods=all', '--output', tmp_path / 'report', *arguments)
    assert code == 2 and told.splitlines()[-1].startswith('error: ') and said in told
    assert told.count('error') == 1 and 'fitting' not in told and not (tmp_path / 'report').exists()


def test_words_are_taken_in_their_order_and_once(loaded):
    gln = loaded['mine']
    assert list(methods.named(' mzq, nearest,mzq ', gln)) == ['mzq', 'nearest', 'gln']
    assert list(methods.named('gln', gln)) == ['gln']
    others = [name for name in baselines.METHODS if name != 'pca']
    assert list(methods.named('pca,all', gln)) == ['pca', *scoring.INTERPOLATIONS, *others, 'gln']


@pytest.fixture
def fit(root, loaded, monkeypatch, tmp_path):
    """`fitted.model` of pca on the training faces, with an empty cache; and how often it was fitted, and the cache."""
    times, pca_fit = [], pca.fit
    monkeypatch.setattr(pca, 'fit', lambda *arguments, **settings: times.append(1) or pca_fit(*arguments, **settings))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    train = face_data.load(loaded['mine'].config, 'train')
    return lambda: fitted.model('pca', train, loaded['mine'].config), times, tmp_path / 'gln_jax' / 'baselines'


def test_what_is_fitted_is_kept(fit):
    model, times, cache = fit
    first, second = model(), model()
    assert len(times) == 1 and len(list(cache.iterdir())) == 1
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize('damage', [lambda content: content[:-100], lambda content: b'',
                                    lambda content: content[:-100] + bytes(100)], ids=['short', 'empty', 'changed'])
def test_damaged_cache_is_fitted_again(fit, damage):
    model, times, cache = fit
    whole = model()
    file, = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    np.testing.assert_array_equal(model()['matrix'], whole['matrix'])
    model()
    assert len(times) == 2


def test_other_faces_scale_degradation_settings_or_sources_are_fitted_again(fit, loaded, monkeypatch, tmp_path):
    def keys_of(split, *names):
        return {fitted.key('pca', face_data.load(loaded[name].config, split), loaded[name].config) for name in names}

    assert keys_of('train', 'mine') == keys_of('train', 'other')  # whichever network it is compared with
    keys = keys_of('train', 'mine', 'four', 'bicubic_lr') | keys_of('two', 'mine')
    assert len(keys) == 4
    model, times, cache = fit
    model()
    monkeypatch.setitem(pca.SETTINGS, 'components', 3)
    model()
    another_version = tmp_path / 'images.py'
    another_version.write_text('# what linear uses is another version')
    monkeypatch.setattr(images, '__file__', str(another_version))
    model()
    assert len(times) == 3 and len(list(cache.iterdir())) == 3


def test_cache_that_cannot_be_written_changes_nothing(fit, monkeypatch, tmp_path, capsys):
    model, times, _ = fit
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    assert model()['matrix'].shape == (128 * 128, 256) and 'not kept' in capsys.readouterr().err


def test_two_splits_of_one_file_name_are_refused(tmp_path, loaded, run):
    train = face_data.load(loaded['mine'].config, 'two')
    with pytest.raises(errors.InputError, match='same file'):
        compare.compare(methods.named('nearest', loaded['mine']), scoring.Task(loaded['mine'].config),
                        [('test/a', train), ('test-a', train)], tmp_path)
