"""What restoring writes into its folder: pictures, comparisons, the report."""

import collections
import json

import numpy as np
from PIL import Image

from gln_jax import images
from gln_jax.data.image_files import reading, writing
from gln_jax.runtime import picture_grid

FACES, PHOTOS, COMPARISONS, REPORT = 'restored_faces', 'restored_imgs', 'cmp', 'report.json'

COMPARED_SIDE = 1280  # pixels of the longer side, at most, of each of the three pictures that compare a whole photograph


def names_of(paths):
    """{path: the name of its outputs, without ending}: the file's stem, with its ending where two share a stem.

    Where two names would still be one, each is the whole name of its file.
    """
    stems = collections.Counter(path.stem.lower() for path in paths)
    names = {path: path.stem if stems[path.stem.lower()] == 1 else path.name.replace('.', '_') for path in paths}
    are_different = len({name.lower() for name in names.values()}) == len(paths)
    return names if are_different else {path: path.name for path in paths}


def write_photo(outputs, name, picture, restoration, ending, suffix):
    """Writes a photograph, its faces and comparisons of all into an `output_folder.OutputFolder`; returns its part of the report.

    Args:
        name, suffix: as `names_of` gives it, and what is added to it.
        picture: the `reading.Picture` that was restored; its metadata are kept.
        restoration: its `restoring.Restoration`.
        ending: of the photograph's file, a key of `writing.FORMATS`.
    Raises:
        InputError: the photograph does not fit into a file of this ending; nothing is written then.
    """
    image = restoration.image if restoration.image.ndim == 3 else restoration.image[..., None]
    photograph = writing.encode(image, ending, picture.kept)  # before anything is written: it may be too large for its format
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
    whole = outputs.write(f'{COMPARISONS}/{name}{suffix}.jpg', whole_comparison(picture.pixels, image))
    written = outputs.write(f'{PHOTOS}/{name}{suffix}.{ending}', photograph)
    height, width = image.shape[:2]
    return {'output': written, 'comparison': whole, 'size': [width, height], 'factor': restoration.factor, 'faces': faces,
            'notes': list(restoration.notes)}


def trust(known):
    """A `uncertainty.Trust` for the report, a dict. An infinite consistency is None, as JSON knows no infinity."""
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

    known: the `uncertainty.Trust` in the restored face.
    """
    enlarged = [np.asarray(Image.fromarray(lr).resize((images.FACE_SIZE, images.FACE_SIZE), kernel))
                for kernel in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)]
    captions = [f'{lr.shape[0]}x{lr.shape[0]} pixels', '', 'detail likely invented' if known.warnings else '']
    grid = picture_grid.grid(['input', 'bicubic', 'restored'], [[*enlarged, restored]], [captions])
    return writing.encode(grid, 'jpg')


def whole_comparison(photo, result):
    """The JPEG file of a photograph, its bicubic enlargement and the result, labelled, all reduced to COMPARED_SIDE.

    photo, result: uint8 [H, W, C] as in `reading.Picture`.
    """
    height, width = result.shape[:2]
    reduction = min(1, COMPARED_SIDE / max(height, width))
    size = max(1, round(width * reduction)), max(1, round(height * reduction))
    bicubic = Image.Resampling.BICUBIC
    plain = Image.Resampling.NEAREST if size[0] > photo.shape[1] else bicubic  # its pixels show where it is enlarged
    pictures = [np.asarray(Image.fromarray(reading.rgb(pixels)).resize(size, kernel))
                for pixels, kernel in ((photo, plain), (photo, bicubic), (result, bicubic))]
    captions = [f'{photo.shape[1]}x{photo.shape[0]} pixels', '', f'{width}x{height} pixels']
    return writing.encode(picture_grid.grid(['photograph', 'bicubic', 'restored'], [pictures], [captions], enlarge=1), 'jpg')


def _finite(value):
    return round(value, 2) if np.isfinite(value) else None


def write_report(outputs, upsamplers, entries):
    """Writes the report and returns its text."""
    networks = [{'network': upsampler.description, 'scale': upsampler.scale, 'degradation': upsampler.degradation}
                for upsampler in upsamplers]
    text = json.dumps({'networks': networks, 'files': entries}, indent=2, allow_nan=False) + '\n'
    outputs.write(REPORT, text)
    return text
