import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import images
from gln_jax import config as settings
from gln_jax.models import discriminators, factory, gln, layers
from gln_jax.training import steps

DETAIL_PARAMETERS = {4: 9_192_704, 8: 4_408_064}
LOCAL_PARAMETERS = {'gln4': 77_073, 'gln6': 239_953, 'gln8': 641_489}


def module_and_input(network, scale, face_size=images.FACE_SIZE):
    config = settings.default()
    config.network, config.scale = network, scale
    size = face_size // scale
    return factory.generator(config), jax.random.uniform(jax.random.key(1), (1, size, size, 1))


def made(network, scale, face_size=32):
    module, lr = module_and_input(network, scale, face_size)
    return module, jax.jit(module.init)(jax.random.key(0), lr)['params'], lr


def altered(parameters, amount):
    """They differ from a fresh network's, as a trained one's do."""
    return jax.tree.map(lambda leaf: leaf + amount * np.cos(np.arange(leaf.size, dtype=np.float32)).reshape(leaf.shape),
                        parameters)


def started(network, scale, parameters):
    """The module, and its parameters where training starts from those of a part of it."""
    config = settings.default()
    config.network, config.scale, config.face_size = network, scale, 32
    start = jax.jit(lambda parameters: steps.create_state(config, parameters).generator)(parameters)
    return factory.generator(config), start


def restored(module, parameters, lr):
    return jax.jit(module.apply)({'params': parameters}, lr)


def shapes(network, scale):
    """(shape of the output, shapes of the parameters), without computing either."""
    module, lr = module_and_input(network, scale)
    output, variables = jax.eval_shape(lambda lr: module.init_with_output(jax.random.key(0), lr), lr)
    return output.shape, variables['params']


@pytest.mark.parametrize('scale', [4, 8])
@pytest.mark.parametrize('network', settings.NETWORKS)
def test_every_network_gives_an_hr_image(network, scale):
    assert shapes(network, scale)[0] == (1, 128, 128, 1)


@pytest.mark.parametrize('scale', [4, 8])
@pytest.mark.parametrize('network', ['gln4', 'gln6', 'gln8'])
def test_parameter_counts_are_the_papers(network, scale):
    _, parameters = shapes(network, scale)
    assert factory.parameter_count(parameters['detail']) == DETAIL_PARAMETERS[scale]
    assert factory.parameter_count(parameters['local']) == LOCAL_PARAMETERS[network]
    assert factory.parameter_count(parameters['upsampling']) == (2 * scale) ** 2 + 1


@pytest.mark.parametrize('scale', [4, 8])
def test_ablations_have_one_stream_only(scale):
    assert factory.parameter_count(shapes('gn_only', scale)[1]) == DETAIL_PARAMETERS[scale]
    # LN8's first layer sees one map instead of two.
    assert factory.parameter_count(shapes('ln_only', scale)[1]) == LOCAL_PARAMETERS['gln8'] - 5 * 5 * 16


@pytest.mark.parametrize('scale', [4, 8])
def test_a_gln_starts_where_its_global_network_ended(scale):
    module, parameters, lr = made('gn', scale)
    parameters = altered(parameters, 0.003)
    given = restored(module, parameters, lr)
    assert jnp.std(given - images.upsample(lr, scale, 'bilinear')) > 0.05, 'it is a trained one'
    whole, start = started('gln4', scale, parameters)
    inside = slice(8, -8)  # the local network's convolutions see black beyond the border
    np.testing.assert_allclose(restored(whole, start, lr)[:, inside, inside], jnp.maximum(given, 0)[:, inside, inside],
                               atol=1e-5)


@pytest.mark.parametrize('part, whole', [('gln4', 'gln6'), ('gln6', 'gln8'), ('gln4', 'gln8')])
def test_a_gln_starts_where_one_of_fewer_layers_ended(part, whole):
    module, parameters, lr = made(part, 8)
    parameters = altered(parameters, 0.01)
    given = restored(module, parameters, lr)
    assert jnp.std(given - images.upsample(lr, 8, 'bilinear')) > 0.05, 'it is a trained one'
    module, start = started(whole, 8, parameters)
    np.testing.assert_allclose(restored(module, start, lr), given, atol=1e-4)
    new = start['local']['Conv_1']['kernel'][..., 16:] if part == 'gln4' else start['local']['Conv_3']['kernel']
    assert jnp.std(new) > 0.01, 'what is new can learn'


