"""What is in a folder of aligned faces: of each picture the split, the source and the person."""

import collections
import os
import pathlib
import re
from typing import NamedTuple

from gln_jax.data import holdout, identities, split_names, tables
from gln_jax.data.image_files import formats
from gln_jax.data.split_names import SPLITS
from gln_jax.runtime import errors, files

INDEX = 'index.csv'
AGES = ((0, 12), (13, 19), (20, 39), (40, 59), (60, 200))
"""Years that go together where faces are scored by age."""


class Entry(NamedTuple):
    file: str  # relative to the folder, with '/'
    split: str
    source: str
    identity: str  # '' where it is not known


class Contents(NamedTuple):
    entries: list  # sorted by file
    notes: list  # sentences on what was assumed, and what looks wrong


def contents(folder):
    """What is in a folder of faces.

    1. With an index.csv, the pictures that it lists. Columns: file; split, source and identity where there are any
       (`tables` says in what forms).
    2. Otherwise, with sub-folders train, val and test (or Training, valid, dev ...; `split_names` knows them), there or one
       level below (lfw/train), their pictures; train/lfw/x.jpg has the source lfw.
    3. Otherwise all pictures in the folder and below; lfw/x.jpg has the source lfw.

    Without an index, folders that look as if each held one person (`identities.folders_of_people`) are people and no sources.
    Where no split is given, about 1 in 20 pictures is held out for val and 1 in 20 for test, by a hash of the person's
    identity, or of the file name where that is not known. Where no source is given, it is the folder's own name.
    Hidden files, and files that are no pictures, are ignored, and each real file counts once, whatever links there are.

    Raises:
        InputError: there is no such folder; it has no pictures, or too few to hold any out; some lie beside its split
            folders; or index.csv is wrong.
    """
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
        raise errors.InputError(f'{folder}: there is no such folder')
    found, notes = _listed_in_index(folder) if (folder / INDEX).exists() else _found_below(folder)
    if not found:
        raise errors.InputError(f'{folder / INDEX}: lists no picture')
    if not found[0].split:
        found = _held_out(folder, found)
        counts = collections.Counter(entry.split for entry in found)
        notes.append(f'{folder}: does not say what to hold out; by a hash of the people, or of the file names where they are '
                     f'not known, {counts["val"]} pictures are val, {counts["test"]} are test and {counts["train"]} are train')
    return Contents(sorted(found), notes + _people_in_two_splits(folder, found))


def groups(folder, columns):
    """{column: {file: group}} of the faces that a folder's index.csv lists; ages in years go together as AGES say.

    Raises InputError where there is no such list, or it lacks a column.
    """
    index, found = pathlib.Path(folder).expanduser() / INDEX, {column: {} for column in columns}
    if not index.exists():
        raise errors.InputError(f'--by: {index} is not there, which says the groups of faces')
    present, rows = tables.read(index, 'file')
    for column in columns:
        if column not in present:
            raise errors.InputError(f'--by: {index} has no column {column!r}; its columns are {", ".join(present)}')
        for line, row in rows:
            if row[column]:
                file = row['file'].replace('\\', '/')
                found[column][file] = _years(row[column], f'{index}, line {line}') if column == 'age' else row[column]
    return found


def _years(age, where):
    try:
        return next(f'{least} to {most}' if most < 200 else f'{least} and more' for least, most in AGES if 0 <= float(age) < most + 1)
    except (ValueError, StopIteration):
        raise errors.InputError(f'{where}: the age {age!r} is no number of years') from None


def _listed_in_index(folder):
    index = folder / INDEX
    columns, rows = tables.read(index, 'file')
    own_name = folder.resolve().name
    splits = split_names.splits_of({row.get('split', '') for _, row in rows}, split_names.split_of, index)
    found, listed = [], {}
    for line, row in rows:
        file, split = _named_file(folder, row['file'], f'{index}, line {line}'), row.get('split', '')
        if split == 'all' or not re.fullmatch(r'[A-Za-z]\w*', split) and 'split' in columns:  # 'all' means something to TFDS
            raise errors.InputError(f"{index}: the split of {file!r} is {split!r}; name it train, val or test, or another word")
        status = os.stat(folder / file)
        real = status.st_dev, status.st_ino or file
        if real in listed:
            raise errors.InputError(f'{index}: lists {file!r} 2 times' if listed[real] == file else
                                    f'{index}: lists {listed[real]!r} and {file!r}, which are one file')
        listed[real] = file
        found.append(Entry(file, splits.get(split, split), row.get('source') or own_name, row.get('identity', '')))
    return found, []


