"""Warnings on restored faces: calibrated on val, carried by weights files, given by the command."""

import dataclasses
import json
import types

import cv2
import jax
import numpy as np
from PIL import Image
import pytest

from gln_jax import config, images, upsample, weights
from gln_jax.data.faces import Face
from gln_jax.data.synthetic import drawing
from gln_jax.models import factory
from gln_jax.photos import face_upsampling, restoring, uncertainty
from gln_jax.runtime import errors
from tools import measure_uncertainty, photograph_figure


def photo(span=128):
    """(uint8 RGB [H, W, 3], its eyes): a drawn face, whose aligned square spans `span` pixels, in a photograph."""
    border, zoom = 60, span / 128
    wide = cv2.copyMakeBorder(drawing.draw_face(2), *[border] * 4, cv2.BORDER_REPLICATE)
    size = [round(zoom * len(wide))] * 2
    return np.asarray(Image.fromarray(wide).resize(size)), (np.array(images.TEMPLATE_EYES) + border + 0.5) * zoom - 0.5


def disagreement(size):
    return face_upsampling.Disagreement(size, 2 * size)


def calibration(share=0.1):
    """Of faces that are the worse in everything, the higher their number."""
    numbers = np.arange(100)
    return measure_uncertainty.calibrate(60 - 0.2 * numbers, [disagreement(1 + number) for number in numbers], 'made-up', share)


def test_the_share_that_was_asked_for_is_warned_of():
    found = calibration(0.1)
    for known in (True, False):
        warned = [found.is_doubtful(60 - 0.2 * number, disagreement(1 + number) if known else None)
                  for number in range(100)]
        assert warned == [False] * 90 + [True] * 10


def test_doubt_is_in_standard_deviations_of_the_validation_faces():
    found = calibration()
    consistencies = 60 - 0.2 * np.arange(100)
    assert found.doubt(consistencies.mean()) == pytest.approx(0, abs=1e-9)
    assert found.doubt(consistencies.mean() - consistencies.std()) == pytest.approx(1)
    both = found.doubt(50, disagreement(20)), found.doubt(50, disagreement(25)), found.doubt(49, disagreement(25))
    assert both[0] < both[1] < both[2]


def test_perfect_figures_are_numbers_too():
    found = calibration()
    assert np.isfinite(found.doubt(np.inf, disagreement(0.0))) and not found.is_doubtful(np.inf, disagreement(0.0))


def test_a_calibration_survives_json():
    found = calibration()
    assert uncertainty.from_dict(json.loads(json.dumps(dataclasses.asdict(found)))) == found
    with pytest.raises(TypeError):
        uncertainty.from_dict({'means': [1]})


@pytest.fixture(scope='module')
def plain():
    """A small network before training, as `weights.Loaded`."""
    settings = config.default()
    settings.network = 'gln3'
    start = jax.jit(factory.generator(settings).init)(jax.random.key(0), np.zeros((1, 16, 16, 1), np.float32))
    return weights.Loaded(settings, jax.device_get(start['params']), 'fresh', {})


def weights_file(path, loaded, monkeypatch, known=None):
    with monkeypatch.context() as patch:
        patch.setattr(weights, 'load_generator', lambda _: loaded)
        weights.export('fresh', path, trust=known and dataclasses.asdict(known))
    return path


def limits(most_doubt):
    return uncertainty.Calibration((-45.0, 1.0, 2.0), (2.0, 0.3, 0.3), most_doubt, most_doubt, 'made-up')


def test_weights_files_carry_the_calibration_also_when_exported_again(plain, tmp_path, monkeypatch):
    first = weights_file(tmp_path / 'a.safetensors', plain, monkeypatch, limits(1.5))
    weights.export(first, tmp_path / 'b.safetensors')
    assert face_upsampling.load(tmp_path / 'b.safetensors').calibration == limits(1.5)
    assert face_upsampling.load(weights_file(tmp_path / 'c.safetensors', plain, monkeypatch)).calibration is None


@pytest.mark.parametrize('most_doubt, warned', [(-99.0, True), (99.0, False), (None, False)])
def test_the_command_warns_where_the_doubt_is_above_the_limit(plain, tmp_path, monkeypatch, capsys, most_doubt, warned):
    known = None if most_doubt is None else limits(most_doubt)
    file = weights_file(tmp_path / 'x8.safetensors', plain, monkeypatch, known)
    lr = np.asarray(images.degrade(drawing.draw_face(1) / np.float32(255), 8))
    Image.fromarray(np.round(255 * np.clip(lr, 0, 1)).astype(np.uint8)).save(tmp_path / 'face.png')
    upsample.main(['-i', str(tmp_path / 'face.png'), '-o', str(tmp_path / 'out'), '--ckpt', str(file), '--aligned'])
    face, = json.loads((tmp_path / 'out/report.json').read_text())['files'][0]['faces']
    assert face['warnings'] == ([uncertainty.UNSURE] if warned else []) and ('doubt' in face) == (most_doubt is not None)
    assert ('likely invented' in capsys.readouterr().out) == warned


def test_a_face_smaller_than_the_lr_grid_is_warned_of_without_any_calibration(plain):
    upsampler = face_upsampling.FaceUpsampler(plain)
    warnings = []
    for image, eyes in (photo(20), photo(12)):
        warnings.append(restoring.restore(image, [eyes], upsampler, disagreement=False).faces[0].trust.warnings)
    assert warnings[0] == () and '12 pixels only, fewer than the 16' in warnings[1][0]


