import hashlib
import json
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from configs import x2_fast
from gln_jax import weights
from gln_jax import config as settings
from gln_jax.models import factory
from gln_jax.runtime import errors, files
from gln_jax.training import checkpoints, steps


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    """A workdir whose average differs from its generator, as after training."""
    config = settings.default()
    config.network = 'gln3'
    state = jax.jit(lambda: steps.create_state(config))()
    state = state.replace(step=jnp.int32(4), average=jax.tree.map(lambda leaf: leaf + 0.01, state.average))
    path = tmp_path_factory.mktemp('workdir')
    with checkpoints.Checkpoints(path / checkpoints.LATEST, config) as kept:
        kept.save(4, state)
    return path


@pytest.fixture
def exported(workdir, tmp_path):
    weights.export(workdir, tmp_path / 'x8.safetensors')
    return tmp_path / 'x8.safetensors'


def test_a_weights_file_restores_the_average_in_16_bits(workdir, exported):
    there, here = weights.load_generator(workdir), weights.load_generator(exported)
    assert here.config == there.config
    chex.assert_trees_all_equal(here.parameters, jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float16).astype(np.float32), there.parameters))
    lr = jax.random.uniform(jax.random.key(0), (1, 16, 16, 1))
    hr = factory.upsampler(here.config, here.parameters)(lr)
    assert hr.shape == (1, 128, 128, 1)
    np.testing.assert_allclose(hr, factory.upsampler(there.config, there.parameters)(lr), rtol=1e-3)


def test_a_workdir_whose_last_checkpoint_is_damaged_gives_the_one_before_it(workdir, tmp_path, capsys):
    shutil.copytree(workdir, tmp_path / 'run')
    folder = tmp_path / 'run' / checkpoints.LATEST
    shutil.copytree(folder / '4', folder / '5')
    shutil.rmtree(folder / '5' / 'state' / 'd')
    chex.assert_trees_all_equal(weights.load_generator(tmp_path / 'run').parameters, weights.load_generator(workdir).parameters)
    assert f'{folder / "5"}: not a readable checkpoint' in capsys.readouterr().err


def test_what_was_loaded_is_named(workdir, exported):
    assert weights.load_generator(workdir).description.endswith('checkpoints/4')
    assert weights.load_generator(exported).description == str(exported)


def test_export_overwrites_nothing(workdir, exported):
    before = exported.read_bytes()
    with pytest.raises(errors.InputError, match='is there already'):
        weights.export(workdir, exported)
    assert exported.read_bytes() == before


