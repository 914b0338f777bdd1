"""Networks between a reconstruction network and the adversarial one that was trained on from it."""

import hashlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

import evaluate
import gln_jax
from gln_jax import config as settings
from gln_jax import upsample, weights
from gln_jax.photos import face_upsampling
from gln_jax.runtime import errors, provenance
from gln_jax.training import checkpoints, steps
import made_up


@pytest.fixture(scope='module')
def fast():
    return weights.load_generator('x8-fast'), weights.load_generator('x8-fast-gan')


@pytest.mark.parametrize('one', ['x8-gan', 'x4', 'x8-fast', 'x4-fast-gan'])
def test_the_released_pairs_find_each_other(one):
    name = one.removesuffix('-gan')
    assert [each.description for each in weights.pair_of(weights.load_generator(one))] == [name, f'{name}-gan']


def test_the_ends_are_the_two_networks_and_the_middle_is_their_mean(fast):
    for one, sharpness, end in ((fast[0], 1, fast[1]), (fast[1], 0, fast[0]), (fast[1], 1, fast[1])):
        chex.assert_trees_all_equal(weights.sharpened(one, sharpness).parameters, end.parameters)
    middle = weights.sharpened(fast[0], 0.5)
    chex.assert_trees_all_close(middle.parameters, jax.tree.map(lambda *both: sum(both) / 2, *(each.parameters for each in fast)), atol=1e-6)
    assert middle.description == 'x8-fast, sharpness 0.5' and 'scores' not in middle.card
    limits = [each.card['trust']['most_doubt'] for each in (fast[0], middle, fast[1])]
    assert limits[1] == pytest.approx((limits[0] + limits[2]) / 2)


def test_of_the_networks_for_each_size_all_become_sharper_that_can():
    names = [each.description for each in face_upsampling.load_each_scale(1, 0.5)]
    assert names == ['x8-photo, sharpness 0.5', 'x4-photo, sharpness 0.5', 'x2-photo']


def test_a_network_for_photographs_moves_as_the_one_that_it_was_trained_on_from(fast):
    photo, steps_of_jpeg = weights.load_generator('x8-photo'), np.full((8, 8), 30.0)
    sharp = weights.sharpened(photo, 0.5)
    way = jax.tree.map(np.subtract, *(each.parameters for each in reversed(fast)))
    expected = jax.tree.map(lambda start, change: start + change / 2, photo.parameters, way)
    chex.assert_trees_all_close(sharp.parameters, expected, atol=1e-6)
    plain, sharper = (face_upsampling.load('x8-photo', sharpness=sharpness).for_jpeg(steps_of_jpeg) for sharpness in (None, 0.5))
    moved = jax.tree.map(np.subtract, sharper._network.args[0], plain._network.args[0])
    chex.assert_trees_all_close(moved, jax.tree.map(lambda change: change / 2, way), atol=1e-6)


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    """A workdir of both stages: its network moved by 0.1 in the second."""
    config, path = settings.default(), tmp_path_factory.mktemp('runs') / 'x8'
    config.network, config.reconstruction.steps = 'gln3', 4
    state = jax.jit(lambda: steps.create_state(config))()
    for folder, step, change in ((checkpoints.RECONSTRUCTION, 4, 0), (checkpoints.LATEST, 6, 0.1)):
        with checkpoints.Checkpoints(path / folder, config) as kept:
            kept.save(step, state.replace(step=jnp.int32(step), average=jax.tree.map(lambda leaf: leaf + change, state.average)))
    return path


def test_the_second_stage_of_a_run_goes_with_the_end_of_its_first(workdir):
    loaded = weights.load_generator(workdir)
    first, second = weights.pair_of(loaded)
    assert (first.is_adversarial, second.is_adversarial) == (False, True)
    chex.assert_trees_all_close(weights.sharpened(loaded, 0.5).parameters, jax.tree.map(lambda leaf: leaf + 0.05, first.parameters))
    with pytest.raises(errors.InputError, match='no adversarial network'):
        weights.pair_of(first)