@pytest.mark.parametrize('scale', [4, 8])
def test_fresh_upsampling_stream_is_bilinear_interpolation(scale):
    lr = jax.random.uniform(jax.random.key(2), (3, 128 // scale, 128 // scale, 1))
    stream = layers.Deconvolution(scale)
    hr = stream.apply(stream.init(jax.random.key(0), lr), lr)
    np.testing.assert_allclose(hr, images.upsample(lr, scale, 'bilinear'), atol=1e-6)


@pytest.mark.parametrize('scale', [4, 8])
def test_upsampling_stream_is_a_deconvolution(scale):
    """Inside the border it equals JAX's transposed convolution with any kernel, not the bilinear one alone."""
    lr = jax.random.uniform(jax.random.key(2), (1, 128 // scale, 128 // scale, 1))
    kernel = jax.random.normal(jax.random.key(3), (2 * scale, 2 * scale))
    hr = layers.Deconvolution(scale).apply({'params': {'kernel': kernel, 'bias': jnp.full(1, 0.25)}}, lr)
    expected = jax.lax.conv_transpose(lr, kernel[::-1, ::-1, None, None], (scale, scale), 'SAME',
                                      dimension_numbers=('NHWC', 'HWIO', 'NHWC')) + 0.25
    inside = slice(scale, -scale)
    np.testing.assert_allclose(hr[:, inside, inside], expected[:, inside, inside], atol=1e-4)


@pytest.mark.parametrize('network', ['gln4', 'ln_only'])
def test_fresh_network_gives_about_the_bilinear_image(network):
    module, parameters, lr = made(network, 8)
    bilinear = images.upsample(lr, 8, 'bilinear')
    assert jnp.mean(jnp.abs(restored(module, parameters, lr) - bilinear)) < 0.1


def test_every_pixel_of_the_face_can_change_every_other():
    """The fully connected stream sees the whole face; a local network alone sees its receptive field of 43 pixels."""
    def influence(network):
        module, parameters, lr = made(network, 8, images.FACE_SIZE)
        upsample = jax.jit(lambda lr: module.apply({'params': parameters}, lr)[0, 0, 0, 0])
        return abs(upsample(lr) - upsample(lr.at[0, -1, -1].add(0.5)))
    assert influence('gln4') > 0
    assert influence('ln_only') == 0


def test_discriminator_has_the_papers_layers():
    discriminator = discriminators.Discriminator()
    logits, variables = jax.eval_shape(
        lambda: discriminator.init_with_output(jax.random.key(0), jnp.zeros((3, 128, 128, 1))))
    parameters = variables['params']
    kernels = sorted(layer['kernel'].shape for layer in parameters.values())
    assert kernels == sorted([(5, 5, 1, 16), (5, 5, 16, 16), (32 * 32 * 16, 50), (50, 2)])
    assert logits.shape == (3, 2)


def test_the_patch_discriminator_judges_each_patch_by_itself():
    config = settings.default()
    config.adversarial.discriminator = 'patch'
    discriminator = factory.discriminator(config)
    images = jax.random.uniform(jax.random.key(1), (2, 128, 128, 1))
    parameters = jax.jit(discriminator.init)(jax.random.key(0), images)
    judge = jax.jit(lambda images: discriminator.apply(parameters, images))
    logits, altered = judge(images), judge(images.at[:, :8, :8].add(0.5))
    assert logits.shape == (2, 16, 16, 2)
    is_other = jnp.any(logits != altered, axis=(0, 3))
    assert is_other[0, 0] and not is_other[4:].any() and not is_other[:, 4:].any()


@pytest.mark.parametrize('local, count', [('ln3', 4), ('ln4', 2)])
def test_columns_at_once_change_neither_the_image_nor_the_gradient(local, count):
    maps = jax.random.normal(jax.random.key(1), (2, 8, 16, 2))
    network = gln.LocalNetwork(gln.LOCAL_LAYERS[local])
    loss = lambda parameters, maps: jnp.mean(network.apply(parameters, maps) ** 2)

    def initial_image_and_gradients(parameters):
        initial = network.init(jax.random.key(0), maps)
        return initial, network.apply(parameters, maps), jax.grad(loss, argnums=(0, 1))(parameters, maps)

    with layers.columns_at_once(1):
        parameters = altered(jax.jit(network.init)(jax.random.key(0), maps), 0.05)
        expected = jax.jit(initial_image_and_gradients)(parameters)
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(expected))
    with layers.columns_at_once(count):
        traced = jax.make_jaxpr(lambda: network.apply(parameters, maps))()
        found = jax.jit(lambda parameters: initial_image_and_gradients(parameters))(parameters)
    chex.assert_trees_all_close(found, expected, atol=1e-6 * largest, rtol=1e-4)
    filters = {equation.outvars[0].aval.shape[-1] for equation in traced.eqns if 'custom_vjp' in equation.primitive.name}
    assert filters == {count * filters for _, filters in gln.LOCAL_LAYERS[local]}, 'so many columns are taken as one'


def test_with_its_mirror_image_a_network_treats_left_and_right_alike():
    module, parameters, lr = made('gln3', 8)
    parameters = altered(parameters, 0.05)
    plain = lambda lr: restored(module, parameters, lr)
    both = factory.with_self_ensemble(plain)
    np.testing.assert_allclose(both(lr[:, :, ::-1])[:, :, ::-1], both(lr), atol=1e-5)
    assert np.abs(plain(lr[:, :, ::-1])[:, :, ::-1] - plain(lr)).max() > 0.01
    np.testing.assert_allclose(both(lr), (plain(lr) + plain(lr[:, :, ::-1])[:, :, ::-1]) / 2, atol=1e-6)


@pytest.mark.parametrize('scale', [4, 8])
@pytest.mark.parametrize('network', settings.NETWORKS)
def test_networks_take_the_size_of_a_face(network, scale):
    module, _ = module_and_input(network, scale)
    size = 64 if network == 'bccnn' else 32  # BCCNN halves the LR image three times
    lr = jax.ShapeDtypeStruct((1, size // scale, size // scale, 1), jnp.float32)
    output, variables = jax.eval_shape(lambda lr: module.init_with_output(jax.random.key(0), lr), lr)
    assert output.shape == (1, size, size, 1)
    assert factory.parameter_count(variables['params']) <= factory.parameter_count(shapes(network, scale)[1])
