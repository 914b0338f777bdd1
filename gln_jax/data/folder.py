"""A folder of aligned faces: what is in it, and the data set that is prepared from it once."""

import collections
import csv
import hashlib
import os
import pathlib
import re
import sys
from typing import NamedTuple

import tensorflow_datasets as tfds

from gln_jax import images
from gln_jax.data import holdout, preparation
from gln_jax.data.image_files import aligned, formats
from gln_jax.runtime import errors, files

INDEX = 'index.csv'
SPLITS = ('train', 'val', 'test')


class Entry(NamedTuple):
    file: str  # relative to the folder, with '/'
    split: str
    source: str
    identity: str  # '' where it is not known


def prepare(folder, directory=None):
    """The prepared data set of a folder: a TFDS builder to read with `as_data_source`.

    It is made at the first call, with a progress bar, and reused until a file in the folder is added, removed or
    changed; then a new one is made beside the old. A preparation that was killed starts anew at the next call.

    Args:
        folder: the folder of faces; see `entries`.
        directory: where prepared data sets are kept, or None for TFDS's own place.

    Returns:
        A TFDS builder. Features: image uint8 RGB [128, 128, 3], file, source and identity. A split is there only if it
        has faces; the order within a split is random, and always the same.

    Raises:
        InputError: see `entries` and `aligned.encoded_face`; nothing is kept then.
    """
    folder = pathlib.Path(folder).expanduser()
    found, are_held_out = entries(folder)
    builder = FolderFaces(folder=folder, entries=found, config=_key(folder, found), data_dir=directory)
    if not builder.is_prepared():
        if are_held_out:
            _tell_held_out(folder, found)
        _warn_of_people_in_two_splits(folder, found)
    preparation.prepare(builder, f'{len(found):,} faces of {folder}')
    return tfds.builder_from_directory(builder.data_dir)


def entries(folder):
    """What is in a folder of faces.

    1. With an index.csv, the pictures that it lists. Columns: file; split, source and identity where there are any.
    2. Otherwise, with sub-folders train, val or test, their pictures; train/lfw/x.jpg has the source lfw.
    3. Otherwise all pictures in the folder and below; lfw/x.jpg has the source lfw.

    Where no split is given, about 1 in 20 pictures is held out for val and 1 in 20 for test, by a hash of the person's
    identity, or of the file name where the index tells none. Where no source is given, it is the folder's own name.
    Hidden files, and files that are no pictures, are ignored.

    Returns:
        A list of `Entry`, sorted by file, and whether their splits come from a hash.

    Raises:
        InputError: there is no such folder, it has no pictures, some lie beside its split folders, or index.csv is
            wrong.
    """
    if not folder.is_dir():
        raise errors.InputError(f'{folder}: there is no such folder')
    found, are_held_out = _listed_in_index(folder) if (folder / INDEX).exists() else _found_below(folder)
    if not found:
        raise errors.InputError(f'{folder / INDEX}: lists no picture')
    return sorted(found), are_held_out


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
        for entry in preparation.with_progress(entries, split):
            yield entry.file, {'image': aligned.encoded_face(self._folder / entry.file), 'file': entry.file,
                               'source': entry.source, 'identity': entry.identity}


def _listed_in_index(folder):
    index = folder / INDEX
    try:
        with index.open(newline='', encoding='utf-8-sig') as file:
            rows = csv.DictReader(file)
            columns, rows = rows.fieldnames or (), list(rows)
    except (UnicodeDecodeError, csv.Error) as error:
        raise errors.InputError(f'{index}: cannot be read as CSV in UTF-8 ({error})') from error
    if 'file' not in columns:
        raise errors.InputError(f"{index}: has no column 'file'; its columns are {', '.join(columns) or 'none'}")
    rows = [{column: (row.get(column) or '').strip() for column in Entry._fields} for row in rows]
    files = [row['file'] for row in rows]
    for file, count in collections.Counter(files).items():
        if not (folder / file).is_file():
            raise errors.InputError(f'{index}: lists {file!r}, and there is no such file')
        if count > 1:
            raise errors.InputError(f'{index}: lists {file!r} {count} times')
    held_out = {} if 'split' in columns else _held_out({row['file']: row['identity'] for row in rows})
    for row in rows:
        row['split'] = held_out.get(row['file'], row['split'])
        row['source'] = row['source'] or folder.resolve().name
        if not re.fullmatch(r'[A-Za-z]\w*', row['split']) or row['split'] == 'all':  # 'all' means something to TFDS
            raise errors.InputError(f"{index}: the split of {row['file']!r} is {row['split']!r}; name it train, val or "
                                    'test, or another word')
    return [Entry(**row) for row in rows], bool(held_out)


def _found_below(folder):
    found = formats.files_in(folder)
    files.check_names(folder, found)
    own_name = folder.resolve().name
    in_splits = [file for file in found if file.split('/')[0] in SPLITS]
    if in_splits and len(in_splits) < len(found):
        stray = next(file for file in found if file.split('/')[0] not in SPLITS)
        raise errors.InputError(f'{folder / stray}: lies outside of {", ".join(SPLITS)}; move it there, or list the '
                                f'pictures in {folder / INDEX}')
    if in_splits:
        return [Entry(file, file.split('/')[0], _source(file.split('/')[1:], own_name), '') for file in found], False
    held_out = holdout.splits(found)
    return [Entry(file, held_out[file], _source(file.split('/'), own_name), '') for file in found], True


def _held_out(people):
    """{file: split} for {file: identity}: all pictures of a person go to one split, where there are enough people for that."""
    names = {file: person or file for file, person in people.items()}
    if len(set(names.values())) < len(SPLITS):
        names = {file: file for file in people}
    split_of = holdout.splits(dict.fromkeys(names.values()))
    return {file: split_of[name] for file, name in names.items()}


def _source(parts, otherwise):
    return parts[0] if len(parts) > 1 else otherwise


def _tell_held_out(folder, found):
    counts = collections.Counter(entry.split for entry in found)
    print(f'{folder}: does not say what to hold out; by a hash of the people, or of the file names where they are not '
          f'known, {counts["val"]} pictures are val, {counts["test"]} are test and {counts["train"]} are train')


def _warn_of_people_in_two_splits(folder, found):
    splits = collections.defaultdict(set)
    for entry in found:
        splits[entry.identity].add(entry.split)
    shared = [person for person in splits if person and len(splits[person]) > 1]
    if shared:
        print(f'warning: {folder / INDEX}: {shared[0]!r} is in {" and ".join(sorted(splits[shared[0]]))}, and so are '
              f'{len(shared) - 1} others in more than one split; faces of people who were trained on score too well',
              file=sys.stderr)


def _key(folder, found):
    """A name for the folder's contents: another one when a file is added, removed or changed."""
    contents = hashlib.sha256(os.fsencode(folder.resolve()))
    for entry in found:
        status = (folder / entry.file).stat()
        contents.update(repr((*entry, status.st_size, status.st_mtime_ns)).encode())
    return f'{re.sub(r"[^A-Za-z0-9]+", "_", folder.resolve().name)}-{contents.hexdigest()[:16]}'
