"""The endless stream of training batches, in which every batch is a function of the config and its number alone."""

import functools
import pathlib
import signal

from absl import flags
import grain
import numpy as np

from gln_jax import config as settings
from gln_jax.data import augmentation, cache
from gln_jax.runtime import errors, processes

THREADS = 1  # that read and augment, in each process: several would mostly wait for Python's lock
BATCHES_AHEAD = 8  # ready before they are asked for, in each process
DECODED = 'luminance_of_train.npy'  # beside the prepared data set
SHUFFLED_AT_LEAST = 1000  # faces; Grain takes milliseconds per face to shuffle a few of them


def training_batches(faces, config, batch_size, first_step=0, host=0, hosts=1):
    """Batches of randomly varied faces, without an end.

    Every face comes once an epoch, or as often as `config.data.source_weights` says, in a new order each time; of a
    small data set, an epoch is several copies. Batch s is the same whatever `first_step` and `config.data.workers` are,
    so that a run resumes with `first_step` alone; and the batches that several hosts get at one step are, one after
    the other, the batch that a single host gets.

    Args:
        faces: what `data.faces.load` gives for the split 'train'.
        config: of its settings, `data`, `augmentation` and `seed` matter here.
        batch_size: faces per batch, over all hosts; may be more than there are.
        first_step: the number of the first batch.
        host, hosts: the number of this host, and how many there are.
    Returns:
        An iterator of uint8 [batch_size / hosts, 128, 128, 1], luminance. Its `close()` ends its threads and processes.
    Raises:
        InputError: the source weights name a source that is not there, or leave no face; or the batch cannot be divided
            among the hosts.
    """
    if batch_size % hosts:
        raise errors.InputError(f'a batch of {batch_size} faces cannot be divided among {hosts} hosts')
    varied = functools.partial(_varied, luminance_reader(faces, config), config.seed, config.augmentation.to_dict())
    batches = _endless(faces, config).batch(batch_size // hosts).map_with_index(varied)
    batches = batches[first_step * hosts + host::hosts]
    reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=BATCHES_AHEAD)
    reading_by = grain.MultiprocessingOptions(num_workers=config.data.workers, per_worker_buffer_size=BATCHES_AHEAD)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain reads flags of its own; a program without absl never parsed any
    return iter(batches.to_iter_dataset(reading).mp_prefetch(reading_by, _end_with_the_run if config.data.workers else None))


def _end_with_the_run(*_):
    """In a worker: a signal that reaches all processes of a run must leave it what it still reads before it saves."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    processes.die_with_parent()


def _varied(luminance_of, seed, settings, batch_number, face_numbers):
    """A batch uint8 [n, 128, 128, 1]; how a face is varied depends on the seed and its place in the stream alone."""
    first = batch_number * len(face_numbers)
    return np.stack([
        augmentation.augment(luminance_of(number), np.random.Generator(np.random.Philox(key=seed, counter=(0, 0, 0, place))),
                             settings) for place, number in enumerate(face_numbers, first)])


def luminance_reader(faces, config):
    """The function from a training face's number to its luminance, uint8 [128, 128, 1]."""
    if not config.data.decoded:
        return faces.luminance
    return cache.luminance(faces, pathlib.Path(faces.directory) / DECODED).__getitem__


def digest(faces):
    """As `cache.digest`, of the training faces."""
    return cache.digest(faces, pathlib.Path(faces.directory) / DECODED)


def _endless(faces, config):
    """The numbers of the faces to draw: an endless Grain MapDataset, shuffled anew in every epoch."""
    pools, shares = [], []
    for weight, numbers in numbers_by_weight(faces, settings.source_weights(config)).items():
        copies = -(-SHUFFLED_AT_LEAST // len(numbers))
        pools.append(grain.MapDataset.source(np.tile(numbers, copies)).seed(config.seed).shuffle().repeat())
        shares.append(weight * len(numbers))
    return grain.MapDataset.mix(pools, shares)


def numbers_by_weight(faces, weights):
    """{weight above 0: the numbers of the faces whose sources have it}. Raises InputError as `training_batches` does."""
    if not weights:
        return {1.0: np.arange(len(faces))}
    sources = faces.sources
    unknown = sorted(weights.keys() - set(sources))
    if unknown:
        raise errors.InputError(f'config.data.source_weights: there is no source {unknown[0]!r} in train; there are '
                                f'{", ".join(sorted(set(sources)))}')
    weight_of_face = np.array([weights.get(source, 1.0) for source in sources])
    if not weight_of_face.any():
        raise errors.InputError('config.data.source_weights: all faces have a weight of 0; none is left to train on')
    return {weight: np.flatnonzero(weight_of_face == weight) for weight in np.unique(weight_of_face) if weight > 0}
