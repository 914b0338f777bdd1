"""One photograph's faces as aligned training faces, and why others are none."""

import pathlib
from typing import NamedTuple

import cv2
import numpy as np

from gln_jax import images
from gln_jax.data import alignment
from gln_jax.data.image_files import reading, writing
from gln_jax.photos import detection, perceptual_hash
from gln_jax.runtime import errors, files


class Filters(NamedTuple):
    """What a face needs to be kept; and how faces are found."""

    least_pixels: float  # of the photograph, that the aligned face's 128 span
    least_detail: float  # as returned by `detail`
    detector: str | None  # as `detection.detect` takes it


def crops(photo, name, output, filters, eyes=None, is_one_person=False):
    """Writes the faces of a photograph into a folder, aligned.

    Args:
        photo: path of the photograph.
        name: of the faces, without ending: `<name>_0.png` is the first, `_1` the second from the left.
        output: the folder.
        filters: Filters.
        eyes: a list of eyes ((x, y), (x, y)), the upright face's left one first; None looks for faces. Where one of
            them lies outside the picture, the face is rejected: what is missing would be mirrored at the border.
        is_one_person: whether the photograph is known to be of one person: the face nearest to the middle.
    Returns:
        (kept, rejected): lists of dicts that JSON can hold. Kept: file (below `output`), eyes, source_px, detail, hash.
        Rejected: eyes (None where the whole photograph is), reason.
    """
    try:
        rgb = reading.rgb(reading.read(photo).pixels)
    except errors.InputError as error:
        return [], [{'eyes': None, 'reason': str(error).removeprefix(f'{photo}: ')}]
    height, width = rgb.shape[:2]
    places = [face.eyes for face in detection.detect(rgb, filters.detector)] if eyes is None else eyes
    if not places:
        return [], [{'eyes': None, 'reason': 'no face was found'}]
    nearest = min(places, key=lambda place: alignment.from_middle(place, rgb))
    kept, rejected = [], []
    for number, place in enumerate(sorted(places)):
        rounded = np.round(place, 2).tolist()
        if is_one_person and place is not nearest:
            rejected.append({'eyes': rounded, 'reason': 'not the face in the middle, whose person the name tells'})
        elif eyes is not None and not all(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 for x, y in place):
            rejected.append({'eyes': rounded, 'reason': f'eyes outside the picture: it is {width}x{height} pixels'})
        else:
            source_px = images.FACE_SIZE / alignment.magnification(alignment.to_template(place))
            face = alignment.align(rgb, place)
            if reason := _reason(source_px, detail(face), filters):
                rejected.append({'eyes': rounded, 'reason': reason})
                continue
            file = f'{name}_{number}.png'
            files.write(pathlib.Path(output, file), writing.encode(face, 'png'))
            kept.append({'file': file, 'eyes': rounded, 'source_px': round(source_px, 1),
                         'detail': round(detail(face), 4), 'hash': perceptual_hash.perceptual_hash(face).tobytes().hex()})
    return kept, rejected


def detail(face):
    """The share of a face's contrast that is lost by halving and doubling it: below 0.03 it is plainly blurred.

    face: uint8 RGB [128, 128, 3]. Of a flat picture it is 0.
    """
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = images.FACE_SIZE
    halved = cv2.resize(grey, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    doubled = cv2.resize(halved, (size, size), interpolation=cv2.INTER_CUBIC)
    return float((grey - doubled).std() / max(grey.std(), 1e-6))


def _reason(source_px, found_detail, filters):
    """Why a face is not kept, or None."""
    if source_px < filters.least_pixels:
        return f'too small: spans {source_px:.0f} pixels, and {filters.least_pixels:g} are needed'
    if found_detail < filters.least_detail:
        return f'blurred: its detail is {found_detail:.3f}, and {filters.least_detail:g} is needed'
    return None