def _named_file(folder, name, where):
    """The path below the folder, with '/', that a list means by `name`. Raises InputError where there is no such file."""
    for path in (name, name.replace('\\', '/')):
        if path and os.path.isfile(folder / path):  # which is false for names that are too long
            return pathlib.PurePosixPath(path).as_posix()
    raise errors.InputError(f'{where}: lists {name!r}, and there is no such file; paths are relative to {folder}')


def _found_below(folder):
    found = formats.files_in(folder)
    files.check_names(folder, found)
    own_name = folder.resolve().name
    split_of, places = _splits_of_folders(folder, found)
    people = identities.folders_of_people(collections.Counter(places))
    entries = []
    for file, split, place in zip(found, split_of, places):
        *sources, person = identities.person_of(place, people)
        source = (sources if person else place)[:1] or [own_name]
        entries.append(Entry(file, split, *source, person))
    if not people:
        return _with_people_of_names(entries), []
    some = ', '.join(sorted({person[-1] for person in people})[:3])
    return entries, [f'{folder}: its folders {some}{", ..." if len(people) > 3 else ""} ({len(people):,}) are taken for one person '
                     f'each, and not for sources; where that is wrong, list the pictures in {folder / INDEX}']


def _splits_of_folders(folder, found):
    """(split of each file or '', the names of the folders that it lies in without the one that names the split, as tuples).

    The folders that name splits are those of the first level, or of the second one.
    """
    places = [tuple(file.split('/')[:-1]) for file in found]
    for level in (0, 1):
        names = collections.defaultdict(set)
        for place in places:
            if len(place) > level:
                names[place[:level]].add(place[level])
        splits = {}
        for parent, inside in names.items():
            splits |= split_names.splits_of(inside, split_names.split_of_folder, folder / '/'.join(parent))
        is_inside = [len(place) > level and place[level] in splits for place in places]
        if level == 1 and len(set(splits.values())) < 2 and not all(is_inside):
            continue  # one folder of that name deep inside says little
        if splits and not all(is_inside):
            raise errors.InputError(
                f'{folder / found[is_inside.index(False)]}: lies outside of the folders for splits ({", ".join(splits)}); '
                f'move it to train, val or test, or list the pictures in {folder / INDEX}')
        if splits:
            return [splits[place[level]] for place in places], [place[:level] + place[level + 1:] for place in places]
    return [''] * len(places), places


def _with_people_of_names(entries):
    """The entries with the people whom the files' own names say: Anna_Smith_0001.jpg, where there are several such names."""
    people = [identities.identity_of(entry.file.rpartition('/')[2]) for entry in entries]
    return [entry._replace(identity=person) for entry, person in zip(entries, people)] if len({*people} - {''}) > 2 else entries


def _held_out(folder, entries):
    """With splits: all pictures of a person go to one, where there are enough people for that."""
    if len(entries) < len(SPLITS):
        raise errors.InputError(f'{folder}: holds {len(entries)} pictures, and from {len(SPLITS)} on each of train, val and test has '
                                f'one; add more, or say what is what by folders of these names or in {folder / INDEX}')
    names = [entry.identity or entry.file for entry in entries]
    if len(set(names)) < len(SPLITS):
        names = [entry.file for entry in entries]
    split_of = holdout.splits(dict.fromkeys(names))
    return [entry._replace(split=split_of[name]) for entry, name in zip(entries, names)]


def _people_in_two_splits(folder, entries):
    splits = collections.defaultdict(set)
    for entry in entries:
        splits[entry.identity].add(entry.split)
    shared = [person for person in splits if person and len(splits[person]) > 1]
    if not shared:
        return []
    others = f', and so are {len(shared) - 1} others in more than one split' if len(shared) > 1 else ''
    return [f'warning: {folder}: {shared[0]!r} is in {" and ".join(sorted(splits[shared[0]]))}{others}; faces of people '
            'who were trained on score too well']
