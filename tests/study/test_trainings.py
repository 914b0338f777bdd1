"""The studies that train: what they write, that they continue, what they refuse; at tiny size on drawn faces."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from benchmarks import speed
from configs import variants
from gln_jax import weights
from gln_jax import config as settings
from gln_jax.evaluation import scoring
from gln_jax.runtime import devices
from gln_jax.training import checkpoints, steps
from tools.studies import ablation, adversarial_weight, fine_tuning, runs
from tools.studies import __main__ as door


def no_more(*arguments, **options):
    raise AssertionError('scored again')


TRAINING = ['--source-weights=', '--split=test/london', '--images=4']


def test_ablation_trains_scores_and_continues(study, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, 'BATCH_SIZE', 4)  # on four devices
    output, workdir = tmp_path / 'ablation', tmp_path / 'runs'
    arguments = ['--networks=gn_only', '--faces-seen=16', f'--workdir={workdir}', f'--output={output}', *TRAINING]
    code, out, _ = study('ablation', *arguments)
    assert code == 0 and 'came out' in out
    found = json.loads((output / 'ablation.json').read_text())
    assert [faces for faces, _ in found['validation']['GN-Only']] == [4, 8, 12, 16]
    assert list(found['means']['test/london']) == ['bicubic', 'GN-Only']
    assert 'test/london (4)' in out
    assert found['multiply_adds']['GN-Only'] == pytest.approx(256 * (3 * 256 + 128**2), rel=0.01)
    assert len((output / 'ablation.csv').read_text().splitlines()) == 1 + 2 * 4
    assert Image.open(output / 'ablation.png').size[0] > 400
    monkeypatch.setattr(runs, '_values', no_more)
    before = (workdir / 'gn_only' / 'metrics.jsonl').read_text()
    assert study('ablation', *arguments)[0] == 0
    assert (workdir / 'gn_only' / 'metrics.jsonl').read_text() == before
    code, _, err = study('ablation', *arguments, '--faces-seen=64')
    assert code == 2 and 'faces_seen: 16 there, 64 now' in err


def test_the_order_is_that_of_the_means_and_compared_with_the_last():
    identities = ['a', 'a', 'b', 'b']
    values = {name: {'psnr': np.array([20.0, 21, 22, 23]) + gain} for name, gain in (('A', 0), ('B', 1), ('C', 0.5))}
    scores = scoring.Scores([('file', 'source', identity) for identity in identities], values, {})
    assert ablation.in_order('test', scores, ['A', 'C', 'B']) == (
        "- test: the expected order came out: A 21.50 < C 22.00 < B 22.50")
    assert 'did not come out: A 21.50 < C' in ablation.in_order('test', scores, ['A', 'B', 'C'])
    table = runs.table({'test': scores}, 'B', ('psnr',)).splitlines()
    assert table[2:] == ['| test | A | 21.50 | -1.00 |', '| test | B | 22.50 |  |',
                         '| test | C | 22.00 | -0.50 |'], 'two people have no interval'
    assert runs.together({'test': scores, 'val': scores}).values['A']['psnr'].tolist() == [20, 21, 22, 23] * 2


def test_curves_are_against_faces_and_against_what_training_computes():
    by_faces, by_cost = ablation.panels({'A': [(8, 20.0), (16, 21.0)]}, {'A': 10.0}, 19.0)
    assert by_faces['lines'] == {'A': ([8, 16], [20.0, 21.0])} and by_faces['level'] == ('bicubic', 19.0)
    assert by_cost['lines'] == {'A': ([240.0, 480.0], [20.0, 21.0])} and by_cost['log']


def test_ablation_has_the_settings_of_the_command_line():
    options = door._parser().parse_args(['ablation', '--data=../faces', '--workdir=w', '--output=o'])
    for network, name in zip(options.networks, ('x8_gn_only', 'x8_ln_only', 'x8_gln4', 'x8_gln6', 'x8')):
        config = ablation.config_for(network, options, options.faces_seen)
        assert (config.name, config.network, config.data.path) == (name, network, '../faces')
        assert (config.reconstruction.steps, config.optimizer.warmup_steps) == (200, 20)
        assert config.checkpoint.every_steps == config.log.pictures_every_steps == 50


def test_equal_arithmetic_gives_a_cheaper_network_more_faces():
    options = door._parser().parse_args(['ablation', '--data=../faces', '--workdir=w', '--output=o', '--equal=arithmetic',
                                         '--networks=gln8,gln4,fast', '--faces-seen=800'])
    faces = ablation.faces_of_each(options)
    assert faces['gln8'] == 800 < faces['gln4'] < faces['fast']
    cost = {network: speed.multiply_adds(ablation.config_for(network, options, faces[network])) for network in faces}
    assert faces['fast'] * cost['fast'] == pytest.approx(800 * cost['gln8'], rel=1e-3)


def test_lambda_trains_and_scores(study, tmp_path, monkeypatch):
    file = tmp_path / 'tiny.py'
    file.write_text("from gln_jax import config as settings\n\n\ndef get_config(variant=''):\n"
                    "    config = settings.default()\n    config.network = 'gn_only'\n    config.adversarial.update(\n"
                    '        batch_size=4, discriminator_steps=1, generator_steps=2)\n    config.validation.faces = 2\n'
                    '    return config\n')
    stage_1 = variants.of_file(str(file))
    initial = weights.Loaded(stage_1, steps.create_state(stage_1).average, 'tiny', {})
    monkeypatch.setattr(weights, 'load_for', lambda config, path: initial)
    output, workdir = tmp_path / 'lambda', tmp_path / 'runs'
    arguments = ['--init=tiny', f'--config={file}', '--weights=auto*10', '--turns=1', f'--workdir={workdir}',
                 f'--output={output}', *TRAINING]
    code, out, err = study('lambda', *arguments)
    assert code == 0, err
    assert sorted(path.name for path in workdir.iterdir()) == ['auto', 'auto_times_10']
    found = json.loads((output / 'lambda.json').read_text())
    names = list(found['means']['test/london'])
    assert names[:2] == ['bicubic', 'stage 1'] and found['default'] == names[2]
    lambdas = [float(name.partition('(')[2].rstrip(')')) for name in names[2:]]
    assert lambdas[1] == pytest.approx(10 * lambdas[0], rel=0.01) and lambdas[0] > 0
    assert f'{names[2]} costs' in out and 'of the way' in out
    assert Image.open(output / 'faces.png').size[0] > 5 * 256 and Image.open(output / 'lambda.png').size[0] > 400


def test_share_of_the_way():
    values = {'stage 1': {'sharpness': np.array([0.4, 0.6])}, 'x': {'sharpness': np.array([0.7, 0.8])}}
    assert runs.share_of_the_way(scoring.Scores([], values, {}), 'x') == pytest.approx(0.5)


def test_fine_tuning_scores_every_kept_checkpoint(study, tmp_path):
    config = settings.default()
    config.network = 'gn_only'
    state = jax.jit(lambda: steps.create_state(config))()
    for name, steps_done in (('a', (2, 4)), ('b', (3,))):
        with checkpoints.Checkpoints(tmp_path / name / checkpoints.LATEST, config) as kept:
            for step in steps_done:
                kept.save(step, state.replace(step=jnp.int32(step)))
    output = tmp_path / 'along'
    code, out, err = study('fine-tuning', f'--init={tmp_path / "b"}', f'--runs=a={tmp_path / "a"},b={tmp_path / "b"}',
                           f'--output={output}', '--split=test/london', '--images=4')
    assert code == 0, err
    means = json.loads((output / 'fine_tuning.json').read_text())['means']['test/london']
    assert list(means) == ['bicubic', 'stage 1', 'a, step 2', 'a, step 4', 'b, step 3', *(
        f'unsharp masking, {amount}' for amount in (1, 2, 4)), *(
            f"other faces' detail, {amount}" for amount in (0.5, 0.75, 1))]
    assert means['stage 1'] == means['b, step 3']
    sharpness = {name: means[name]['sharpness'] for name in means}
    along = [sharpness[name] for name in ('stage 1', *list(means)[-6:-3])]
    assert along == sorted(set(along)), 'more unsharp masking is sharper'
    foreign = [sharpness[name] for name in list(means)[-3:]]
    assert foreign == sorted(set(foreign), reverse=True), 'a network that gives noise lacks what is not it'
    assert '| a, step 4 | +0.00' in out
    assert Image.open(output / 'fine_tuning.png').size[0] > 400 and Image.open(output / 'faces.png').size[0] > 4 * 256


def test_fine_tuning_is_scored_by_all_cores(study, tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(devices, 'a_device_per_core', sizes.append)
    study('fine-tuning', '--init=nowhere', '--runs=a=nowhere', f'--output={tmp_path / "x"}')
    assert sizes == [scoring.BATCH_SIZE], 'before the first network is loaded, which starts JAX'


def test_the_change_along_runs_starts_at_the_start():
    values = {name: {'sharpness': np.array([sharpness]), 'psnr': np.array([psnr])} for name, sharpness, psnr in (
        ('stage 1', 0.3, 25), ('a, step 2', 0.4, 24.9), ('b, step 2', 0.35, 24.5), ('a, step 4', 0.5, 24.8))}
    panel, = fine_tuning.panels({'test': scoring.Scores([], values, {})}, ['a', 'b'])
    np.testing.assert_allclose(panel['lines']['a'], [(0.3, 0.4, 0.5), (0, -0.1, -0.2)])
    np.testing.assert_allclose(panel['lines']['b'], [(0.3, 0.35), (0, -0.5)])


@pytest.mark.parametrize('text, factor', [('auto*10', 10), ('auto/10', 0.1), ('auto', None), ('8e3', None)])
def test_multiples_of_auto(text, factor):
    assert adversarial_weight.multiple_of_auto(text) == factor


@pytest.mark.parametrize('arguments, said', [
    (['ablation', '--networks=gln9'], "'gln9' is none of"),
    (['ablation', '--faces-seen=3'], '--faces-seen: must be at least a batch of 8'),
    (['lambda', '--init=x8-fast', '--weights=much'], "'much' is no number"),
    (['lambda', '--init=x8-fast', '--weights=auto/0'], "'auto/0' is no number"),
    (['lambda', '--init=x8-fast', '--config=nowhere.py'], 'nowhere.py: not a config file'),
    (['lambda', '--init=x4-fast'], '--init: the scale of x4-fast is 4, and 8 is needed'),
])
def test_bad_input_of_trainings_is_told_in_one_line(study, arguments, said, tmp_path):
    code, _, err = study(*arguments, f'--workdir={tmp_path / "runs"}', f'--output={tmp_path / "x"}')
    assert code == 2 and said in err.splitlines()[-1] and not list(tmp_path.iterdir())


@pytest.mark.parametrize('arguments, said', [
    (['--runs=patch'], "'patch' is not NAME=RUN"),
    (['--runs=patch=nowhere'], 'nowhere: no such workdir, checkpoint or weights file'),
])
def test_bad_input_of_fine_tuning_is_told_in_one_line(study, arguments, said, tmp_path):
    code, _, err = study('fine-tuning', '--init=x8-fast', *arguments, f'--output={tmp_path / "x"}')
    assert code == 2 and said in err.splitlines()[-1] and not list(tmp_path.iterdir())
