"""Scores, files and the picture grid of evaluation, on made-up faces and with stand-ins for the network."""

import csv
import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from gln_jax import images, metrics
from gln_jax import config as settings
from gln_jax.evaluation import one_network, scoring
from gln_jax.runtime import errors, picture_grid
from made_up import Face, made_up_faces


def config_for(scale=8, degradation='gaussian'):
    config = settings.default()
    config.scale, config.degradation = scale, degradation
    return config


def bicubic(lr):
    return images.upsample(lr, images.FACE_SIZE // lr.shape[1], 'bicubic')


def silent(upsampler, config, faces, protocol='paper', checkpoint='', **options):
    network = one_network.Network(upsampler, config, checkpoint)
    return one_network.evaluate(network, faces, one_network.How(protocol), progress=False, **options)


def rows_of(folder):
    with open(folder / 'scores.csv', newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp('evaluation') / 'made' / 'scores'
    faces = made_up_faces(20)  # more than one batch, and the last one is not full
    summary = silent(lambda lr: bicubic(lr) + 0.01, config_for(), faces, output=folder, data='made up', checkpoint='c')
    return faces, summary, folder


def test_files_hold_what_was_returned(scored):
    faces, summary, folder = scored
    assert sorted(path.name for path in folder.iterdir()) == ['faces.png', 'scores.csv', 'scores.json']
    written = json.loads((folder / 'scores.json').read_text())
    assert written == json.loads(json.dumps(summary))
    assert {key: written[key] for key in ('scale', 'protocol', 'images', 'identities', 'data', 'checkpoint')} == dict(
        scale=8, protocol='paper', images=20, identities=20, data='made up', checkpoint='c')
    assert list(written['methods']) == ['nearest', 'bilinear', 'bicubic', 'gln']
    for score in written['methods'].values():
        assert score['psnr_interval'][0] < score['psnr'] < score['psnr_interval'][1]
        assert score['ssim_interval'][0] < score['ssim'] < score['ssim_interval'][1]


def test_csv_has_a_row_per_image_and_method_and_the_means_of_json(scored):
    faces, summary, folder = scored
    rows = rows_of(folder)
    assert [(row['file'], row['method']) for row in rows] == [
        (face.file, method) for face in faces for method in summary['methods']]
    assert (rows[0]['source'], rows[0]['identity']) == ('made_up', 'person 0')
    for method, score in summary['methods'].items():
        for name in scoring.MEASURES:
            values = [float(row[name]) for row in rows if row['method'] == method]
            assert np.mean(values) == pytest.approx(score[name], abs=1e-4)


@pytest.mark.parametrize('scale, degradation', [(8, 'gaussian'), (4, 'bicubic')])
def test_interpolation_is_scored_as_by_hand(tmp_path, scale, degradation):
    faces = made_up_faces(2)
    silent(bicubic, config_for(scale, degradation), faces, protocol='rgb', output=tmp_path)
    by_hand = {}
    for face in faces:
        lr = images.degrade(jnp.asarray(face.image / 255, jnp.float32), scale, degradation)
        for method in ('nearest', 'bilinear', 'bicubic'):
            restored = np.clip(images.upsample(lr, scale, method), 0, 1)
            by_hand[face.file, method] = peak_signal_noise_ratio(face.image / 255, restored, data_range=1)
    for row in rows_of(tmp_path):
        if row['method'] in ('nearest', 'bilinear', 'bicubic'):
            assert float(row['psnr']) == pytest.approx(by_hand[row['file'], row['method']], abs=2e-3)


def test_sharpness_and_consistency_tell_too_little_and_too_much_detail():
    def scores_of(upsampler):
        return silent(upsampler, config_for(), made_up_faces(3))['methods']['gln']

    faces = iter([images.luminance(jnp.stack([face.image for face in made_up_faces(3)] * 6)[:16] / 255)])
    truth = scores_of(lambda lr: next(faces)[jnp.array([0, 1, 2] + 13 * [2])])
    assert truth['sharpness'] == pytest.approx(1, abs=1e-3) and truth['consistency'] is None  # infinite
    smooth = scores_of(bicubic)
    checkered = scores_of(lambda lr: bicubic(lr) + 0.2 * (jnp.indices((128, 128)).sum(0) % 2)[..., None])
    assert smooth['sharpness'] < 0.9 < 1.1 < checkered['sharpness']
    brighter = scores_of(lambda lr: bicubic(lr) + 0.05)  # wrong in the LR pixels too, by 0.05: 26 dB
    assert brighter['consistency'] == pytest.approx(26, abs=0.5) and smooth['consistency'] > 30


@pytest.mark.parametrize('protocol', metrics.PROTOCOLS)
def test_network_that_interpolates_scores_as_interpolation(protocol):
    methods = silent(bicubic, config_for(), made_up_faces(3), protocol=protocol)['methods']
    assert methods['gln'] == methods['bicubic']
    assert methods['gln']['psnr'] > methods['nearest']['psnr']


def test_network_gets_float_luminance_in_one_shape():
    seen = []
    silent(lambda lr: seen.append(lr) or bicubic(lr), config_for(4), made_up_faces(scoring.BATCH_SIZE + 1))
    assert [lr.shape for lr in seen] == 2 * [(scoring.BATCH_SIZE, 32, 32, 1)]
    assert all(lr.dtype == jnp.float32 for lr in seen)
    levels = 255 * np.asarray(seen[0])
    assert np.abs(levels - np.round(levels)).max() > 0.4  # not rounded to 8 bits
    face = made_up_faces(1)[0].image / 255
    expected = images.degrade(images.luminance(jnp.asarray(face, jnp.float32)), 4)
    np.testing.assert_allclose(seen[0][0], expected, atol=1e-5)


def test_filling_up_the_last_batch_changes_no_score(tmp_path):
    faces = made_up_faces(scoring.BATCH_SIZE + 2)
    silent(bicubic, config_for(), faces, output=tmp_path / 'all')
    silent(bicubic, config_for(), faces[-2:], output=tmp_path / 'two')
    for row, alone in zip(rows_of(tmp_path / 'all')[-8:], rows_of(tmp_path / 'two'), strict=True):
        assert row.items() >= {'file': alone['file'], 'method': alone['method']}.items()
        assert float(row['psnr']) == pytest.approx(float(alone['psnr']), abs=1e-3)


def test_output_beyond_the_range_is_clipped_and_luminance_is_not_taken_through_colour():
    white = Face(np.full((128, 128, 3), 255, np.uint8), 'white.png', '', 'one')
    scores = silent(lambda lr: jnp.ones((len(lr), 128, 128, 1)) * 1.5, config_for(), [white])['methods']['gln']
    assert scores['psnr'] is None and scores['ssim'] == pytest.approx(1)

    blue = Face(np.tile(np.array([0, 0, 255], np.uint8), (128, 128, 1)), 'blue.png', '', 'one')
    brighter = silent(lambda lr: jnp.full((len(lr), 128, 128, 1), 0.114 + 0.1), config_for(), [blue])['methods']['gln']
    assert brighter['psnr'] == pytest.approx(20, abs=1e-3)  # through colour, clipped blue would hide part of the error


def test_json_and_intervals_where_there_are_none(tmp_path, capsys):
    flat = [Face(np.full((128, 128, 3), 255, np.uint8), f'{i}.png', 'flat', '') for i in range(2)]
    summary = silent(lambda lr: jnp.ones((len(lr), 128, 128, 1)), config_for(), flat, output=tmp_path)
    assert summary['identities'] == 2  # an empty identity is somebody else each time
    gln = json.loads((tmp_path / 'scores.json').read_text(), parse_constant=pytest.fail)['methods']['gln']
    assert gln['psnr'] is None and gln['psnr_interval'] is None and gln['ssim'] == pytest.approx(1)
    assert 'inf' in capsys.readouterr().out

    summary = silent(bicubic, config_for(), made_up_faces(4, identities=1))
    assert summary['identities'] == 1
    assert summary['methods']['gln']['psnr_interval'] is None and summary['methods']['gln']['ssim_interval'] is None
    assert summary['methods']['gln']['psnr'] > 10


def test_interval_is_over_identities():
    faces = made_up_faces(40)
    paired = [face._replace(identity=f'{i // 2}') for i, face in enumerate(faces)]  # alike in difficulty
    alone, together = (silent(bicubic, config_for(), each)['methods']['gln'] for each in (faces, paired))
    assert alone['psnr'] == together['psnr']
    assert alone['psnr_interval'] != together['psnr_interval']


def test_no_interval_below_20_people_and_it_is_said(capsys):
    faces = [face._replace(identity=f'{i % 19}') for i, face in enumerate(made_up_faces(20))]
    gln = silent(bicubic, config_for(), faces)['methods']['gln']
    assert gln['psnr_interval'] is None and gln['ssim_interval'] is None
    assert 'too few people for an interval, which takes 20 or more' in capsys.readouterr().out


def test_table_names_what_was_measured(capsys):
    silent(bicubic, config_for(), made_up_faces(3), protocol='y-crop8', data='made up', checkpoint='run 7')
    printed = capsys.readouterr()
    for text in ('y-crop8', '3 images', '8x', 'gaussian', 'made up', 'run 7', 'PSNR', 'SSIM', 'nearest', 'gln'):
        assert text in printed.out
    assert printed.err == ''


def test_progress_tells_the_time_left(monkeypatch, capsys):
    monkeypatch.setattr(scoring, 'SECONDS_BETWEEN_REPORTS', 0.0)
    one_network.evaluate(one_network.Network(bicubic, config_for()), made_up_faces(scoring.BATCH_SIZE + 1))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith('16 of 17 faces, ') and lines[-1] == '17 of 17 faces, 0 s left'


def test_limit_spreads_over_the_set(tmp_path):
    summary = silent(bicubic, config_for(), made_up_faces(10), output=tmp_path, limit=2)
    assert summary['images'] == 2
    assert sorted({row['file'] for row in rows_of(tmp_path)}) == ['test/made_up/002.png', 'test/made_up/007.png']
    assert silent(bicubic, config_for(), made_up_faces(3), limit=50)['images'] == 3


def test_bad_input_is_named_before_any_work(tmp_path):
    def untouched(lr):
        raise AssertionError('the network ran')
    faces = made_up_faces(1)
    with pytest.raises(errors.InputError, match='rgbx.*paper, rgb, y, y-crop8'):
        silent(untouched, config_for(), faces, protocol='rgbx')
    with pytest.raises(errors.InputError, match='my data: there are no faces'):
        silent(untouched, config_for(), [], data='my data')
    (tmp_path / 'file').touch()
    for output in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        with pytest.raises(errors.InputError, match='file'):
            silent(untouched, config_for(), faces, output=output)


def test_only_its_own_files_are_replaced(tmp_path):
    (tmp_path / 'faces.png').write_text('a picture of somebody')
    with pytest.raises(errors.InputError, match='faces.png.*another folder'):
        silent(bicubic, config_for(), made_up_faces(1), output=tmp_path)
    assert (tmp_path / 'faces.png').read_text() == 'a picture of somebody'
    (tmp_path / 'faces.png').unlink()
    (tmp_path / 'notes.txt').write_text('mine')
    for protocol in ('paper', 'y'):
        silent(bicubic, config_for(), made_up_faces(1), protocol=protocol, output=tmp_path)
    assert json.loads((tmp_path / 'scores.json').read_text())['protocol'] == 'y'
    assert (tmp_path / 'notes.txt').read_text() == 'mine'
    assert len(list(tmp_path.iterdir())) == 4


def test_diverged_network_is_a_failed_run(tmp_path):
    def diverged(lr):
        return bicubic(lr).at[1, 0, 0].set(jnp.nan)
    with pytest.raises(errors.RunError, match='gln.*not finite.*001.png'):
        silent(diverged, config_for(), made_up_faces(3), output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_picture_shows_input_bicubic_network_and_truth(scored):
    faces, _, folder = scored
    page = np.asarray(Image.open(folder / 'faces.png')).astype(int)
    assert page.shape[1] == picture_grid.GAP + 4 * (256 + picture_grid.GAP)
    for i in scoring.spread(len(faces), one_network.PICTURED_FACES):
        truth = jnp.asarray(faces[i].image / 255, jnp.float32)
        lr = images.degrade(truth, 8)
        expected = [images.upsample(lr, 8, 'nearest'), bicubic(lr), bicubic(lr) + 0.01, truth]
        for column, picture in enumerate(map(images.to_bytes, expected)):
            middle = page[:, picture_grid.GAP + column * (256 + picture_grid.GAP) + 128]  # a line of pixels down the column
            line = picture[:, 64].repeat(2, 0).astype(int)
            differences = [np.abs(middle[top:top + 256] - line).max() for top in range(len(middle) - 255)]
            assert min(differences) <= 1  # there and back between RGB and YUV
