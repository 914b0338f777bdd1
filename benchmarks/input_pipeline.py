"""Measures how many training batches the input pipeline makes, alone, and how long a device would wait for them.

    python -m benchmarks.input_pipeline
    python -m benchmarks.input_pipeline --data=DIR --workers=0,2,8 --device=5000

Each row is another way to read the same faces: decoded at every visit or once and kept, augmented in a thread of the
training process or in so many worker processes. The device is simulated: it takes a batch, is busy for as long as a
device that trains on so many faces a second would be, without using this machine's processor, and takes the next, which
is fetched meanwhile, as train.py does.
"""

import argparse
import time

from gln_jax import config as settings
from gln_jax.data import pipeline
from gln_jax.data import faces as data
from gln_jax.runtime import command_line, errors

SECONDS_EACH = 6.0


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        config = settings.default()
        if options.data:
            config.data.name, config.data.path = 'folder', options.data
        faces = data.load(config, 'train')
        pipeline.luminance_reader(faces, config)  # so that no row waits for what is done once
        print(f'{len(faces):,} faces, batches of {options.batch_size}; a device that trains on {options.device:,} faces/s')
        print(f'{"decoded":>11} {"workers":>9} {"faces/s":>8} {"faces/s per worker":>18} {"device waits":>12}')
        for decoded in (False, True):
            for workers in options.workers:
                config.data.decoded, config.data.workers = decoded, workers
                batches = _warm_batches(faces, config, options.batch_size)
                rate = _rate(batches, options.batch_size)
                waits = _waiting(batches, options.batch_size / options.device)
                batches.close()
                print(f'{"once" if decoded else "every visit":>11} {workers or "thread":>9} {rate:>8,.0f} '
                      f'{rate / max(workers, 1):>18,.0f} {waits:>12.1%}', flush=True)


def _rate(batches, batch_size):
    """Faces a second that the pipeline makes, alone."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS_EACH:
        next(batches)
        count += 1
    return count * batch_size / (time.perf_counter() - began)


def _waiting(batches, busy):
    """The share of its time that the simulated device, which is busy for so many seconds with each batch, waits for one."""
    next(batches)
    began = now = time.perf_counter()
    free_at, waited = began + busy, 0.0
    while now - began < SECONDS_EACH:
        next(batches)
        now = time.perf_counter()
        waited += max(0.0, now - free_at)
        starts_at = max(now, free_at)
        time.sleep(starts_at - now)
        free_at = starts_at + busy
    return waited / (free_at - began)


def _warm_batches(faces, config, batch_size):
    batches = pipeline.training_batches(faces, config, batch_size)
    for _ in range(2 * pipeline.BATCHES_AHEAD * max(config.data.workers, 1)):
        next(batches)  # those made ahead would flatter the rate
    return batches


def _parser():
    parser = command_line.parser('benchmarks.input_pipeline', __doc__)
    parser.add_argument('--data', type=command_line.path, metavar='DIR',
                        help='folder of aligned faces (default: the drawn faces)')
    parser.add_argument('--workers', type=_workers, default=[0, 1, 2], metavar='N[,N...]',
                        help='worker processes; 0 is a thread of one process (default: 0,1,2)')
    parser.add_argument('--batch-size', type=command_line.count, default=256, metavar='N',
                        help='faces a batch (default: 256)')
    parser.add_argument('--device', type=command_line.count, default=5000, metavar='N',
                        help='faces a second that the simulated device trains on (default: 5000)')
    return parser


def _workers(text):
    numbers = text.split(',')
    if not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of processes, or several with commas between')
    return [int(number) for number in numbers]


if __name__ == '__main__':
    main()
