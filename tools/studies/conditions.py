"""The conditions under which the failures study scores faces: the faces are changed, or how LR images are made."""

from collections.abc import Sequence
import functools
from typing import Any, Callable, NamedTuple

from tools.studies import alterations, lr_images

UNALTERED = ('unaltered', '')
SEEN_PART = 'pixels not under'
"""The kind of the faces without an occlusion, scored over the pixels that the occlusion would leave free."""

CURVES = {  # kind: (axis title, level that changes nothing, the other levels, what makes them)
    'shift': ('shift, HR pixels', 0, (1, 2, 4, 8), alterations.shifted),
    'roll': ('roll, degrees', 0, (2, 5, 10), alterations.rolled),
    'scale': ('scale', 1, (0.85, 0.9, 0.95, 1.05, 1.1, 1.15), alterations.scaled),
    'gamma': ('gamma', 1, (0.5, 0.7, 1.4, 2.0), alterations.gamma),
    'side light': ('side light, share lost', 0, (0.25, 0.5, 0.75), alterations.side_light),
}


class Condition(NamedTuple):
    kind: str
    level: Any  # a number, or a name
    alter: Callable = None  # (image, level, number) -> image
    lr_of: Callable = None  # as in `scoring.Task`
    counted: Any = None  # as in `scoring.Task`

    @property
    def key(self):
        return self.kind, self.level


class Altered(Sequence):
    """Faces as `alter(image, level, number)` changes them, each when it is asked for."""

    def __init__(self, faces, alter, level):
        self._faces, self._alter, self._level = faces, alter, level

    def __len__(self):
        return len(self._faces)

    def __getitem__(self, number):
        face = self._faces[number]
        return face._replace(image=self._alter(face.image, self._level, number))


def every(config):
    """All `Condition`s for a network that was trained with this config; the first is that nothing is changed."""
    found = [Condition(*UNALTERED)]
    for kind, (_, _, levels, alter) in CURVES.items():
        found += [Condition(kind, level, alter) for level in levels]
    for name in alterations.OCCLUSIONS:
        free = ~alterations.covered(name)
        found += [Condition(SEEN_PART, name, counted=free),
                  Condition('occlusion', name, alterations.occluded, counted=free)]
    return found + [Condition('LR image', name, lr_of=make) for name, make in lr_images.wrong(config).items()]


def neutral(kind, level):
    """The key of the condition that this one is compared with."""
    return (SEEN_PART, level) if kind == 'occlusion' else UNALTERED


@functools.cache
def levels(kind):
    """The levels of one of `CURVES`, in order, with the one that changes nothing."""
    _, unchanged, others, _ = CURVES[kind]
    return sorted((unchanged, *others))


def key_at(kind, level):
    """The key under which a level of one of `CURVES` was scored."""
    return UNALTERED if level == CURVES[kind][1] else (kind, level)
