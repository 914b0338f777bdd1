"""What a method has learnt of training faces, kept between runs until the faces or the method change."""

import hashlib
import json
import pathlib
import sys
import time

import numpy as np
import safetensors
import safetensors.numpy

from gln_jax.data import cache, pipeline
from gln_jax.evaluation.comparison import baselines
from gln_jax.runtime import compilation, files


def model(name, faces, config):
    """What the method `name` learns of training faces: {name: array}, from the disk if it was fitted before.

    Progress is printed to stderr. Where the user's folder for caches cannot be written to, nothing is kept.

    Args:
        name: of `baselines.METHODS`.
        faces: the training faces, as returned by `data.faces.load`.
        config: its `scale` and `degradation` say how LR faces are made.
    """
    path = compilation.cache() / 'baselines' / f'{name}-{key(name, faces, config)}.safetensors'
    kept = _kept(path)
    if kept is not None:
        print(f'{name}: fitted before, {path}', file=sys.stderr)
        return kept
    print(f'{name}: fitting on {len(faces):,} faces', file=sys.stderr, flush=True)
    start = time.monotonic()
    method = baselines.METHODS[name]
    fitted = method.fit(_luminance(faces), config.scale, config.degradation, **method.SETTINGS)
    fitted = {array: np.asarray(values) for array, values in fitted.items()}  # a single number is one of NumPy's own
    print(f'{name}: fitted in {time.monotonic() - start:.0f} s', file=sys.stderr)
    try:
        files.write(path, safetensors.numpy.save(fitted, {'sha256': _digest(fitted)}))
    except OSError as error:
        print(f'{name}: not kept ({error})', file=sys.stderr)
    return fitted


def key(name, faces, config):
    """16 hexadecimal digits for all that a fit depends on: the faces, the method and its source, scale, degradation."""
    method = baselines.METHODS[name]
    parts = [name, method.SETTINGS, config.scale, config.degradation, pipeline.digest(faces), _sources(method)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def identity(faces):
    """A name for a prepared data set, 'folder_faces/faces-2614332a9dd0bac4/1.0.0'; it changes with a folder's files."""
    return '/'.join(pathlib.Path(faces.directory).parts[-3:])


def _luminance(faces):
    """uint8 [n, 128, 128, 1], as a memory map: 200,000 faces would take 3.3 GB."""
    return cache.luminance(faces, pathlib.Path(faces.directory) / pipeline.DECODED).array


def _sources(module, found=None):
    """{name: text} of a module and of those of ours that it uses: another version of them may fit otherwise."""
    found = {} if found is None else found
    if module.__name__ not in found:
        found[module.__name__] = pathlib.Path(module.__file__).read_text()
        for used in vars(module).values():
            if getattr(used, '__file__', None) and used.__name__.startswith('gln_jax.'):
                _sources(used, found)
    return found


def _kept(path):
    """The arrays in `path`; None where it is missing or damaged."""
    try:
        with safetensors.safe_open(path, framework='numpy') as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            digest = (file.metadata() or {}).get('sha256')
    except (OSError, safetensors.SafetensorError):
        return None
    return arrays if digest == _digest(arrays) else None


def _digest(arrays):
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f'{name} {arrays[name].dtype} {arrays[name].shape}'.encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
