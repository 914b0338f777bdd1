"""Aligned LR faces, straight from file to file."""

import concurrent.futures

import numpy as np
from PIL import Image

from gln_jax import images
from gln_jax.data.image_files import reading, writing
from gln_jax.photos import consistency, face_upsampling, results, uncertainty
from gln_jax.runtime import errors

WRITERS = 4  # files that are written at once; the disk takes longer over each than the processor


def restored(paths, names, upsampler, destination, suffix='', consistent=True, disagreement=False):
    """Restores aligned faces and writes each with its comparison, while the network is at the next batch.

    Args:
        paths, names: a list of the LR faces' files, each of upsampler.lr_size pixels a side, and {path: name of its outputs}.
        upsampler: a `face_upsampling.FaceUpsampler`.
        destination: an `output_folder.OutputFolder`.
        suffix, consistent, disagreement: as the command's flags of these names.
    Yields:
        (path, entry in the report) in the paths' order; the entry of a file that failed is {'error': what was wrong}.
    """
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as writers:
        earlier = {}  # {path: entry, or the future that gives it} of the batch before
        for start in range(0, len(paths), upsampler.batch_size):
            batch = paths[start:start + upsampler.batch_size]
            found, entries = _read(batch, names, upsampler, destination, suffix)
            if found:
                faces = _restored(list(found.values()), upsampler, consistent, disagreement)
                for i, (path, judged) in enumerate(zip(found, uncertainty.judged(upsampler, faces))):
                    entries[path] = writers.submit(_write, found[path], faces.rgb[i], judged, upsampler.scale,
                                                   destination, *_files(names[path], suffix))
            yield from _finished(earlier)
            earlier = {path: entries[path] for path in batch}
        yield from _finished(earlier)


def _finished(entries):
    for path, entry in entries.items():
        yield path, entry if isinstance(entry, dict) else entry.result()


def _read(batch, names, upsampler, destination, suffix):
    """({path: Picture}, {path: entry of one that failed})."""
    found, entries = {}, {}
    for path in batch:
        try:
            destination.check(*_files(names[path], suffix))
            found[path] = _lr_face(path, upsampler)
        except errors.InputError as error:
            entries[path] = {'error': str(error)}
    return found, entries


def _files(name, suffix):
    return f'{results.FACES}/{name}{suffix}.png', f'{results.COMPARISONS}/{name}{suffix}.jpg'


def _lr_face(path, upsampler):
    picture = reading.read(path)
    height, width = picture.pixels.shape[:2]
    if (width, height) != (upsampler.lr_size, upsampler.lr_size):
        raise errors.InputError(f'{path}: is {width}x{height} pixels, and this network for {upsampler.scale}x takes '
                                f'aligned faces of {upsampler.lr_size}x{upsampler.lr_size}')
    return picture


def _restored(found, upsampler, consistent, disagreement):
    """The `face_upsampling.RestoredFaces` of pictures, those of one strength of JPEG at a time."""
    of_network = [upsampler.for_jpeg(picture.jpeg_steps) for picture in found]
    parts, order = [], []
    for network in dict.fromkeys(of_network):
        numbers = [number for number, each in enumerate(of_network) if each is network]
        parts.append(_restored_alike([found[number] for number in numbers], network, consistent, disagreement))
        order += numbers
    joined = [[value for part in field for value in part] for field in zip(*parts)]
    return face_upsampling.RestoredFaces(*([field[order.index(number)] for number in range(len(found))] for field in joined))


def _restored_alike(found, upsampler, consistent, disagreement):
    rgb = np.stack([reading.rgb(picture.pixels) for picture in found])
    filled = np.concatenate([rgb, np.repeat(rgb[-1:], upsampler.batch_size - len(rgb), axis=0)])  # one compiled shape
    slack = np.zeros((len(filled), 8, 8), np.float32)
    slack[:len(found)] = [consistency.slack(picture.jpeg_steps, upsampler.lr_size, upsampler.lr_size) for picture in found]
    return face_upsampling.restore(upsampler, filled / np.float32(255), consistent, disagreement, slack)


def _write(picture, restored, judged, scale, destination, face_file, comparison_file):
    """Writes a restored face, uint8 [128, 128, 3], and its comparison; returns the entry."""
    entry = {'scale': scale, **results.trust(judged)}
    entry['face'] = destination.write(face_file, writing.encode(_with_alpha(restored, picture.pixels), 'png'))
    entry['comparison'] = destination.write(
        comparison_file, results.comparison(reading.rgb(picture.pixels), restored, judged))
    return {'faces': [entry], 'notes': list(picture.notes)}


def _with_alpha(face, pixels):
    if pixels.shape[-1] in (1, 3):
        return face
    alpha = Image.fromarray(pixels[..., -1]).resize((images.FACE_SIZE, images.FACE_SIZE), Image.Resampling.BICUBIC)
    return np.dstack([face, np.asarray(alpha)])