def damaged(file, kind):
    content = file.read_bytes()
    if kind == 'truncated':
        file.write_bytes(content[:len(content) // 2])
    elif kind == 'empty':
        file.write_bytes(b'')
    elif kind == 'text':
        file.write_text('not weights')
    elif kind == 'foreign':
        safetensors.numpy.save_file({'a': np.zeros(3, np.float32)}, file)
    elif kind == 'other faces':
        with safetensors.safe_open(file, framework='numpy') as old:
            metadata = old.metadata()
        metadata['config'] = metadata['config'].replace('45.5', '40.5')
        safetensors.numpy.save_file(safetensors.numpy.load_file(file), file, metadata)
    elif kind == 'other arrays':
        metadata = {'format': weights.FORMAT, 'config': settings.to_json(settings.default())}
        safetensors.numpy.save_file({'a/kernel': np.zeros(3, np.float32)}, file, metadata)
    return file


@pytest.mark.parametrize('kind', ['truncated', 'empty', 'text', 'foreign', 'other faces', 'other arrays'])
def test_a_file_that_is_no_weights_file_is_refused_by_its_name(exported, kind):
    with pytest.raises(errors.InputError, match='x8.safetensors: '):
        weights.load_generator(damaged(exported, kind))


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match='nothing.safetensors: no such'):
        weights.load_generator(tmp_path / 'nothing.safetensors')


@pytest.fixture
def released(exported, monkeypatch):
    """The exported file as one that comes with the project, by the name 'x8'."""
    digest = hashlib.sha256(exported.read_bytes()).hexdigest()
    (exported.parent / 'SHA256SUMS').write_text(f'{digest}  {exported.name}\n')
    monkeypatch.setattr(weights, 'RELEASED', exported.parent)
    return exported


def test_released_weights_are_found_by_name(released):
    assert weights.released() == ['x8']
    assert weights.load_generator('x8').description == 'x8'


def test_the_best_released_weights_are_best_on_validation_faces(workdir, tmp_path, monkeypatch):
    scores = lambda psnr: {'psnr': psnr, 'ssim': 0.7, 'psnr_interval': None, 'ssim_interval': None}
    for name, on_val, on_test in (('a', 24, 30), ('b', 26, 20), ('c', 25, 25)):
        folders = []
        for split, psnr in (('val', on_val), ('test/lfw', on_test)):
            folders.append(tmp_path / f'{name}-{split.replace("/", "-")}')
            folders[-1].mkdir()
            (folders[-1] / 'scores.json').write_text(json.dumps({
                'data': f'faces {split}', 'protocol': 'paper', 'images': 3, 'methods': {'gln': scores(psnr)},
                'parameters': weights.load_generator(workdir).digest}))
        weights.export(workdir, tmp_path / f'{name}.safetensors', folders)
    weights.export(workdir, tmp_path / 'unscored.safetensors')
    monkeypatch.setattr(weights, 'RELEASED', tmp_path)
    (tmp_path / 'SHA256SUMS').write_text(''.join(f'{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n'
                                                 for file in tmp_path.glob('*.safetensors')))
    with monkeypatch.context() as patch:  # all of their bytes would be hashed at every start
        patch.setattr(weights.hashlib, 'sha256', None)
        assert weights.best(8) == 'b'
    with pytest.raises(errors.InputError, match='none for 4x comes with the project'):
        weights.best(4)


def test_a_larger_network_may_start_from_a_part_of_it():
    config = settings.from_json(settings.to_json(weights.load_generator('x8-fast').config))
    config.fast.blocks = 9
    loaded = weights.load_for(config, 'x8-fast')
    started = jax.jit(lambda parameters: steps.create_state(config, parameters).generator)(loaded.parameters)
    chex.assert_trees_all_equal({name: started[name] for name in loaded.parameters}, loaded.parameters)
    assert set(started) - set(loaded.parameters) == {'block_9'}
    config.fast.blocks = 7
    with pytest.raises(errors.InputError, match='its fast is'):
        weights.load_for(config, 'x8-fast')


def test_a_fast_network_lends_its_body_to_another_scale():
    config = x2_fast.get_config()
    parameters = weights.load_for(config, 'x4-fast').parameters
    chex.assert_trees_all_equal(parameters['view_8'], weights.load_generator('x4-fast').parameters['view_8'])
    started = jax.jit(lambda part: steps.create_state(config, part).generator)(parameters)
    chex.assert_trees_all_equal({name: started[name] for name in parameters}, parameters)
    assert {'Conv_0', 'first_view', 'ResidualBlock_0'} <= started.keys() - parameters.keys()
    config.fast.width = 64
    with pytest.raises(errors.InputError, match='its fast is'):
        weights.load_for(config, 'x4-fast')


def test_a_gln_may_start_from_one_of_fewer_layers():
    config = settings.from_json(settings.to_json(weights.load_generator('x8').config))
    config.network = 'gln6'
    parameters = weights.load_for(config, 'x8').parameters
    started = jax.eval_shape(lambda: steps.create_state(config, parameters).generator)
    assert started['local'].keys() > parameters['local'].keys()
    for other in ('ln_only', 'fast'):
        config.network = other
        with pytest.raises(errors.InputError, match=f'its network is gln4, that of the config {other}'):
            weights.load_for(config, 'x8')


def test_released_weights_that_changed_are_refused(released):
    content = bytearray(released.read_bytes())
    content[-1] ^= 1
    released.write_bytes(content)
    with pytest.raises(errors.InputError, match='x8.safetensors: is damaged'):
        weights.load_generator('x8')


def test_a_damaged_header_is_told_when_the_best_is_looked_for(released):
    released.write_bytes(b'\xff' * 100)
    with pytest.raises(errors.InputError, match='x8.safetensors: not a weights file of gln_jax, or a damaged one'):
        weights.best(8)


def test_an_unknown_name_lists_those_that_are_there(released):
    with pytest.raises(errors.InputError, match='that come with the project: x8$'):
        weights.load_generator('x9')


def test_all_released_weights_are_whole_and_small():
    for name in weights.released():
        loaded = weights.load_generator(name)
        assert {'provenance', 'scores'} <= loaded.card.keys()
        assert any(scores['data'].endswith(weights.VALIDATION) for scores in loaded.card['scores'])
        assert (weights.RELEASED / f'{name}.safetensors').stat().st_size < (11e6 if loaded.config.scale == 8 else 22e6)


def test_the_card_has_the_training_and_the_scores(workdir, tmp_path):
    method = {'psnr': 24.5, 'ssim': 0.7, 'psnr_interval': None, 'ssim_interval': None}
    summary = {'data': 'faces test/lfw', 'protocol': 'paper', 'images': 3, 'methods': {'bicubic': method, 'gln': method},
               'checkpoint': 'runs/x9', 'parameters': 'of another'}
    files.write(tmp_path / 'scores/scores.json', json.dumps(summary))
    with pytest.raises(errors.InputError, match='scores: the scores are those of runs/x9'):
        weights.export(workdir, tmp_path / 'x8.safetensors', [tmp_path / 'scores'])
    weights.export(workdir, tmp_path / 'plain.safetensors')
    for scored in (workdir, tmp_path / 'plain.safetensors'):
        summary['parameters'] = weights.load_generator(scored).digest
        files.write(tmp_path / 'scores/scores.json', json.dumps(summary))
        weights.export(workdir, tmp_path / f'{scored.name}.x8.safetensors', [tmp_path / 'scores'])
    (tmp_path / f'{workdir.name}.x8.safetensors').rename(tmp_path / 'x8.safetensors')
    card = weights.card_text(weights.load_generator(tmp_path / 'x8.safetensors'))
    assert 'faces seen: 512' in card  # 4 steps of 128, the default batch
    assert 'faces test/lfw, 3 images, protocol paper: bicubic 24.50 dB / 0.700, gln 24.50 dB / 0.700' in card


def test_missing_scores_are_refused(workdir, tmp_path):
    with pytest.raises(errors.InputError, match='holds no scores.json'):
        weights.export(workdir, tmp_path / 'x8.safetensors', [tmp_path])


def test_commands_export_and_show(workdir, tmp_path, capsys, monkeypatch):
    output = tmp_path / 'out.safetensors'
    monkeypatch.setattr('sys.argv', ['weights', 'export', f'--ckpt={workdir}', f'--output={output}'])
    weights.main()
    monkeypatch.setattr('sys.argv', ['weights', 'show', str(output)])
    weights.main()
    assert 'gln3 at 8x, 4,412,346 parameters' in capsys.readouterr().out
