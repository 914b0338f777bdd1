"""Aligned LR faces, straight from file to file."""

import numpy as np
from PIL import Image

from gln_jax import errors, images
from gln_jax.photos import face_upsampling, outputs, reading


def restored(paths, names, upsampler, destination, suffix='', consistent=False, disagreement=False):
    """Restores a batch of aligned faces and writes each with its comparison.

    Args:
        paths: the LR faces' files, each of upsampler.lr_size x upsampler.lr_size pixels.
        names: {path: name of its outputs}.
        upsampler: a `face_upsampling.FaceUpsampler`.
        destination: an `outputs.Outputs`.
        suffix, consistent, disagreement: as the command's flags of these names.

    Returns:
        [(path, entry in the report)] in the paths' order; the entry of a file that failed is {'error': what was wrong}.
    """
    entries, found = {}, {}
    for path in paths:
        try:
            destination.check(f'{outputs.FACES}/{names[path]}{suffix}.png',
                              f'{outputs.COMPARISONS}/{names[path]}{suffix}.png')
            found[path] = _lr_face(path, upsampler)
        except errors.InputError as error:
            entries[path] = {'error': str(error)}
    if found:
        entries |= _entries(found, names, upsampler, destination, suffix, consistent, disagreement)
    return [(path, entries[path]) for path in paths]


def _lr_face(path, upsampler):
    picture = reading.read(path)
    height, width = picture.pixels.shape[:2]
    if (width, height) != (upsampler.lr_size, upsampler.lr_size):
        raise errors.InputError(f'{path}: is {width}x{height} pixels, and this network for {upsampler.scale}x takes aligned '
                                f'faces of {upsampler.lr_size}x{upsampler.lr_size}')
    return picture


def _entries(found, names, upsampler, destination, suffix, consistent, disagreement):
    rgb = np.stack([_rgb(picture.pixels) for picture in found.values()])
    filled = np.concatenate([rgb, np.repeat(rgb[-1:], upsampler.batch_size - len(rgb), axis=0)])  # one compiled shape
    faces = face_upsampling.restore(upsampler, filled / np.float32(255), consistent, disagreement)
    entries = {}
    for i, (path, picture) in enumerate(found.items()):
        entry = {'scale': upsampler.scale, **outputs.trust(faces.consistency[i], faces.disagreement[i])}
        pixels = _with_alpha(faces.rgb[i], picture.pixels)
        entry['face'] = destination.write(f'{outputs.FACES}/{names[path]}{suffix}.png', reading.encode(pixels, 'png'))
        entry['comparison'] = destination.write(f'{outputs.COMPARISONS}/{names[path]}{suffix}.png',
                                                outputs.comparison(rgb[i], faces.rgb[i], entry['consistency_db']))
        entries[path] = {'faces': [entry], 'notes': list(picture.notes)}
    return entries


def _rgb(pixels):
    return pixels[..., :3] if pixels.shape[-1] > 2 else pixels[..., :1].repeat(3, axis=-1)


def _with_alpha(face, pixels):
    if pixels.shape[-1] in (1, 3):
        return face
    alpha = Image.fromarray(pixels[..., -1]).resize((images.FACE_SIZE, images.FACE_SIZE), Image.Resampling.BICUBIC)
    return np.dstack([face, np.asarray(alpha)])
