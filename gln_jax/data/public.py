"""Public data sets of faces in TFDS's own form, aligned while they are read."""

import functools
import pathlib
import tarfile
import zipfile

import numpy as np
import tensorflow_datasets as tfds

from gln_jax.data import holdout
from gln_jax.data.alignment import align
from gln_jax.runtime import errors

LFW_EYES = ((103.9, 113.1), (146.3, 112.5))
"""Eye centres (x, y) in LFW's 250x250 photographs, in pixels: the mean over 60 deep-funneled ones, whose eyes are
nearly all within 5 pixels of it. TFDS has the original photographs, which are centred on the face but not turned
upright, so that the alignment of 'lfw' is approximate; better aligned faces can be read as a 'folder'."""


def prepare(name, directory=None):
    """TFDS's builder of 'lfw' or 'celeb_a', downloaded and prepared if it is not yet; `directory` as in `folder.prepare`.

    Raises InputError where it cannot be downloaded, or is kept there in a form without random access.
    """
    builder = tfds.builder(name, data_dir=directory)
    if builder.is_prepared():
        _check_random_access(builder)
    else:
        _do_without_tensorflow(builder)
        try:
            with errors.full_disk_as_such(builder.data_dir):
                builder.download_and_prepare(file_format='array_record')
        except (OSError, tfds.download.DownloadError, tfds.download.download_manager.NonMatchingChecksumError) as error:
            if getattr(error, 'errno', None):  # the disk is at fault, not the net, and its errors say so themselves
                raise
            raise errors.InputError(
                f'{name}: must be downloaded from {builder.info.homepage}, and that failed ({error}); try again later, '
                f'or prepare it with TFDS as ArrayRecord elsewhere and copy it to {builder.data_dir}') from error
    return tfds.builder_from_directory(builder.data_dir)


def _check_random_access(builder):
    kept_as = builder.info.file_format
    if kept_as != tfds.core.FileFormat.ARRAY_RECORD:
        raise errors.InputError(f'{builder.data_dir}: is {kept_as.value}, which cannot be read in any order; have an '
                                'array_record made in another place, --config.data.directory=DIR')


def _do_without_tensorflow(builder):
    """Replaces the two things that TFDS needs TensorFlow for here: it opens and extracts archives by `tf.io.gfile`."""
    split_generators = builder._split_generators

    def split_generators_with_archives(downloads):
        downloads.iter_archive = _members_of_zip  # CelebA
        downloads.download_and_extract = downloads.download  # LFW, whose archive is read below
        return split_generators(downloads)

    builder._split_generators = split_generators_with_archives
    if builder.name == 'lfw':
        builder._generate_examples = lambda data_path: _lfw_examples(pathlib.Path(data_path).parent)


def _members_of_zip(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name, archive.open(name)


def _lfw_examples(archive_path):
    """The examples that TFDS's builder makes, from the archive lfw/<person>/<photograph>.jpg."""
    with tarfile.open(archive_path) as archive:
        for member in archive:
            if member.isfile():
                person, photograph = pathlib.PurePosixPath(member.name).parts[-2:]
                yield f'{person}/{photograph}', {'label': person, 'image': archive.extractfile(member).read()}


class PublicFaces:
    """Some faces of a data set of TFDS, as dicts with the fields of `faces.Face`."""

    def __init__(self, records, numbers, source, as_face):
        """`records`: TFDS's, in random access; `numbers`: which of them; `as_face(record, number)`: a dict without source."""
        self._records, self._numbers, self._source, self._as_face = records, numbers, source, as_face
        self.sources = np.full(len(numbers), source)

    def __len__(self):
        return len(self._numbers)

    def __getitem__(self, index):
        number = self._numbers[index]
        return {'source': self._source, **self._as_face(self._records[number], number)}


def _lfw_face(record, number):
    person = record['label'].decode()
    return {'image': align(record['image'], LFW_EYES), 'file': f'{person}/{number:05}', 'identity': person}


def _celeb_a_face(split, record, number):
    marks = record['landmarks']
    eyes = sorted((marks[f'{side}eye_x'], marks[f'{side}eye_y']) for side in ('left', 'right'))
    return {'image': align(record['image'], eyes), 'file': f'{split}/{number:06}',
            'identity': str(record['identity']['Identity_No'])}


def lfw_splits(builder):
    """{'train', 'val', 'test': PublicFaces}: about 90, 5 and 5 % of the people, by a hash of the name."""
    labels = builder.as_data_source('train', decoders={'image': tfds.decode.SkipDecoding()})
    people = [record['label'].decode() for record in labels]
    split_of = holdout.splits(set(people))
    records = builder.as_data_source('train')
    return {split: PublicFaces(records, [number for number, person in enumerate(people) if split_of[person] == split],
                               'lfw', _lfw_face) for split in sorted(set(split_of.values()))}


def celeb_a_splits(builder):
    """{'train', 'val', 'test': PublicFaces}, the authors' own."""
    records = {split: builder.as_data_source('validation' if split == 'val' else split) for split in ('train', 'val', 'test')}
    return {split: PublicFaces(found, range(len(found)), 'celeb_a', functools.partial(_celeb_a_face, split))
            for split, found in records.items()}