@pytest.mark.parametrize('scale, enough', [(8, 14.4), (4, 22.4), (2, 41)])
def test_no_face_is_too_small_for_the_network_for_its_size(plain, scale, enough):
    settings = plain.config.copy_and_resolve_references()
    settings.scale = scale
    upsampler = face_upsampling.FaceUpsampler(plain._replace(config=settings))
    restored = types.SimpleNamespace(consistency=[40.0], network_consistency=[40.0], disagreement=[None])
    warned = [uncertainty.judged(upsampler, restored, pixels)[0].warnings for pixels in (enough, enough - 0.1)]
    assert warned[0] == () and 'pixels only' in warned[1][0]


def test_the_measuring_command_ranks_warns_and_writes_weights(plain, tmp_path, monkeypatch, capsys):
    faces = tmp_path / 'faces'
    for split, seeds in (('val', range(8)), ('test/drawn', range(8, 20))):
        for seed in seeds:
            (faces / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawing.draw_face(seed)).save(faces / split / f'{seed}.png')
    file = weights_file(tmp_path / 'x8.safetensors', plain, monkeypatch)
    arguments = ['--ckpt', str(file), '--data', str(faces), '--directory', str(tmp_path / 'tfds'),
                 '--split', 'test/drawn', '--output', str(tmp_path / 'trusted.safetensors')]
    measure_uncertainty.main(arguments)
    told = capsys.readouterr().out
    lines = told.splitlines()
    gains = {line.split()[0]: float(line.split()[-1]) for line in lines
             if line.startswith(('val ', 'test/drawn ')) and '+' in line}
    assert set(gains) == {'val', 'test/drawn'} and min(gains.values()) > 0  # an untrained network is not consistent
    found = face_upsampling.load(tmp_path / 'trusted.safetensors').calibration
    assert found.data == '8 faces of val' and np.isfinite(found.most_doubt)


def test_an_output_that_is_there_is_told_before_the_network_is_loaded(tmp_path, command):
    (tmp_path / 'trusted.safetensors').touch()
    code, _, told = command(measure_uncertainty.main, '--ckpt=nowhere', '--data=nowhere',
                            f'--output={tmp_path}/trusted.safetensors')
    assert code == 2 and told.endswith('trusted.safetensors: is there already; name another file or remove it\n')


def test_whom_the_limits_warn_of_is_counted_by_group(tmp_path, monkeypatch):
    groups = [('female', 10), ('female', 30), ('male', 30), ('male', 30)]
    faces = [Face(None, f'test/{number}.png', 'drawn', '') for number in range(100)]
    (tmp_path / 'index.csv').write_text('file,split,source,age,gender\n' + ''.join(
        f'{face.file},test,drawn,{age},{gender}\n' for number, face in enumerate(faces) for gender, age in [groups[number // 25]]))
    numbers = np.arange(100)  # the last ten are warned of; of these, and before them, five each are the worst
    psnr = np.where((numbers >= 85) & (numbers < 95), 10.0, 20.0)
    monkeypatch.setattr(measure_uncertainty, 'measure', lambda *_: measure_uncertainty.Measured(
        psnr, psnr, 60 - 0.2 * numbers, [disagreement(1 + number) for number in numbers]))
    upsampler = types.SimpleNamespace(calibration=calibration(0.1))
    lines = measure_uncertainty.groups_table(upsampler, [faces], tmp_path)
    cells = {name: row for name, *row in (line[2:-2].split(' | ') for line in lines[2:])}
    assert cells['all'] == ['100', '19.00', '10.0%', '5 of 10', '0.94']
    assert cells['drawn, male'] == ['50', '18.00', '20.0%', '5 of 10', '0.88']
    assert cells['drawn, female'] == ['50', '20.00', '0.0%', '0 of 0', '']
    assert cells['drawn, 0 to 12 years'][0] == '25' and cells['drawn, 20 to 39 years'][0] == '75'


def test_auroc_is_the_chance_of_the_right_order():
    is_positive = np.array([True, False, True, False])
    assert measure_uncertainty.auroc(np.array([4.0, 1, 3, 2]), is_positive) == 1
    assert measure_uncertainty.auroc(np.array([1.0, 1, 1, 1]), is_positive) == 0.5
    assert measure_uncertainty.auroc(np.array([2.0, 1, 0, 3]), is_positive) == 0.25


def test_the_whole_way_is_shown(plain, tmp_path, monkeypatch, capsys):
    file = weights_file(tmp_path / 'x8.safetensors', plain, monkeypatch)
    Image.fromarray(photo()[0]).save(tmp_path / 'me.png')
    way = str(tmp_path / 'way.png')
    photograph_figure.main([str(tmp_path / 'me.png'), '--ckpt', str(file), '--output', way, '--crop', '24'])
    assert Image.open(way).size[0] == 10 + 6 * (photograph_figure.CELL + 10)
    with pytest.raises(errors.InputError, match='wall: no face was found'):
        photograph_figure.row(np.full((99, 99, 3), 80, np.uint8), 'wall', 16, face_upsampling.load(file))


def test_the_way_is_of_the_face_nearest_to_the_middle_and_not_of_the_largest(plain):
    beside, ahead = photo(192)[0], photo(128)[0]
    wide = np.full((len(beside), 2 * beside.shape[1] + ahead.shape[1], 3), ahead[0, 0])
    wide[:, :beside.shape[1]] = beside
    wide[:len(ahead), beside.shape[1]:-beside.shape[1]] = ahead
    _, captions = photograph_figure.row(wide, 'two', 24, face_upsampling.FaceUpsampler(plain))
    width = int(captions[0].partition('x')[0])
    assert width == pytest.approx(wide.shape[1] * 24 / 128, rel=0.15), 'two thirds of it would be by the larger face'
