"""The luminance of a split's faces, decoded once and kept on the disk: reading a face again is a copy of 16 kB.

Threads and processes that read it share its pages in the machine's memory, where 200,000 faces take 3.3 GB.
"""

import functools
import pathlib

import numpy as np

from gln_jax import images
from gln_jax.data import preparation
from gln_jax.runtime import files

SHAPE = (images.FACE_SIZE, images.FACE_SIZE, 1)


def luminance(faces, path):
    """`DecodedLuminance` of `faces` (as returned by `data.faces.load`) in the file `path`, which is made first if need be.

    Raises:
        OSError: it cannot be written.
    """
    path = pathlib.Path(path)
    if not _is_complete(path, len(faces)):
        with files.written_whole(path) as file:  # by writing: a memory map on a full disk ends the process
            np.lib.format.write_array_header_1_0(
                file, {'descr': '|u1', 'fortran_order': False, 'shape': (len(faces), *SHAPE)})
            for number in preparation.with_progress(range(len(faces)), path.stem):
                file.write(faces.luminance(number).tobytes())
    return DecodedLuminance(path)


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
