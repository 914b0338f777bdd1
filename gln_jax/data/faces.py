"""Aligned faces by their number, from any of the data sets that a config can name."""

from collections.abc import Sequence
import functools
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow_datasets as tfds

from gln_jax.data import folder, folder_contents, preparation, public
from gln_jax.data.synthetic import dataset
from gln_jax.runtime import errors


class Face(NamedTuple):
    image: np.ndarray  # uint8 RGB [128, 128, 3]
    file: str  # names the picture within its data set
    source: str  # the collection that it comes from, 'lfw' for example
    identity: str  # the same for all pictures of one person; '' where it is not known


class Faces(Sequence):
    """A sequence of `Face`, each read from the disk when it is asked for. Can be pickled, and read by many threads."""

    def __init__(self, places, directory):
        """`places`: for each face (records as `_PreparedFaces`, number in these); `directory`: of the prepared data set."""
        self._places, self.directory = places, directory

    def __len__(self):
        return len(self._places)

    def __getitem__(self, index):
        records, number = self._places[index]
        return Face(**records[number])

    def luminance(self, index):
        """uint8 [128, 128, 1]: Y of a face, as `images.luminance` gives it, rounded."""
        return cv2.cvtColor(self[index].image, cv2.COLOR_RGB2GRAY)[..., None]

    @property
    def sources(self):
        """An array of the source of each face, made without decoding the images."""
        return np.array([records.sources[number] for records, number in self._places])


def load(config, split):
    """The `Faces` of a split, of one source in it, or of several of these: 'test', 'test/lfw', 'test/lfw,test/london'.

    Where the data set that `config.data` names has to be prepared or downloaded first, this does it, once; it can take
    minutes. Raises InputError where it cannot be had, or lacks the split; the message lists what there is.
    """
    builder, splits = _prepared(config.data, split)
    preparation.hold(str(builder.data_path))
    return Faces([place for part in split.split(',') for place in _places(splits, part.strip())], builder.data_path)


def check(config, *splits):
    """Raises InputError where a folder of faces cannot be used or lacks one of these splits, before it is prepared."""
    if config.data.name == 'folder':
        _contents(config.data.path, ','.join(splits))


class _PreparedFaces:
    """One split of 'drawn' or of a 'folder': dicts with the fields of `Face`."""

    def __init__(self, builder, split):
        self._records = builder.as_data_source(split)
        self._records_undecoded = builder.as_data_source(split, decoders={'image': tfds.decode.SkipDecoding()})

    def __len__(self):
        return len(self._records)

    def __getitem__(self, index):
        record = self._records[index]
        return {'image': record['image'], **{name: record[name].decode() for name in ('file', 'source', 'identity')}}

    @functools.cached_property
    def sources(self):
        return [record['source'].decode() for record in self._records_undecoded]


def _contents(folder, wanted):
    """What `folder_contents.contents` finds, if all splits that are wanted are there."""
    found = folder_contents.contents(folder)
    there = {f'{entry.split}/{entry.source}' for entry in found.entries} | {entry.split for entry in found.entries}
    for split in map(str.strip, wanted.split(',')):
        if split not in there:
            raise errors.InputError(f'{folder}: there is no split {split!r} here; there are {", ".join(sorted(there))}')
    return found


def _prepared(data, wanted):
    """The builder of the data set that `config.data` names, and {split: records} of it."""
    directory = data.directory or None
    if data.name == 'lfw':
        builder = public.prepare('lfw', directory)
        return builder, public.lfw_splits(builder)
    if data.name == 'celeb_a':
        builder = public.prepare('celeb_a', directory)
        return builder, public.celeb_a_splits(builder)
    if data.name == 'drawn':
        builder = dataset.prepare(directory)
    else:
        builder = folder.prepare(data.path, _contents(data.path, wanted), directory)
    return builder, {split: _PreparedFaces(builder, split) for split in builder.info.splits}


def _places(splits, wanted):
    split, _, source = wanted.partition('/')
    records = splits.get(split, ())
    places = [(records, number) for number in range(len(records)) if not source or records.sources[number] == source]
    if not places:
        there = [name for split, records in sorted(splits.items())
                 for name in (split, *(f'{split}/{source}' for source in sorted(set(records.sources))))]
        raise errors.InputError(f'there is no split {wanted!r} here; there are {", ".join(there)}')
    return places
