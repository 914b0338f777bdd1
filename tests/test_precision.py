import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import config as settings
from gln_jax.models import factory
from gln_jax.runtime import devices, errors, precision
from gln_jax.training import optimizers, steps

pytestmark = pytest.mark.usefixtures('optimized')

HIGHEST = (jax.lax.Precision.HIGHEST,) * 2
"""Of both operands of a product."""


@pytest.fixture(scope='module')
def faces():
    """Grey squares with noise, so that there is something to learn and something that cannot be."""
    random = np.random.default_rng(0)
    squares = np.kron(random.integers(40, 216, (8, 12, 12)), np.ones((11, 11)))[:, :128, :128]
    return (squares + random.integers(-20, 20, squares.shape)).astype(np.uint8)[..., None]


def config_in(dtype, network='fast'):
    config = settings.default()
    config.network, config.compute_dtype, config.face_size = network, dtype, 32
    config.optimizer.warmup_steps = 0
    config.fast.update(width=24, blocks=1, upsampling_blocks=(1, 0))
    return config


@pytest.mark.parametrize('network', ['gln4', 'gn_only', 'ln_only', 'fast'])
def test_all_matrix_work_but_resampling_is_in_bfloat16(network):
    config = config_in('bfloat16', network)
    state = jax.eval_shape(lambda: steps.create_state(config))
    restore = precision.applied(factory.generator(config), precision.of(config))
    lr = jax.ShapeDtypeStruct((2, 4, 4, 1), jnp.float32)
    gradient = jax.grad(lambda parameters, lr: restore(parameters, lr).sum())
    kinds = {}
    for equation in _equations(jax.make_jaxpr(gradient)(state.generator, lr).jaxpr):
        if equation.primitive.name in ('dot_general', 'conv_general_dilated'):
            kinds.setdefault(str(equation.invars[0].aval.dtype), []).append(equation)
    assert len(kinds['bfloat16']) >= 8
    assert all(equation.primitive.name == 'dot_general' and equation.params['precision'] == HIGHEST
               for equation in kinds.get('float32', [])), 'what is left in float32 is the resampling of images'


@pytest.mark.parametrize('network', ['gln4', 'gn_only', 'ln_only', 'fast', 'srcnn'])
def test_float32_is_multiplied_in_all_its_bits(network):
    """Accelerators multiply it in fewer where a product does not ask for them, as scores and gradients would then be."""
    config = config_in('float32', network)
    parameters = jax.eval_shape(lambda: steps.create_state(config)).generator
    restore = precision.applied(factory.generator(config), precision.of(config))
    gradient = jax.grad(lambda parameters, lr: restore(parameters, lr).sum())
    products = [equation for equation in _equations(
        jax.make_jaxpr(gradient)(parameters, jax.ShapeDtypeStruct((2, 4, 4, 1), jnp.float32)).jaxpr)
                if equation.primitive.name in ('dot_general', 'conv_general_dilated')]
    assert len(products) >= 8
    assert all(equation.params['precision'] == HIGHEST for equation in products)


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda value: hasattr(value, 'jaxpr')):
            if hasattr(value, 'jaxpr'):
                yield from _equations(value.jaxpr)


def test_what_is_learnt_and_measured_stays_float32(faces):
    config = config_in('bfloat16')
    state, metrics = jax.eval_shape(_update(config), jax.eval_shape(lambda: steps.create_state(config)),
                                    devices.split(faces))
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {jnp.dtype('float32'), jnp.dtype('int32')}
    assert {leaf.dtype for leaf in jax.tree.leaves(metrics)} == {jnp.dtype('float32')}


def test_training_in_bfloat16_ends_where_float32_ends(faces):
    in_float32, in_bfloat16 = (_psnrs(config_in(dtype), faces, 40) for dtype in ('float32', 'bfloat16'))
    assert in_float32[-1] > in_float32[0] + 1, 'nothing was learnt, so that nothing is compared'
    assert in_bfloat16[-1] != in_float32[-1]
    assert abs(in_bfloat16[-1] - in_float32[-1]) < 0.1


def test_auto_is_float32_on_a_cpu_and_bfloat16_elsewhere(monkeypatch):
    assert precision.of(config_in('auto')) == jnp.float32 and precision.bits('float32') == 'highest'
    monkeypatch.setattr(jax, 'default_backend', lambda: 'tpu')
    assert precision.of(config_in('auto')) == jnp.bfloat16


def test_unknown_dtype_is_named():
    with pytest.raises(errors.InputError, match='config.compute_dtype.*float16'):
        settings.check(config_in('float16'))


def _update(config):
    return devices.mapped(steps.generator_update(config, optimizers.reconstruction_optimizer(config), adversarial=False))


def _psnrs(config, faces, count):
    """Of each step's faces, before the step."""
    update, state, psnrs = _update(config), devices.placed(steps.create_state(config)), []
    for _ in range(count):
        state, metrics = update(state, devices.split(faces))
        psnrs.append(float(metrics['psnr']))
    return psnrs
