"""What restoring writes into its folder: names, reports, and that nothing there is lost."""

import collections
import itertools
import json
import os
import pathlib
import tempfile

import numpy as np
from PIL import Image

from gln_jax import images
from gln_jax.data.image_files import metadata, writing
from gln_jax.runtime import errors, files, output_folder, picture_grid

FACES, PHOTOS, COMPARISONS, REPORT = 'restored_faces', 'restored_imgs', 'cmp', 'report.json'
PARTIAL_REPORT = 'report_until_interrupted_{}.json'

LONGEST_NAME = 240
"""Bytes of a file's name; disks take 255, of which `files.write` needs some while it writes."""


class Outputs:
    """The output folder. Files are written whole or not at all, and replaced only where `overwrite` says so."""

    def __init__(self, folder, overwrite=False):
        """Makes the folder. Raises InputError where that cannot be done or nothing can be written into it."""
        self.folder, self._overwrite = pathlib.Path(output_folder.made(folder, 'the results')), overwrite
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except PermissionError:
            raise errors.InputError(f'{folder}: no permission to write there; name another folder') from None

    def check(self, *names):
        """Raises InputError where one of the files is there already and may not be replaced, or has too long a name."""
        for name in names:
            if len(os.fsencode(os.path.basename(name))) > LONGEST_NAME:
                raise errors.InputError(f'{self.folder / name}: the name is too long; shorten that of the input')
            if not self._overwrite and (self.folder / name).exists():
                raise errors.InputError(f'{self.folder / name}: is there already; give --overwrite to replace it, or '
                                        'another folder')

    def free_name(self, pattern):
        """The first of the names 'pattern'.format(0), (1) ... that no file has."""
        return next(name for name in map(pattern.format, itertools.count()) if not (self.folder / name).exists())

    def write(self, name, content):
        """Writes text or bytes to `name` below the folder; returns the name."""
        self.check(name)
        files.write(self.folder / name, content)
        return name


def names_of(paths):
    """{path: the name of its outputs, without ending}: the file's stem, with its ending where two share a stem.

    Where two names would still be one, each is the whole name of its file.
    """
    stems = collections.Counter(path.stem.lower() for path in paths)
    names = {path: path.stem if stems[path.stem.lower()] == 1 else path.name.replace('.', '_') for path in paths}
    are_different = len({name.lower() for name in names.values()}) == len(paths)
    return names if are_different else {path: path.name for path in paths}


def write_photo(outputs, name, restoration, ending, suffix, kept=metadata.Metadata()):
    """Writes a photograph, with the metadata that are `kept`, its faces and their comparisons; returns its part of the report.

    Raises InputError where the photograph does not fit into a file of this ending; nothing is written then.
    """
    image = restoration.image if restoration.image.ndim == 3 else restoration.image[..., None]
    photograph = writing.encode(image, ending, kept)  # before any file is written, as it may be too large for its format
    faces = []
    for number, face in enumerate(restoration.faces):
        entry = {'eyes': np.round(face.eyes, 2).tolist(), 'box': np.round(face.box, 1).tolist(),
                 'source_pixels': round(face.source_pixels, 1), 'note': face.note}
        if face.restored is not None:
            title = f'{name}_{number:02}'
            entry['scale'] = images.FACE_SIZE // face.lr.shape[0]
            entry |= trust(face.trust)
            entry['face'] = outputs.write(f'{FACES}/{title}{suffix}.png', writing.encode(face.restored, 'png'))
            entry['comparison'] = outputs.write(f'{COMPARISONS}/{title}{suffix}.jpg',
                                                comparison(face.lr, face.restored, face.trust))
        faces.append(entry)
    written = outputs.write(f'{PHOTOS}/{name}{suffix}.{ending}', photograph)
    height, width = image.shape[:2]
    return {'output': written, 'size': [width, height], 'factor': restoration.factor, 'faces': faces,
            'notes': list(restoration.notes)}


def trust(known):
    """A `trust.Trust` for the report, a dict. An infinite consistency is None, as JSON knows no infinity."""
    values = {'consistency_db': _finite(known.consistency),
              'network_consistency_db': _finite(known.network_consistency)}
    if known.disagreement is not None:
        values |= {'mirrored_disagreement': round(known.disagreement.mirrored, 3),
                   'shifted_disagreement': round(known.disagreement.shifted, 3)}
    if known.doubt is not None:
        values['doubt'] = round(known.doubt, 2)
    return values | {'warnings': list(known.warnings)}


def comparison(lr, restored, known):
    """The JPEG file of an LR face, uint8 RGB [n, n, 3], its bicubic enlargement and the restored face, labelled.

    known: the `trust.Trust` in the restored face.
    """
    enlarged = [np.asarray(Image.fromarray(lr).resize((images.FACE_SIZE, images.FACE_SIZE), kernel))
                for kernel in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)]
    captions = [f'{lr.shape[0]}x{lr.shape[0]} pixels', '', 'detail likely invented' if known.warnings else '']
    grid = picture_grid.grid(['input', 'bicubic', 'restored'], [[*enlarged, restored]], [captions])
    return writing.encode(grid, 'jpg')


def _finite(value):
    return round(value, 2) if np.isfinite(value) else None


def write_report(outputs, upsamplers, entries, name):
    """Writes the report into the file of this name and returns its text."""
    networks = [{'network': upsampler.description, 'scale': upsampler.scale, 'degradation': upsampler.degradation}
                for upsampler in upsamplers]
    report = {'networks': networks, 'files': entries}
    text = json.dumps(report, indent=2, allow_nan=False) + '\n'
    outputs.write(name, text)
    return text
