"""The report of a comparison, from a made-up record and made-up scores."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from gln_jax import metrics
from gln_jax.evaluation import one_network, scoring
from gln_jax.evaluation.comparison import report

NETWORK = {'kind': 'network', 'network': 'fast', 'checkpoint': 'x8-fast', 'parameters': '0123456789abcdef'}
METHODS = {'nearest': {'kind': 'interpolation'},
           'pca': {'kind': 'fitted', 'settings': {'components': 256}, 'faces': 12898, 'fit': 'fedcba9876543210'},
           'gln': NETWORK}
RECORD = {
    'data': {'name': 'faces', 'prepared': 'folder_faces/faces-1/1.0.0'}, 'splits': ['test/many', 'test/few'],
    'limit': None, 'protocol': 'y', 'scale': 8, 'degradation': 'gaussian', 'methods': METHODS,
    'command': 'python evaluate.py --ckpt=x8-fast --methods=nearest,pca', 'commits': ['abc', 'def+'],
    'processor': '2 cores of Some Processor', 'devices': '1 x cpu', 'versions': {'python': '3.11.7', 'jax': '0.10.2'},
    'batch': 16, 'seconds_per_face': {'nearest': 0.000123, 'pca': 0.00456, 'gln': 0.0789}}


def made_up_scores(people, seed, images_each=2):
    """Methods' scores rise and fall together from face to face, as those of real methods do."""
    generator = np.random.default_rng(seed)
    names = [(f'{place}.png', 'made_up', f'person {place // images_each}') for place in range(people * images_each)]
    hard = generator.normal(0, 2, people).repeat(images_each)
    values = {method: {'psnr': 22 + better + hard + generator.normal(0, 0.3, len(hard)),
                       'ssim': 0.6 + better / 10 + hard / 100, 'consistency': 40 + hard, 'sharpness': 0.8 + hard / 50}
              for better, method in enumerate(METHODS)}
    return scoring.Scores(names, values, {})


SCORES = {'test/many': made_up_scores(30, 0), 'test/few': made_up_scores(5, 1)}


def put(folder, record=RECORD, scores=SCORES):
    folder.mkdir(exist_ok=True)
    (folder / report.RECORD).write_text(json.dumps(record))
    for split, of_split in scores.items():
        (folder / report.csv_of(split)).write_text(one_network.as_csv(of_split))
    return folder


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    folder = put(tmp_path_factory.mktemp('report') / 'first')
    return folder, report.write(folder)


def test_report_is_made_again_bit_for_bit(written, tmp_path):
    folder, _ = written
    again = tmp_path / 'again'
    again.mkdir()
    for name in (report.RECORD, 'test-many.csv', 'test-few.csv'):
        shutil.copy(folder / name, again / name)
    (tmp_path / 'matplotlibrc').write_text('axes.facecolor: red\nfont.size: 20\n')  # a style that the user likes
    done = subprocess.run([sys.executable, '-m', 'gln_jax.evaluation.comparison.report', str(again)], capture_output=True, text=True,
                          cwd=pathlib.Path(__file__).parent.parent,
                          env=os.environ | {'MATPLOTLIBRC': str(tmp_path / 'matplotlibrc'), 'PYTHONHASHSEED': '1'})
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in again.iterdir()) == sorted(path.name for path in folder.iterdir())
    assert {'report.md', 'report.json', 'psnr_difference.png', 'sharpness.png', 'seconds.png'} <= set(report.FILES)
    for name in report.FILES:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_difference_has_the_interval_of_the_differences_over_people(written):
    _, summary = written
    scores = SCORES['test/many']
    for measure, digits in (('psnr', 1e-5), ('ssim', 1e-5)):  # the CSV has six digits
        differences = scores.values['pca'][measure] - scores.values['gln'][measure]
        difference = summary['results']['test/many']['minus_gln']['pca']
        assert difference[measure] == pytest.approx(differences.mean(), abs=digits)
        assert difference[f'{measure}_interval'] == pytest.approx(
            metrics.bootstrap_interval(differences, groups=scores.people), abs=digits)
    of_pca = summary['results']['test/many']['methods']['pca']
    assert of_pca['psnr_interval'] == pytest.approx(
        metrics.bootstrap_interval(scores.values['pca']['psnr'], groups=scores.people), abs=1e-5)
    paired = summary['results']['test/many']['minus_gln']['pca']['psnr_interval']
    assert np.ptp(paired) < 0.3 * np.ptp(of_pca['psnr_interval'])  # what makes a face hard falls out
    assert 'gln' not in summary['results']['test/many']['minus_gln']


