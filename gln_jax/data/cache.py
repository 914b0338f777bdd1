"""The luminance of a split's faces, decoded once and kept on the disk: reading a face again is a copy of 16 kB.

Threads and processes that read it share its pages in the machine's memory, where 200,000 faces take 3.3 GB.
"""

import functools
import hashlib
import json
import pathlib

import numpy as np

from gln_jax import images
from gln_jax.data import preparation
from gln_jax.runtime import files

SHAPE = (images.FACE_SIZE, images.FACE_SIZE, 1)
SAMPLED = 32  # faces that are read again at every start, to see that they are what they were


def luminance(faces, path):
    """`DecodedLuminance` of `faces` (as returned by `data.faces.load`) in the file `path`, which is made first if need be.

    It is made anew where the pixels of some of the faces are no more what they were: those of lfw and celeb_a are aligned by
    code, which may change. Raises OSError where it cannot be written.
    """
    path = pathlib.Path(path)
    if not (_record(faces, path).get('decoded') and _is_complete(path, len(faces))):
        with files.written_whole(path) as file:  # by writing: a memory map on a full disk ends the process
            np.lib.format.write_array_header_1_0(
                file, {'descr': '|u1', 'fortran_order': False, 'shape': (len(faces), *SHAPE)})
            _go_through(faces, path, file.write, decoded=True)
    return DecodedLuminance(path)


def digest(faces, path):
    """A name for the luminance and the sources of all `faces`, in their order: another one where any of them is another.

    It is kept beside `path`, as in `luminance`, so that only the first call goes through all faces.
    """
    record = _record(faces, pathlib.Path(path))
    return record['digest'] if record else _go_through(faces, pathlib.Path(path), lambda pixels: None, decoded=False)


def _go_through(faces, path, write, decoded):
    """Calls `write` with the bytes of each face; keeps the record of them beside `path`, and returns the digest."""
    found = hashlib.sha256()
    for number in preparation.with_progress(range(len(faces)), path.stem):
        pixels = faces.luminance(number).tobytes()
        found.update(pixels)
        write(pixels)
    found.update('\n'.join(faces.sources).encode())
    record = {'sample': _sample(faces), 'digest': found.hexdigest()[:16], 'decoded': decoded}
    files.write(path.with_suffix('.json'), json.dumps(record) + '\n')
    return record['digest']


def _record(faces, path):
    """What `_go_through` kept beside `path`; {} where there is nothing, or it is of other faces."""
    try:
        record = json.loads(path.with_suffix('.json').read_text())
        return record if record['sample'] == _sample(faces) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _sample(faces):
    """A name for the number of the faces and the pixels of some of them, as they are read now."""
    found = hashlib.sha256(str(len(faces)).encode())
    for number in np.linspace(0, len(faces) - 1, min(SAMPLED, len(faces))).astype(int):
        found.update(faces.luminance(int(number)).tobytes())
    return found.hexdigest()[:16]


def _is_complete(path, count):
    try:
        return np.load(path, mmap_mode='r').shape == (count, *SHAPE)
    except (OSError, EOFError, ValueError):
        return False


class DecodedLuminance:
    """uint8 [128, 128, 1] by a face's number. Can be pickled, and read by many threads."""

    def __init__(self, path):
        self._path = path

    def __getitem__(self, number):
        return np.array(self.array[number])

    @functools.cached_property
    def array(self):
        """All of them, uint8 [n, 128, 128, 1], a memory map."""
        return np.load(self._path, mmap_mode='r')

    def __getstate__(self):
        return {'_path': self._path}  # an array would be sent to a process whole