def test_an_exported_network_finds_its_partner_by_the_digest_that_it_stores(workdir, tmp_path, monkeypatch):
    weights.export(workdir, tmp_path / 'sharp.safetensors')
    weights.export(workdir / checkpoints.RECONSTRUCTION, tmp_path / 'plain.safetensors')
    sharp, plain = (weights.load_generator(tmp_path / f'{name}.safetensors') for name in ('sharp', 'plain'))
    assert sharp.card['partner']['network'].endswith(f'x8/{checkpoints.RECONSTRUCTION}/4')
    assert sharp.card['partner']['parameters'] == plain.digest and 'partner' not in plain.card
    lonely = sharp._replace(card=sharp.card | {'partner': {'network': 'gone', 'parameters': plain.digest}})
    with pytest.raises(errors.InputError, match='sharp.safetensors has no partner here'):
        weights.pair_of(lonely)
    (tmp_path / 'SHA256SUMS').write_text(f'{hashlib.sha256((tmp_path / "plain.safetensors").read_bytes()).hexdigest()}  plain.safetensors')
    (tmp_path / 'sharp.safetensors').unlink()
    monkeypatch.setattr(weights, 'RELEASED', tmp_path)
    assert weights.pair_of(lonely)[0].description == 'plain'
    with pytest.raises(errors.InputError, match='has no partner here'):
        weights.pair_of(lonely._replace(card=lonely.card | {'partner': {'network': 'gone', 'parameters': 'of another'}}))


def test_a_run_records_the_reconstruction_network_that_its_first_one_is_or_comes_from(fast, tmp_path):
    faces = type('Faces', (), {'sources': ['made up']})
    for initial in fast:
        provenance.record(tmp_path, faces, 'abc', initial)
        assert provenance.of(tmp_path)['partner'] == {'network': 'x8-fast', 'parameters': fast[0].digest}


@pytest.mark.parametrize('flags, said', [
    (['--sharpness=1.5'], 'sharpness 1.5: is to be a number from 0 to 1'), (['--sharpness=-1'], 'from 0 to 1'),
    (['--sharpness=nan'], 'from 0 to 1'), (['--ckpt=LONELY', '--sharpness=0.5'], 'LONELY has no partner here: no adversarial')])
def test_wrong_sharpness_is_refused_in_one_line(workdir, tmp_path, command, flags, said):
    lonely = str(workdir / checkpoints.RECONSTRUCTION)
    flags, said = [flag.replace('LONELY', lonely) for flag in flags], said.replace('LONELY', f'{lonely}/4')
    Image.fromarray(made_up.colours()).save(tmp_path / 'photo.png')
    for main, others in ((upsample.main, ['-i', tmp_path / 'photo.png', '-o', tmp_path / 'out']),
                         (evaluate.main, [f'--data={tmp_path}', f'--output={tmp_path}/scores'])):
        code, _, told = command(main, *others, *flags)
        assert code == 2 and told.startswith('error: ') and said in told and told.count('\n') == 1


def test_the_command_and_restore_take_it(workdir, tmp_path, command):
    Image.fromarray(made_up.colours(16, 16, seed=2)).save(tmp_path / 'face.png')

    def run(output, *flags):
        return command(upsample.main, '-i', tmp_path / 'face.png', '-o', tmp_path / output, '--aligned', f'--ckpt={workdir}', *flags)

    assert run('0', '--sharpness=0')[0] == run('as_it_is')[0] == 0
    plain, sharp = (np.array(Image.open(tmp_path / output / 'restored_faces/face.png'), float) for output in ('0', 'as_it_is'))
    assert np.abs(plain - sharp).max() > 10
    assert run('0')[0] == 2  # the folder is of a run with another sharpness
    photo, eyes = made_up.colours(64, 64, seed=3), ((27.1, 22.8), (32.9, 22.8))
    restored = [gln_jax.restore(photo, eyes, str(workdir), **how, disagreement=False).image for how in ({}, {'sharpness': 1}, {'sharpness': 0})]
    np.testing.assert_array_equal(restored[0], restored[1])
    assert np.any(restored[0] != restored[2])
    with pytest.raises(errors.InputError, match='sharpness: is for networks that are loaded now'):
        gln_jax.restore(photo, eyes, face_upsampling.load(workdir), sharpness=1)
