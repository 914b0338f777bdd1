"""Restores many photographs in one process from several threads: memory has to stay flat and the results the same.

    python -m tools.soak --photos=DIR [--count=200] [--threads=4] [--crop=20]

DIR is as in `tools.measure_detection`. Each photograph is reduced such that the aligned face spans --crop pixels and restored
one by one first, then --count of them, coming again and again, from the threads. Memory is what the process has resident,
its median over the last quarter against that over the second, when all is loaded. Exit code 1 where it grew by more than 5 %
or a result differs by a bit.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import sys

import numpy as np
from tqdm import tqdm

import gln_jax
from gln_jax.runtime import command_line, errors
from tools import measure_detection

MOST_GROWTH = 1.05


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.soak', __doc__)
    parser.add_argument('--photos', type=command_line.path, required=True, metavar='DIR')
    parser.add_argument('--count', type=command_line.count, default=200, help='default: %(default)s')
    parser.add_argument('--threads', type=command_line.count, default=4, help='default: %(default)s')
    parser.add_argument('--crop', type=command_line.count, default=20, metavar='PIXELS', help='default: %(default)s')
    options = parser.parse_args(arguments)
    with errors.reported():
        photos = [measure_detection.reduced(image, truth, options.crop)[0]
                  for _, image, truth in measure_detection.read_photos(pathlib.Path(options.photos))]
        differing, growth, faces = soak(photos[:options.count], gln_jax.restore, options.count, options.threads)
        print(f'{options.count} photographs, {faces} faces, {options.threads} threads: {differing} results differ from those '
              f'of one thread; memory {100 * (growth - 1):+.1f} %')
        if differing or growth > MOST_GROWTH:
            sys.exit(1)


def soak(photos, restore, count, threads):
    """(results that differ, memory of the last quarter over that of the second, faces restored).

    Args:
        photos: a list of uint8 RGB [H, W, 3].
        restore: `gln_jax.restore`.
        count: photographs to restore from the threads.
        threads: how many.
    """
    alone = [_digest(restore(photo)) for photo in tqdm(photos, desc='one by one', disable=None)]
    memory = []

    def work(number):
        result = restore(photos[number % len(photos)])
        memory.append(_resident())
        return _digest(result) == alone[number % len(photos)], sum(face.restored is not None for face in result.faces)

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        are_equal, faces = zip(*tqdm(pool.map(work, range(count)), total=count, desc='from threads', disable=None))
    growth = np.median(memory[3 * count // 4:]) / np.median(memory[count // 4:count // 2])
    return are_equal.count(False), float(growth), sum(faces)


def _digest(result):
    digest = hashlib.sha256(result.image.tobytes())
    for face in result.faces:
        digest.update(repr((face.eyes, face.box, face.note, face.trust)).encode())
        digest.update(b'' if face.restored is None else face.restored.tobytes())
    return digest.digest()


def _resident():
    """Bytes of memory that this process has resident (on Linux)."""
    return int(pathlib.Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')


if __name__ == '__main__':
    main()
