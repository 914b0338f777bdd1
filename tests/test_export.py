"""Exported networks give what JAX gives, in programs that know nothing of this project."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from gln_jax import config as settings
from gln_jax import export, images, models, weights
from gln_jax.models import factory
from gln_jax.photos import consistency, face_upsampling
from gln_jax.runtime import precision

LOAD_ALONE = '''
import sys
for name in ('flax', 'optax', 'orbax', 'gln_jax'):
    sys.modules[name] = None
import jax, jax.export, numpy as np
results = []
for path in sys.argv[3:]:
    with open(path, 'rb') as file:
        exported = jax.export.deserialize(bytearray(file.read()))
    assert exported.platforms == ('cpu', 'cuda', 'tpu'), exported.platforms
    results += [exported.call(lr) for lr in np.load(sys.argv[1]).values()]
np.savez(sys.argv[2], *results)
'''


def fresh(network, scale=8):
    """A `weights.Loaded` of a network with random parameters, far from where training starts."""
    config = settings.default()
    config.network, config.scale = network, scale
    size = images.FACE_SIZE // scale
    shapes = jax.eval_shape(factory.generator(config).init, jax.random.key(0), jax.ShapeDtypeStruct((1, size, size, 1), 'float32'))
    random = np.random.default_rng(0)
    parameters = jax.tree.map(lambda leaf: random.normal(0, 0.03, leaf.shape).astype(np.float16).astype(np.float32), shapes['params'])
    return weights.Loaded(config, parameters, f'fresh {network}', {})


def lr_images(loaded, count):
    size = images.FACE_SIZE // loaded.config.scale
    return np.random.default_rng(count).random((count, size, size, 1), np.float32)


def in_onnxruntime(content):
    onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is missing: pip install gln_jax[export]')
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    return session, lambda lr: session.run(None, {'lr': lr})[0]


COMPILED = {}


def by_jax(loaded, lr):
    """What JAX gives; the function is compiled once for all networks of a kind."""
    kind = loaded.config.network, loaded.config.scale, loaded.config.fast.to_json()
    if kind not in COMPILED:
        COMPILED[kind] = jax.jit(precision.applied(factory.generator(loaded.config), np.float32))
    return np.asarray(COMPILED[kind](loaded.parameters, lr))


@pytest.mark.parametrize('name', weights.released())
def test_onnx_gives_what_jax_gives_of_each_released_network(name):
    loaded = weights.load_generator(name)
    session, run = in_onnxruntime(export.onnx(loaded))
    lr = lr_images(loaded, 3)
    expected = by_jax(loaded, lr)
    for count in (1, 3, 16):  # 16 are these three again and again, since JAX takes a second for 16 by the paper's networks
        chosen = np.arange(count) % 3
        np.testing.assert_allclose(run(lr[chosen]), expected[chosen], rtol=0, atol=2e-5)
    told = session.get_modelmeta().custom_metadata_map
    assert settings.from_json(told['config']) == loaded.config
    assert told['degradation'] == loaded.config.degradation and told['license'] == 'Apache-2.0'
    assert told['digest'] == loaded.digest  # released parameters are 16-bit floats already
    assert json.loads(told['conventions'])['template_eyes'] == [list(eye) for eye in images.TEMPLATE_EYES]


@pytest.mark.parametrize('name', ['x8-fast', 'x4-fast'])
def test_an_onnx_file_of_a_fast_network_has_at_most_10_megabytes(name):
    pytest.importorskip('onnx', reason='onnx is missing: pip install gln_jax[export]')
    assert len(export.onnx(weights.load_generator(name))) <= 10e6


@pytest.mark.parametrize('network', ['srcnn', 'gn_only'])
def test_onnx_gives_what_jax_gives_of_the_other_networks(network):
    loaded = fresh(network)
    _, run = in_onnxruntime(export.onnx(loaded))
    lr = lr_images(loaded, 2)
    np.testing.assert_allclose(run(lr), by_jax(loaded, lr), rtol=0, atol=2e-5)


def test_an_operation_that_is_not_known_is_refused_by_its_name():
    pytest.importorskip('onnx', reason='onnx is missing: pip install gln_jax[export]')
    from gln_jax.models import onnx_graph
    with pytest.raises(NotImplementedError, match='sort'):
        onnx_graph.model(lambda lr: (jax.lax.sort(lr, dimension=1),), {'lr': ('n', 2, 2, 1)}, ['hr'], {})
    with pytest.raises(NotImplementedError, match='repeated'):  # what has size 1 in ONNX where JAX has repeated it
        onnx_graph.model(lambda lr: (jax.numpy.concatenate([jax.numpy.broadcast_to(lr, (lr.shape[0], 2, 2, 3)), lr], -1),),
                         {'lr': ('n', 2, 2, 1)}, ['hr'], {})


def test_stablehlo_gives_the_same_bits_without_this_project(tmp_path, command):
    """Of a fast network, and of one of the paper's, which CPUs compute in another form than other devices."""
    names, inputs, outputs = ('x8-fast', 'x8'), tmp_path / 'in.npz', tmp_path / 'out.npz'
    for name in names:
        code, told, _ = command(export.main, f'--ckpt={name}', '--format=stablehlo', f'--output={tmp_path}/{name}.stablehlo')
        assert code == 0 and f'wrote {tmp_path}/{name}.stablehlo' in told
    networks = [weights.load_generator(name) for name in names]
    batches = [lr_images(networks[0], count) for count in (1, 3)]
    np.savez(inputs, *batches)
    subprocess.run([sys.executable, '-c', LOAD_ALONE, inputs, outputs, *(tmp_path / f'{name}.stablehlo' for name in names)],
                   check=True, cwd=tmp_path)
    expected = [by_jax(loaded, lr) for loaded in networks for lr in batches]
    for mine, theirs in zip(np.load(outputs).values(), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_wrong_arguments_are_told_in_one_line(tmp_path, command, monkeypatch):
    there = tmp_path / 'there.onnx'
    there.write_bytes(b'kept')
    for arguments, words in [
            (['--ckpt=x8-fast', '--format=onnx', f'--output={there}'], 'is there already'),
            ([f'--ckpt={tmp_path}/none', '--format=onnx', f'--output={tmp_path}/new.onnx'], 'no such workdir')]:
        code, _, told = command(export.main, *arguments)
        assert code == 2 and words in told and told.count('\n') == 1
    for name in ('onnx', 'gln_jax.models.onnx_graph'):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(models, 'onnx_graph', raising=False)
    code, _, told = command(export.main, '--ckpt=x8-fast', '--format=onnx', f'--output={tmp_path}/new.onnx')
    assert code == 2 and 'pip install' in told and told.count('\n') == 1
    assert there.read_bytes() == b'kept' and not (tmp_path / 'new.onnx').exists()


def test_a_network_of_other_operations_is_refused_in_one_line():
    pytest.importorskip('onnx', reason='onnx is missing: pip install gln_jax[export]')
    with pytest.raises(weights.errors.InputError, match='fresh bccnn: consists of .* tanh .*stablehlo'):
        export.onnx(fresh('bccnn'))


def test_parameters_beyond_16_bits_are_refused(tmp_path):
    loaded = fresh('srcnn')
    loaded.parameters['Conv_0']['bias'][0] = 1e6
    with pytest.raises(weights.errors.InputError, match='16 bits'):
        export.stablehlo(loaded)


def test_a_face_is_restored_by_parameters_that_are_given():
    """As `face_upsampling.restore` does; the parameters are those between networks for photographs, of JPEG and a sharpness."""
    names, (share, sharpness) = ('x8-photo', 'x8-fast', 'x8-fast-gan'), (0.4, 0.5)
    photo, clean, sharp = [weights.load_generator(name) for name in names]
    onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is missing: pip install gln_jax[export]')
    session = onnxruntime.InferenceSession(export.onnx_restoring(photo), providers=['CPUExecutionProvider'])
    shares = 1 - share - sharpness, share, sharpness
    flat = sum(np.float32(part) * export.flat_parameters(each) for part, each in zip(shares, (clean, photo, sharp)))
    between = weights.mixed(*zip(shares, (each.parameters for each in (clean, photo, sharp))))
    coarse = np.random.default_rng(0).random((1, 4, 4, 3), np.float32)
    rgb = np.clip(images.upsample(coarse, 4, 'bicubic'), 0, 1)  # smooth: what is noise is not projected back
    slack = consistency.slack(np.full((8, 8), 12.0), 16, 24)[None]
    rgba = np.concatenate([255 * rgb, np.zeros_like(rgb[..., :1])], axis=-1)
    found = dict(zip(('restored', 'bicubic', 'luminance', 'consistency'), session.run(None, {'lr': rgba, 'parameters': flat, 'slack': slack})))
    upsampler = face_upsampling.FaceUpsampler(photo._replace(parameters=between), batch_size=1)
    expected = face_upsampling.restore(upsampler, rgb, consistent=True, slack=slack)
    np.testing.assert_allclose(found['luminance'][..., 0], expected.luminance, rtol=0, atol=2e-5)
    np.testing.assert_allclose(np.clip(found['restored'][..., :3], 0, 255), expected.rgb, rtol=0, atol=0.51)
    np.testing.assert_allclose(found['bicubic'][..., :3], 255 * images.upsample(rgb, 8, 'bicubic'), rtol=0, atol=2e-3)
    assert (found['restored'][..., 3] == 255).all() and (found['bicubic'][..., 3] == 255).all()
    np.testing.assert_allclose(found['consistency'], expected.network_consistency + expected.consistency, atol=0.01)
