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
import numpy as np

from gln_jax import config as settings
from gln_jax import images, weights
from gln_jax.models import factory
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
        return onnx_graph.model(lambda lr: apply(parameters, lr), shape, metadata)
    except NotImplementedError as error:
        raise errors.InputError(f'{loaded.description}: {error}; --format=stablehlo takes any network') from error


def onnx_between(loaded, partner, adversarial=None):
    """The bytes of an ONNX file with a second input, float32 'share' []: so far from `partner`'s parameters to `loaded`'s.

    With `adversarial`, the network that was trained on from `partner` against a discriminator, there is a third, float32
    'sharpness' []: so far all goes along the way from `partner` to it, as `weights.sharpened` does. Each is a `weights.Loaded`
    of one kind of network; a share may be above 1.
    """
    from gln_jax.models import onnx_graph
    apply, _, shape, _ = _network(loaded)
    start, end = _network(partner)[1], _network(loaded)[1]
    sharp = [_network(each)[1] for each in (adversarial,) if each]

    def between(lr, share, *sharpness):
        back = 1 - sum(sharpness, share)
        return apply(weights.mixed((back, start), (share, end), *zip(sharpness, sharp)), lr)

    return onnx_graph.model(between, shape, {'name': f'between {partner.description} and {loaded.description}', 'license': LICENSE},
                            ['share', *['sharpness'] * len(sharp)])


def stablehlo(loaded):
    """The bytes of the StableHLO file of a `weights.Loaded`."""
    apply, parameters, shape, _ = _network(loaded)
    n, = jax.export.symbolic_shape('n')
    exported = jax.export.export(jax.jit(lambda lr: apply(parameters, lr)), platforms=PLATFORMS)(jax.ShapeDtypeStruct((n, *shape), np.float32))
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
