import pathlib
import shutil

import chex
import jax
import jax.numpy as jnp
import pytest

from gln_jax import config as settings
from gln_jax.runtime import devices, errors
from gln_jax.training import checkpoints, steps

CONFIG = settings.default()
CONFIG.network, CONFIG.face_size = 'gn_only', 32


@pytest.fixture(scope='module')
def fresh_state():
    return jax.device_get(jax.jit(lambda: steps.create_state(CONFIG))())


@pytest.fixture
def state(fresh_state):
    """On the device anew for each test: a mapped update takes its buffers."""
    return jax.tree.map(jnp.array, fresh_state)


def saved(directory, state, at):
    with checkpoints.Checkpoints(directory, CONFIG) as kept:
        for step in at:
            kept.save(step, state.replace(step=jnp.int32(step)))
            kept.wait()


def restored(directory, state):
    with checkpoints.Checkpoints(directory, CONFIG) as kept:
        return kept.restore_latest(lambda step: state)


def cut_in_half(path):
    """Every file of a checkpoint that holds array data, as a disk that lost its cache may leave it."""
    for file in (path / 'state').rglob('*'):
        if file.is_file() and 'ocdbt.process' in str(file) and file.parent.name == 'd':
            file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])


def test_the_whole_state_comes_back_to_the_bit_and_the_config_with_it(tmp_path, state):
    saved(tmp_path / 'run', state, [3])
    back = restored(tmp_path / 'run', state)
    chex.assert_trees_all_equal(jax.device_get(back), jax.device_get(state.replace(step=jnp.int32(3))))
    assert checkpoints.load_config(checkpoints.find(tmp_path / 'run')[0]) == CONFIG


def test_a_stage_2_whose_optimiser_is_another_one_comes_back(tmp_path, state):
    config = CONFIG.copy_and_resolve_references()
    config.optimizer.name = 'muon'  # in stage 1; stage 2 is Adam's
    config.reconstruction.steps = 2
    stage_1 = steps.create_state(config, state.generator)
    for step, after in ((2, stage_1), (3, steps.begin_adversarial(config, stage_1))):
        saved(tmp_path / f'run {step}', after, [step])
        with checkpoints.Checkpoints(tmp_path / f'run {step}', config) as kept:
            back = kept.restore_latest(lambda step: steps.shape_after(config, step))
        chex.assert_trees_all_equal(jax.device_get(back), jax.device_get(after.replace(step=jnp.int32(step))))


def test_what_is_saved_is_not_touched_by_the_steps_that_follow(tmp_path, state):
    """The update gives its state's buffers up while the checkpoint is still being written."""
    double = devices.mapped(lambda state, hr: (jax.tree.map(lambda leaf: leaf * 2, state), {}))
    hr = jnp.zeros((jax.local_device_count(), 1, 1, 1, 1), jnp.uint8)
    placed, _ = double(state, hr)
    expected = jax.device_get(placed)
    with checkpoints.Checkpoints(tmp_path / 'run', CONFIG) as kept:
        kept.save(1, placed)
        for _ in range(5):
            placed, _ = double(placed, hr)
    chex.assert_trees_all_equal(jax.device_get(restored(tmp_path / 'run', state)), expected)


def test_only_the_last_few_are_kept(tmp_path, state):
    saved(tmp_path / 'run', state, [1, 2, 3])
    assert sorted(path.name for path in (tmp_path / 'run').iterdir() if path.name.isdigit()) == ['2', '3']
    assert [path.name for path in checkpoints.find(tmp_path / 'run')] == ['3', '2']


def test_a_truncated_checkpoint_is_named_and_the_one_before_it_used(tmp_path, state, capfd):
    saved(tmp_path / 'run', state, [1, 2])
    cut_in_half(tmp_path / 'run' / '2')
    assert restored(tmp_path / 'run', state).step == 1
    shown = capfd.readouterr()
    assert 'run/2: unreadable' in shown.err and 'run/2: moved to' in shown.err and len(shown.err.splitlines()) == 2
    assert 'Traceback' not in shown.err + shown.out
    assert [path.name for path in checkpoints.find(tmp_path / 'run')] == ['1']
    saved(tmp_path / 'run', state, [2])
    cut_in_half(tmp_path / 'run' / '2')
    assert restored(tmp_path / 'run', state).step == 1
    assert sorted(path.name for path in (tmp_path / checkpoints.ASIDE).iterdir()) == ['run-2', 'run-2-2']


def test_where_none_can_be_read_none_is_deleted(tmp_path, state):
    saved(tmp_path / 'run', state, [1, 2])
    with pytest.raises(errors.InputError, match='run: none of the checkpoints here can be read'):
        restored(tmp_path / 'run', state.replace(average={'of another version': jnp.zeros(3)}))
    assert [path.name for path in checkpoints.find(tmp_path / 'run')] == ['2', '1']
    assert restored(tmp_path / 'run', state).step == 2


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path, state):
    saved(tmp_path / 'run', state, [1])
    shutil.copytree(tmp_path / 'run' / '1', tmp_path / 'run' / '2.orbax-checkpoint-tmp')
    assert [path.name for path in checkpoints.find(tmp_path / 'run')] == ['1']
    assert restored(tmp_path / 'run', state).step == 1


def test_a_fresh_folder_has_nothing_to_restore(tmp_path, state):
    assert restored(tmp_path / 'run', state) is None


def test_a_workdir_leads_to_its_last_checkpoint_and_without_one_to_the_end_of_stage_1(tmp_path, state):
    saved(tmp_path / checkpoints.RECONSTRUCTION, state, [5])
    assert checkpoints.find(tmp_path) == [tmp_path / checkpoints.RECONSTRUCTION / '5']
    saved(tmp_path / checkpoints.LATEST, state, [7])
    assert checkpoints.find(tmp_path) == [tmp_path / checkpoints.LATEST / '7', tmp_path / checkpoints.RECONSTRUCTION / '5']
    assert checkpoints.find(tmp_path / checkpoints.RECONSTRUCTION) == [tmp_path / checkpoints.RECONSTRUCTION / '5']
    assert checkpoints.find(tmp_path / checkpoints.LATEST / '7') == [tmp_path / checkpoints.LATEST / '7']


@pytest.mark.parametrize('name', ['', 'nowhere'])
def test_a_path_without_a_checkpoint_is_refused(tmp_path, name):
    with pytest.raises(errors.InputError, match='no checkpoint here'):
        checkpoints.find(tmp_path / name)


def test_a_damaged_checkpoint_named_by_its_own_path_is_refused(tmp_path, state):
    saved(tmp_path / 'run', state, [1])
    cut_in_half(tmp_path / 'run' / '1')
    with pytest.raises(errors.InputError, match='run/1: not a readable checkpoint'):
        checkpoints.load_state(pathlib.Path(tmp_path / 'run' / '1'), state)
