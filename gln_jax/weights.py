"""A generator to use: from a workdir, a checkpoint, or a weights file; and how weights files are made.

    python -m gln_jax.weights export --ckpt=runs/x8 --output=x8.safetensors
    python -m gln_jax.weights show x8.safetensors

A weights file is one safetensors file: the averaged generator's parameters in float32, and as metadata all that using them
takes (the config with scale, network and degradation, the alignment template, the luminance weights).
"""

import argparse
import json
import pathlib
from typing import Any, NamedTuple

import flax
import jax
import safetensors
import safetensors.numpy
from ml_collections import ConfigDict

from gln_jax import checkpoints, errors, files, images, networks, steps
from gln_jax import config as settings

FORMAT = 'gln_jax generator 1'


class Loaded(NamedTuple):
    config: ConfigDict
    parameters: Any  # of the averaged generator
    description: str  # where they come from, as the user named it


def load_generator(path):
    """The averaged generator in `path`: a workdir of train.py, one checkpoint's folder, or a weights file.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise errors.InputError(f'{path}: no such workdir, checkpoint or weights file')
    if path.is_file():
        return _load_file(path)
    folder = checkpoints.find(path)
    config = checkpoints.load_config(folder)
    state = checkpoints.load_state(folder, jax.eval_shape(lambda: steps.create_state(config)))
    inside = folder.relative_to(path.absolute()) if folder != path.absolute() else ''
    return Loaded(config, state.average, str(path / inside))


def export(path, output):
    """Writes the generator in `path` as the weights file `output`. Raises InputError where `output` is there already."""
    loaded = load_generator(path)
    if pathlib.Path(output).exists():
        raise errors.InputError(f'{output}: is there already; name another file or remove it')
    arrays = flax.traverse_util.flatten_dict(jax.device_get(loaded.parameters), sep='/')
    metadata = {
        'format': FORMAT,
        'config': settings.to_json(loaded.config),
        'template_eyes': json.dumps(images.TEMPLATE_EYES),
        'luminance_weights': json.dumps(images.LUMINANCE_WEIGHTS),
        'blur_sigma': json.dumps(images.BLUR_SIGMA[loaded.config.scale]),
    }
    files.write(output, safetensors.numpy.save(arrays, metadata))


def _load_file(path):
    try:
        metadata = _metadata(path)
        config = settings.from_json(metadata['config'])
        parameters = flax.traverse_util.unflatten_dict(safetensors.numpy.load_file(path), sep='/')
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise errors.InputError(f'{path}: not a weights file of gln_jax, or a damaged one ({error})') from error
    expected = jax.eval_shape(lambda: steps.create_state(config).generator)
    if jax.tree.map(lambda leaf: leaf.shape, parameters) != jax.tree.map(lambda leaf: leaf.shape, expected):
        raise errors.InputError(f'{path}: its arrays are not those of a {config.network} at {config.scale}x')
    return Loaded(config, parameters, str(path))


def _metadata(path):
    with safetensors.safe_open(path, framework='numpy') as file:
        metadata = file.metadata() or {}
    if metadata.get('format') != FORMAT:
        raise errors.InputError(f'{path}: not a weights file of gln_jax (format {metadata.get("format")!r})')
    return metadata


def _show(path):
    loaded = load_generator(path)
    config = loaded.config
    print(f'{loaded.description}: {config.network} at {config.scale}x, '
          f'{networks.parameter_count(loaded.parameters):,} parameters, degradation {config.degradation}')
    print(settings.to_json(config))


def main():
    parser = argparse.ArgumentParser(prog='python -m gln_jax.weights', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    exporting = commands.add_parser('export', help='write a weights file from a workdir or checkpoint')
    exporting.add_argument('--ckpt', required=True, help='workdir, checkpoint folder or weights file')
    exporting.add_argument('--output', required=True, help='the file to write, *.safetensors; must not be there yet')
    showing = commands.add_parser('show', help='print what a workdir, checkpoint or weights file holds')
    showing.add_argument('ckpt')
    arguments = parser.parse_args()
    with errors.reported():
        if arguments.command == 'export':
            export(arguments.ckpt, arguments.output)
            print(f'wrote {arguments.output}')
        else:
            _show(arguments.ckpt)


if __name__ == '__main__':
    main()
