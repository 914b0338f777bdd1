"""Upsamplers that were loaded and compiled, kept for the next call: both take longer than restoring a face."""

import collections
import functools
import os
import pathlib
import threading

from gln_jax.photos import face_upsampling
from gln_jax.runtime import errors, files

MOST_KEPT = 8

_kept = collections.OrderedDict()
_lock = threading.Lock()


def all_of(given, batch_size, sharpness=None):
    """The tuple of FaceUpsamplers that `restoring.restore` was given or has to load.

    Args:
        given: a FaceUpsampler, a path or name to load one from, or several of them; None is the best of each scale.
        batch_size: faces that go through a network at once.
        sharpness: as in `face_upsampling.load`, of what is loaded.
    Raises:
        InputError: as `face_upsampling.load`, or none was given, or a FaceUpsampler, loaded before, with a sharpness.
        ValueError: it is something else.
    """
    if given is None:
        return _once(('best', batch_size, sharpness), functools.partial(face_upsampling.load_each_scale, batch_size, sharpness))
    if not isinstance(given, (tuple, list)):
        given = given,
    if not given:
        raise errors.InputError('upsampler: none was given; leave it out for the best of each scale')
    return tuple(map(functools.partial(_one_of, batch_size=batch_size, sharpness=sharpness), given))


def _one_of(given, batch_size, sharpness):
    if isinstance(given, face_upsampling.FaceUpsampler):
        if sharpness is not None:
            raise errors.InputError('sharpness: is for networks that are loaded now; give it to face_upsampling.load')
        return given
    if not isinstance(given, (str, os.PathLike)):
        raise ValueError(f'upsampler: is to be a FaceUpsampler, a path or a name, or several of them, not {type(given).__name__}')
    load = functools.partial(face_upsampling.load, given, batch_size=batch_size, sharpness=sharpness)
    if files.is_in_bucket(given):  # whether it has changed is not known without reading it
        return load()
    return _once((str(given), batch_size, sharpness, _state(given)), load)


def _once(key, load):
    """What `load` gives, loaded by the first thread that asks."""
    with _lock:
        if key not in _kept:
            _kept[key] = load()
        _kept.move_to_end(key)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return _kept[key]


def _state(name):
    """What changes when a weights file is replaced or a workdir trained on: times and sizes of what lies there."""
    path = pathlib.Path(name)
    there = [each for each in (path, *sorted(path.glob('*')), *sorted(path.glob('*/*'))) if each.exists()]
    return tuple((str(each), each.stat().st_mtime_ns, each.stat().st_size) for each in there)
