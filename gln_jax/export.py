"""A network for other programs: StableHLO for JAX and XLA without this project, ONNX for all others.

    python -m gln_jax.export --ckpt=x8-fast --format=onnx --output=x8-fast.onnx
    python -m gln_jax.export --ckpt=x8-fast --format=stablehlo --output=x8-fast.stablehlo

Either takes LR luminance float32 [n, 128 / scale, 128 / scale, 1] in [0, 1], for any n, and gives HR luminance
float32 [n, 128, 128, 1], not clipped. Parameters are rounded to 16-bit floats, as those of weights files are; it is computed
in 32 bits. An ONNX file carries as metadata: config, conventions (eyes of the template, luminance weights, blur), card,
digest and license. A StableHLO file is read by `jax.export.deserialize(bytearray(...)).call(lr)` on CPUs, CUDA and TPUs.
"""

import json

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from gln_jax import config as settings
from gln_jax import images, weights
from gln_jax.models import factory
from gln_jax.photos import consistency
from gln_jax.runtime import command_line, errors, files, precision

PLATFORMS = 'cpu', 'cuda', 'tpu'
LICENSE = 'Apache-2.0'


def onnx(loaded):
    """The bytes of the ONNX file of a `weights.Loaded`. Raises InputError where it, or the package, is missing something."""
    try:
        from gln_jax.models import onnx_graph
    except ModuleNotFoundError as error:
        raise errors.InputError('--format=onnx needs the package onnx: pip install onnx, or -r requirements/export.txt') from error
    apply, parameters, shape, digest = _network(loaded)
    metadata = {
        'config': settings.to_json(loaded.config), 'conventions': json.dumps(images.conventions(loaded.config.scale)),
        'card': json.dumps(loaded.card), 'digest': digest, 'license': LICENSE, 'name': loaded.description,
        'degradation': loaded.config.degradation}
    try:
        return onnx_graph.model(lambda lr: (apply(parameters, lr),), {'lr': ('n', *shape)}, ['hr'], metadata)
    except NotImplementedError as error:
        raise errors.InputError(f'{loaded.description}: {error}; --format=stablehlo takes any network') from error


def onnx_restoring(loaded):
    """The bytes of an ONNX file that restores one face as `face_upsampling.restore` does, by parameters that it is given.

    It takes float32 'lr', RGBA [1, s, s, 4] in 0..255, whose A does not count; 'parameters' [n], as `flat_parameters`; 'slack'
    [1, 8, 8], as `consistency.slack`. It gives 'restored' and 'bicubic', RGBA [1, 128, 128, 4] in 0..255, not clipped;
    'luminance' [1, 128, 128, 1] in [0, 1]; 'consistency', in dB [2], of what the network gave and of what is returned.
    """
    from gln_jax.models import onnx_graph
    apply, parameters, (size, _, _), _ = _network(loaded)
    of_degradation = loaded.config.scale, loaded.config.degradation
    leaves, tree = jax.tree.flatten(jax.tree.map(_filters_first, parameters))
    ends = np.cumsum([leaf.size for leaf in leaves]).tolist()

    def restore(lr, flat, slack):
        each = [flat[end - leaf.size:end].reshape(leaf.shape) for leaf, end in zip(leaves, ends)]
        rgb = jnp.clip(lr[..., :3] / 255, 0, 1)
        y, enlarged = images.luminance(rgb), images.upsample(rgb, loaded.config.scale, 'bicubic')
        hr = jnp.clip(apply(jax.tree.map(_filters_last, jax.tree.unflatten(tree, each)), y), 0, 1)
        of_network = consistency.consistency(hr, y, *of_degradation)
        hr = consistency.back_projected(hr, y, *of_degradation, slack)
        of_result = consistency.consistency(hr, y, *of_degradation, slack)
        restored = enlarged + hr - images.luminance(enlarged)  # the colours are those of bicubic interpolation
        opaque = [jnp.concatenate([255 * each, 0 * each[..., :1] + 255], axis=-1) for each in (restored, enlarged)]
        return *opaque, hr, jnp.concatenate([of_network, of_result])

    inputs = {'lr': (1, size, size, 4), 'parameters': (ends[-1],), 'slack': (1, 8, 8)}
    return onnx_graph.model(restore, inputs, ('restored', 'bicubic', 'luminance', 'consistency'),
                            {'name': f'restores with parameters such as those of {loaded.description}', 'license': LICENSE})


def flat_parameters(loaded):
    """The parameters float16 [n] of a `weights.Loaded`, one after the other as `onnx_restoring` takes them."""
    parameters = jax.tree.map(_filters_first, _network(loaded)[1])
    return np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(parameters)]).astype(np.float16)


def _filters_first(parameter):
    """Kernels as ONNX has them, so that they need not be transposed for each face."""
    return parameter.transpose(3, 2, 0, 1) if parameter.ndim == 4 else parameter


def _filters_last(parameter):
    return parameter.transpose(2, 3, 1, 0) if parameter.ndim == 4 else parameter


def stablehlo(loaded):
    """The bytes of the StableHLO file of a `weights.Loaded`."""
    apply, parameters, shape, _ = _network(loaded)
    n, = jax.export.symbolic_shape('n')
    function = jax.jit(lambda lr: apply(jax.lax.optimization_barrier(parameters), lr))  # or XLA works with them beforehand, in other bits
    exported = jax.export.export(function, platforms=PLATFORMS)(jax.ShapeDtypeStruct((n, *shape), np.float32))
    return bytes(exported.serialize())


def _network(loaded):
    """(the function of parameters and LR images, the parameters, the shape of an LR image, the parameters' digest)."""
    with np.errstate(over='ignore'):  # refused below
        parameters = jax.tree.map(lambda leaf: np.float32(np.float16(leaf)), loaded.parameters)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters)):
        raise errors.InputError(f'{loaded.description}: has parameters that are not finite in 16 bits')
    apply = precision.applied(factory.generator(loaded.config), np.float32)
    size = images.FACE_SIZE // loaded.config.scale
    return apply, parameters, (size, size, 1), weights.digest(parameters)


def main(arguments=None):
    parser = command_line.parser('gln_jax.export', __doc__)
    parser.add_argument('--ckpt', type=command_line.path, required=True,
                        help='a workdir of train.py, a checkpoint, a weights file, or the name of one that comes with the project')
    parser.add_argument('--format', choices=('onnx', 'stablehlo'), required=True)
    parser.add_argument('--output', type=command_line.path, required=True, help='the file to write; must not be there yet')
    options = parser.parse_args(arguments)
    with errors.reported():
        weights.check_is_free(options.output)
        content = {'onnx': onnx, 'stablehlo': stablehlo}[options.format](weights.load_generator(options.ckpt))
        files.write(options.output, content)
        print(f'wrote {options.output}, {len(content) / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
