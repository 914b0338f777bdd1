"""A folder of aligned faces as a data set, which is prepared once."""

import hashlib
import os
import pathlib
import re
import sys

import tensorflow_datasets as tfds

from gln_jax import images
from gln_jax.data import preparation
from gln_jax.data.image_files import aligned
from gln_jax.runtime import processes, processors

WORTH_PROCESSES = 500  # so many faces take longer than it takes to start processes for them


def prepare(folder, contents, directory=None):
    """The prepared data set of a folder of faces: a TFDS builder to read with `as_data_source`.

    It is made at the first call, with a progress bar, and reused until a file in the folder is added, removed or changed;
    then a new one is made, and of the older ones the last is kept. What was killed begins anew at the next call. Features:
    image uint8 RGB [128, 128, 3], file, source and identity. The order within a split is random, and always the same.

    Args:
        folder: the folder of faces.
        contents: what `folder_contents.contents` finds in it.
        directory: where prepared data sets are kept, or None for TFDS's own place.
    Raises:
        InputError: see `aligned.encoded_face`; nothing is kept then.
    """
    folder = pathlib.Path(folder).expanduser()
    found, notes = contents
    builder = FolderFaces(folder=folder, entries=found, config=_key(folder, found), data_dir=directory)
    if not builder.is_prepared():
        for note in notes:
            print(note, file=sys.stderr if note.startswith('warning') else sys.stdout)
    preparation.prepare(builder, f'{len(found):,} faces of {folder}')
    return tfds.builder_from_directory(builder.data_dir)


class FolderFaces(tfds.core.GeneratorBasedBuilder):
    """Aligned faces of a folder of the user's."""

    VERSION = tfds.core.Version('1.0.0')

    def __init__(self, *, folder, entries, **settings):
        self._folder, self._entries = folder, entries
        super().__init__(**settings)

    @classmethod
    def get_builder_config(cls, name, version=None):
        """The contents of any folder are a config of this data set, so all names are known."""
        return tfds.core.BuilderConfig(name=name)

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({
            'image': tfds.features.Image(shape=(images.FACE_SIZE, images.FACE_SIZE, 3)),
            'file': tfds.features.Text(), 'source': tfds.features.Text(), 'identity': tfds.features.Text()}))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split, [entry for entry in self._entries if entry.split == split])
                for split in sorted({entry.split for entry in self._entries})}

    def _generate_examples(self, split, entries):
        cores = processors.cores() if len(entries) >= WORTH_PROCESSES else 1
        with processes.mapped(aligned.encoded_face, [self._folder / entry.file for entry in entries], cores) as encoded:
            for entry, image in zip(preparation.with_progress(entries, split), encoded):
                yield entry.file, {'image': image, 'file': entry.file, 'source': entry.source, 'identity': entry.identity}


def _key(folder, found):
    """A name for the folder's contents: another one when a file is added, removed or changed."""
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:8]
    contents = hashlib.sha256()
    for entry in found:
        status = (folder / entry.file).stat()
        contents.update(repr((*entry, status.st_size, status.st_mtime_ns)).encode())
    return f'{re.sub(r"[^A-Za-z0-9]+", "_", folder.resolve().name)}-{place}-{contents.hexdigest()[:16]}'
