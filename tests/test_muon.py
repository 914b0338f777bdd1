import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import config as settings
from gln_jax.runtime import devices
from gln_jax.training import muon, steps


@pytest.mark.parametrize('shape', [(24, 8), (8, 40), (16, 16)])
def test_singular_values_become_alike(shape):
    matrix = np.random.default_rng(0).normal(size=shape) @ np.diag(np.geomspace(1, 0.05, shape[1]))
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    steps = np.diag(left.T @ np.asarray(muon.orthogonal(jnp.asarray(matrix, jnp.float32))) @ right.T)
    assert (0.6 < steps).all() and (steps < 1.3).all()


def test_a_layer_to_all_pixels_is_stepped_by_adam():
    kernels = {'to_all_pixels': np.zeros((16, 128 * 128)), 'hidden': np.zeros((16, 4096))}
    state = muon.muon(0.1).init(kernels)
    adams = jax.tree.leaves(state.inner_states['other'])
    assert sum(leaf.shape == (16, 128 * 128) for leaf in adams) == 2, 'its first and second moment'
    assert not any(leaf.shape == (16, 4096) for leaf in adams)


def test_the_deconvolution_is_stepped_by_adam():
    config = settings.default()
    config.network = 'gln4'
    parameters = jax.eval_shape(lambda: steps.create_state(config)).generator
    state = jax.eval_shape(muon.muon(0.1).init, parameters)
    of_kind = {kind: [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(inner)]
               for kind, inner in state.inner_states.items()}
    assert any("'upsampling'" in path for path in of_kind['other'])
    assert not any("'upsampling'" in path for path in of_kind['matrix'])
    assert sum("'detail'" in path for path in of_kind['matrix']) == 3, 'the momentum of all its layers but the last'


def test_devices_share_the_work_about_evenly():
    kernels = [np.zeros((3, 3, 96, 96))] * 6 + [np.zeros((256, 4096))] + [np.zeros((2048, 112))] * 8
    owners = muon.owners(kernels, 2)
    costs = [muon.orthogonalization_cost(kernel) for kernel in kernels]
    loads = [sum(cost for cost, owner in zip(costs, owners) if owner == device) for device in range(2)]
    assert min(loads) > 0.8 * max(loads)
    assert muon.owners(kernels[:3], 4) == [0, 1, 2]


def test_a_step_is_the_same_on_one_device_and_on_four():
    """Of kernels, of a small one and of a bias, with the momentum of the step before."""
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = {'kernel': (3, 3, 8, 16), 'dense': (64, 12), 'few': (3, 3, 2, 16), 'bias': (16,)}
    parameters = {name: jax.random.normal(key, shape) for key, (name, shape) in zip(keys, shapes.items())}

    def two_steps(count):
        def update(parameters, _):
            optimizer = muon.muon(0.1)
            state, changes = optimizer.init(parameters), parameters
            for scale in (1.0, -0.3):
                gradient = jax.tree.map(lambda leaf: scale * jnp.sin(leaf), parameters)
                changes, state = optimizer.update(gradient, state, parameters)
            return changes
        mapped = jax.pmap(update, axis_name=devices.AXIS, in_axes=(None, 0), out_axes=None, devices=jax.devices()[:count])
        return mapped(parameters, np.zeros(count))

    one, four = two_steps(1), two_steps(4)
    for name in shapes:
        np.testing.assert_allclose(one[name], four[name], rtol=1e-5, atol=1e-6)
    rms = {name: float(jnp.sqrt(jnp.mean(change**2))) for name, change in one.items()}
    assert rms['kernel'] == pytest.approx(0.1 * muon.RMS, rel=0.2) and rms['bias'] > 0