def test_test_set_too_small_for_an_interval_is_said_so(written):
    folder, summary = written
    few = summary['results']['test/few']
    assert few['identities'] == 5 and few['methods']['pca']['psnr_interval'] is None
    assert few['minus_gln']['pca']['psnr'] == pytest.approx(-1, abs=0.5)
    text = (folder / 'report.md').read_text()
    many, few = text.split('## test/few')
    assert 'too small for an interval' in few and 'too small' not in many and '[' in many.split('## test/many')[1]


def test_text_says_what_was_compared_and_how(written):
    text = (written[0] / 'report.md').read_text()
    for said in ('at 8x', 'faces', 'folder_faces/faces-1', '16x16 to 128x128', 'gaussian degradation', '`y`',
                 'abc, def+', RECORD['command'], '2 cores of Some Processor', 'batches of 16',
                 'test/many: 60 faces of 30 people',
                 'fitted on 12,898 training faces; components 256', 'network fast, `x8-fast`', '0.00012 |', '0.079 |',
                 *report.report_plots.PLOTS, 'faces-test-many.png'):
        assert said in text, said
    psnr = SCORES['test/many'].values['nearest']['psnr'].mean()
    assert f'| nearest | {psnr:.2f} [' in text


def test_plots_are_pictures_that_name_no_program(written):
    for name in report.report_plots.PLOTS:
        picture = Image.open(written[0] / name)
        assert picture.size[0] > 600 and 'Software' not in picture.info
        assert len(np.unique(np.asarray(picture.convert('L')))) > 10


def test_what_is_not_finite_is_said_so(tmp_path):
    scores = made_up_scores(30, 2)
    for method in ('pca', 'gln'):
        scores.values[method]['psnr'][3] = np.inf  # two faces without any error
    summary = report.write(put(tmp_path, RECORD | {'splits': ['test']}, {'test': scores}))
    json.loads((tmp_path / 'report.json').read_text(), parse_constant=pytest.fail)
    result = summary['results']['test']
    assert result['methods']['pca']['psnr'] is None and result['minus_gln']['pca']['psnr_interval'] is None
    assert result['methods']['nearest']['psnr_interval'] and result['methods']['pca']['ssim_interval']
    assert '| pca | not finite |' in (tmp_path / 'report.md').read_text()


def remove(name):
    return lambda folder: (folder / name).unlink()


def overwrite(name, change):
    return lambda folder: (folder / name).write_text(change((folder / name).read_text()))


@pytest.mark.parametrize('spoil, said', [
    (remove('comparison.json'), 'no comparison.json'),
    (overwrite('comparison.json', lambda text: text[:-20]), 'comparison.json: is damaged'),
    (overwrite('comparison.json', lambda text: '[]'), 'comparison.json: is damaged'),
    (overwrite('comparison.json', lambda text: '{"methods": {}}'), 'comparison.json: is damaged'),
    (remove('test-few.csv'), 'test-few.csv: is not there'),
    (overwrite('test-few.csv', lambda text: text[:len(text) // 2]), 'test-few.csv: is damaged'),
    (overwrite('test-few.csv', lambda text: text.replace('pca', 'mzq')), 'test-few.csv: is damaged'),
    (overwrite('test-few.csv', lambda text: ''), 'test-few.csv: is damaged')])
def test_bad_input_is_told_in_one_line(tmp_path, command, spoil, said):
    folder = put(tmp_path / 'report')
    spoil(folder)
    code, _, told = command(report.main, folder)
    assert code == 2 and told.count('\n') == 1 and said in told
    assert not any((folder / name).exists() for name in report.FILES)
