"""Writes a network between two of one kind, of which one was trained on from the other, as a weights file.

    python -m tools.weights_between --undamaged=x8-fast --ckpt=runs/x8-photo --share=0.6 --output=x8-photo.safetensors

Each weight is that of the first, moved by the share of its way to the second (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"): on faces of val such a network has more PSNR than the second on every kind of LR image but the worst
damaged ones. The file names the first, from which `photos.face_upsampling` goes on to the second and beyond as far as a
photograph needs.
"""

import json

import flax
import jax
import numpy as np
import safetensors.numpy

from gln_jax import config as settings
from gln_jax import weights
from gln_jax.runtime import command_line, errors, files


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.weights_between', __doc__)
    parser.add_argument('--undamaged', required=True, metavar='NAME', help='a released name')
    parser.add_argument('--ckpt', type=command_line.path, required=True, help='a workdir, checkpoint or weights file')
    parser.add_argument('--share', type=float, required=True)
    parser.add_argument('--output', type=command_line.path, required=True, metavar='FILE')
    options = parser.parse_args(arguments)
    with errors.reported():
        write(options.undamaged, options.ckpt, options.share, options.output)


def write(undamaged, ckpt, share, output):
    """Writes the file; InputError where the networks are not of one kind, or the file is there already."""
    first, second = weights.load_generator(undamaged), weights.load_generator(ckpt)
    weights.check_is_free(output)
    if jax.tree.map(np.shape, first.parameters) != jax.tree.map(np.shape, second.parameters):
        raise errors.InputError(f'{ckpt}: is no network of the same kind as {undamaged}')
    between = jax.tree.map(np.float16, weights.mixed((1 - share, first.parameters), (share, second.parameters)))
    metadata = {'format': weights.FORMAT, 'config': settings.to_json(second.config),
                'card': json.dumps(second.card | {'undamaged': undamaged, 'share': share})}
    files.write(output, safetensors.numpy.save(flax.traverse_util.flatten_dict(between, sep='/'), metadata))


if __name__ == '__main__':
    main()
