"""The benchmarks write down what they measure; here at faces of 32x32 pixels, for no longer than it takes to see that."""

import json
import re

import numpy as np
from PIL import Image
import pytest

from benchmarks import input_pipeline, speed
from gln_jax import config as settings
from gln_jax.evaluation import scoring


@pytest.fixture
def small(monkeypatch):
    config = settings.default()
    config.face_size = 32
    monkeypatch.setattr(settings, 'default', config.copy_and_resolve_references)
    monkeypatch.setattr(speed, 'MATRIX_SIZE', 256)
    monkeypatch.setattr(scoring, 'SECONDS_EACH', 0.0)


def test_a_row_has_the_networks_size_and_its_rates(small, monkeypatch, capsys):
    monkeypatch.setattr(speed, '_cold_starts', lambda options, dtype: (7.0, 2.0) if dtype == 'float32' else None)
    speed.main(['--networks=gn_only', '--scales=8', '--batch-sizes=4', '--dtypes=float32,bfloat16'])
    *_, in_float32, in_bfloat16, starts = capsys.readouterr().out.splitlines()
    for row, dtype in ((in_float32.split(), 'float32'), (in_bfloat16.split(), 'bfloat16')):
        assert row[:5] == ['gn_only', '8', dtype, '4', 'fourier'] and row[6] == '399,104'
        assert float(row[7]) > float(row[9]) > 0, 'training is slower than restoring'
    assert re.findall(r'([\d.]+) s', starts) == ['7.0', '2.0']


def test_a_second_cold_start_is_shorter_by_the_programs_that_the_first_compiled():
    options = speed._parser().parse_args(['--networks=gn_only', '--scales=8', '--batch-sizes=4'])
    cold, warm = speed._cold_starts(options, 'float32')
    assert cold > warm > 0


def test_both_forms_are_measured_and_written_down(small, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, '_cold_starts', lambda *_: (0, 0))
    speed.main(['--networks=gln4', '--scales=8', '--batch-sizes=4', '--forms=direct,fourier', f'--json={tmp_path / "rows"}'])
    direct, fourier = json.loads((tmp_path / 'rows').read_text())
    for row, form in ((direct, 'direct'), (fourier, 'fourier')):
        assert (row['network'], row['scale'], row['batch_size'], row['form']) == ('gln4', 8, 4, form)
        assert row['restores_per_second'] > 0 < row['trains_per_second']
    assert direct['multiply_adds'] == fourier['multiply_adds'] > 0
    assert direct['memory_bytes'] != fourier['memory_bytes'], 'these are two programs'


def test_multiply_adds_are_those_of_the_direct_form():
    config = settings.default()
    config.network = 'gln4'
    assert speed.multiply_adds(config) == pytest.approx(1.24e9, rel=0.01)


@pytest.mark.parametrize('arguments, message', [
    (['--forms=winograd'], "'winograd' is none of"), (['--networks=gln9'], 'config.network'), (['--scales=3'], 'config.scale'), (['--batch-sizes=3'], '--batch-sizes'),
    (['--dtypes=float33'], "'float33' is none of"), (['--dtypes=auto'], "'auto' is none of")])
def test_what_cannot_be_measured_is_said(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(scoring, 'SECONDS_EACH', 0.0)
    with pytest.raises(SystemExit) as ended:
        speed.main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_input_is_measured_in_each_way_to_read(monkeypatch, capsys, tmp_path):
    for number in range(3):
        face = np.random.default_rng(number).integers(0, 256, (128, 128, 3), np.uint8)
        (tmp_path / 'train').mkdir(exist_ok=True)
        Image.fromarray(face).save(tmp_path / 'train' / f'{number}.png')
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'prepared'))
    monkeypatch.setattr(input_pipeline, 'SECONDS_EACH', 0.2)
    input_pipeline.main([f'--data={tmp_path}', '--workers=0,1', '--batch-size=8', '--device=1000000'])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    assert [row[-4] for row in rows] == ['thread', '1', 'thread', '1']
    assert all(float(row[-3].replace(',', '')) > 0 and float(row[-1][:-1]) > 2 for row in rows), 'nothing is so fast'
