"""A folder of photographs made a folder of aligned training faces; killed at any time, it goes on where it was."""

import csv
import functools
import hashlib
import io
import json
import pathlib
import sys
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from gln_jax.data import folder_contents, holdout, identities
from gln_jax.data.image_files import formats
from gln_jax.photos import face_crops, output_folder, perceptual_hash
from gln_jax.photos import results as written
from gln_jax.runtime import claims, errors, files
from gln_jax.runtime import processes as processing

JOURNAL, REJECTED, FACES, DUPLICATES = 'prepare.jsonl', 'rejected.csv', 'faces', 'duplicates.json'

FLAGS = {'directory': '-i', 'filters': '--min-size, --min-detail or --detector', 'most_differing_bits': '--duplicate-bits',
         'identity': '--identity', 'source': '--source', 'eyes': '--eyes-csv'}
"""The command's flag for each setting that the journal keeps."""


class Settings(NamedTuple):
    filters: face_crops.Filters
    most_differing_bits: int  # of `perceptual_hash`, of two faces that count as one photograph
    identity: str  # one of identities.MODES
    source: str  # the source of all faces, in the index


def photos_below(directory, output=None):
    """The pictures in a folder and below, as returned by `files.below`, without those in the folder `output`.

    Raises InputError for no such folder, no picture in it, or a name that is not UTF-8.
    """
    if not directory.is_dir():
        raise errors.InputError(f'{directory}: there is no such folder')
    found = formats.files_in(directory, apart_from=output)
    found = _without_results(directory, found)
    if not found:
        raise errors.InputError(f'{directory}: holds no photographs besides results')
    files.check_names(directory, found)
    return found


def prepare(directory, output, settings, eyes=None, processes=1):
    """Finds and aligns the faces of all photographs and writes them with index.csv and rejected.csv.

    What is done is noted photograph by photograph; the same call goes on with the rest, and does anew what has changed
    since. The result depends on photographs and settings alone, not on interruptions or the number of processes.

    Args:
        directory, output: the folders of the photographs, with its sub-folders, and for the faces.
        settings: Settings.
        eyes: {path of a photograph below `directory`: list of eyes}, of those that are not to be searched.
        processes: how many work at once.
    Returns:
        (index, rejected): what the two files hold, lists of dicts.
    Raises:
        InputError: see `photos_below`; or the output folder holds something else, or faces made with other settings.
        RunError: one of the processes was killed.
    """
    photos = photos_below(directory, output)
    journal = Journal(output, {'directory': str(directory.resolve()), **_plain(settings), 'eyes': eyes or {}})
    with claims.alone_in(output, 'prepares faces here; wait for its end'):
        return _prepared(photos, journal, directory, output, settings, eyes or {}, processes)


def _prepared(photos, journal, directory, output, settings, eyes, processes):
    """As `prepare`, with a Journal of what is done."""
    keys = {photo: _key(directory / photo) for photo in photos}
    todo = [photo for photo in photos if not journal.is_done(photo, keys[photo])]
    crop = functools.partial(_crop, directory, output, settings, eyes)
    with processing.mapped(crop, todo, processes) as results:
        bar = tqdm(todo, unit=' photos', total=len(photos), initial=len(photos) - len(todo), smoothing=0.05)
        for photo, (kept, rejected) in zip(bar, results):
            journal.note(photo, keys[photo], kept, rejected)
    index, rejected = _sorted_out(photos, journal, settings, output)
    journal.remove_faces_but({row['file'] for row in index})
    files.write(output / REJECTED, _as_csv(rejected, ('file', 'left_x', 'left_y', 'right_x', 'right_y', 'reason')))
    files.write(output / folder_contents.INDEX, _as_csv(index, (*folder_contents.Entry._fields, 'photo', 'left_x', 'left_y', 'right_x',
                                                       'right_y', 'source_px', 'detail')))
    return index, rejected


class Journal:
    """What has been done, in a file of JSON lines: the settings, then a line for each photograph."""

    def __init__(self, output, settings):
        """Reads the journal in the folder `output`, or begins one. Raises InputError as `prepare` does."""
        self._output, self._path = output, output / JOURNAL
        self._done = {}
        settings = json.loads(json.dumps(settings))
        if not self._path.exists():
            claims.made(output, 'the faces')
            if any(output.iterdir()):
                raise errors.InputError(f'{output}: is not empty and was not made by prepare; name another folder')
            files.write(self._path, json.dumps(settings) + '\n')
        first, *lines = self._path.read_text().splitlines()
        differing = sorted(name for name, value in settings.items() if json.loads(first).get(name) != value)
        if differing:
            raise errors.InputError(f'{output}: was begun with another {FLAGS[differing[0]]}; give the same, or '
                                    'another folder')
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:  # the last line of a process that was killed while it wrote
                continue
            self._done[entry['photo']] = entry

    def is_done(self, photo, key):
        """Whether the photograph, with that `key`, was worked on, and its faces are all there."""
        entry = self._done.get(photo)
        return bool(entry) and entry['key'] == key and all(
            (self._output / face['file']).exists() for face in entry['kept'])

    def note(self, photo, key, kept, rejected):
        """Notes what `face_crops.crops` returned, and removes faces that an earlier version of the photograph gave."""
        earlier = self._done.get(photo, {'kept': []})['kept']
        for gone in {face['file'] for face in earlier} - {face['file'] for face in kept}:
            (self._output / gone).unlink(missing_ok=True)
        self._done[photo] = entry = {'photo': photo, 'key': key, 'kept': kept, 'rejected': rejected}
        with self._path.open('a') as file:
            file.write('\n' + json.dumps(entry) + '\n')  # a line that was cut off before stays alone

    def of(self, photo):
        """(kept, rejected) of a photograph."""
        return self._done[photo]['kept'], self._done[photo]['rejected']

    def remove_faces_but(self, wanted):
        """Removes the faces that were noted and are not in the index."""
        for entry in self._done.values():
            for face in entry['kept']:
                if face['file'] not in wanted:
                    (self._output / face['file']).unlink(missing_ok=True)


def _sorted_out(photos, journal, settings, output):
    """(index, rejected) of all photographs, each face of which was found by itself."""
    rejected = [{'file': photo, **_eye_columns(face['eyes']), 'reason': face['reason']}
                for photo in photos for face in journal.of(photo)[1]]
    faces = [{'photo': photo, **face} for photo in photos for face in journal.of(photo)[0]]
    faces.sort(key=lambda face: (-face['source_px'], face['file']))  # the largest of a photograph's versions is kept
    hashes = np.array([np.frombuffer(bytes.fromhex(face['hash']), np.uint8) for face in faces])
    repeated = _duplicates(hashes, settings.most_differing_bits, output / DUPLICATES)
    for number, (other, bits) in repeated.items():
        rejected.append({'file': faces[number]['photo'], **_eye_columns(faces[number]['eyes']),
                         'reason': f'duplicate of {faces[other]["photo"]} '
                                   f'({bits} of {perceptual_hash.BITS} bits differ)'})
    kept = [face for number, face in enumerate(faces) if number not in repeated]
    people = identities.identities_of(photos, settings.identity)
    groups = {photo: person or photo for photo, person in people.items()}
    split_of = holdout.splits(set(groups.values()))
    index = [{'file': face['file'], 'split': split_of[groups[face['photo']]], 'source': settings.source,
              'identity': people[face['photo']], 'photo': face['photo'], **_eye_columns(face['eyes']),
              'source_px': face['source_px'], 'detail': face['detail']} for face in kept]
    return sorted(index, key=lambda row: row['file']), sorted(rejected, key=lambda row: row['file'])


def _duplicates(hashes, most_bits, path):
    """As `perceptual_hash.duplicates`, kept in the file `path` for as long as the faces are the same."""
    digest = hashlib.sha256(f'{most_bits} {hashes.shape}'.encode() + hashes.tobytes()).hexdigest()
    try:
        kept = json.loads(path.read_text())
        if kept['of'] == digest:
            return {number: (other, bits) for number, other, bits in kept['repeated']}
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or a damaged one
        pass
    found = perceptual_hash.duplicates(hashes, most_bits, functools.partial(
        tqdm, desc='sorting out duplicates', unit=' faces', delay=1))
    files.write(path, json.dumps({'of': digest, 'repeated': [[number, *other] for number, other in found.items()]}) + '\n')
    return found


def _crop(directory, output, settings, eyes, photo):
    stem, _, ending = photo.rpartition('.')
    return face_crops.crops(directory / photo, f'{FACES}/{stem}_{ending}', output, settings.filters, eyes.get(photo),
                            bool(identities.identity_of(photo, settings.identity)))


def _without_results(directory, found):
    """The photographs that are not in folders of results; a line says which folders those are."""
    folders = {place for name in found for place in pathlib.PurePosixPath(name).parents} - {pathlib.PurePosixPath('.')}
    results = {place for place in folders if _holds_results(directory / place)}
    if results:
        print(f'{directory}: left out, as they hold results and no photographs: {", ".join(sorted(map(str, results)))}',
              file=sys.stderr)
    return [name for name in found if not results.intersection(pathlib.PurePosixPath(name).parents)]


def _holds_results(folder):
    """Whether `upsample` or `prepare` wrote this folder."""
    reports = folder.parent / written.REPORT, folder.parent / output_folder.UNFINISHED
    is_named_so = folder.name in (written.FACES, written.PHOTOS, written.COMPARISONS)
    return is_named_so and any(report.exists() for report in reports) or (folder / JOURNAL).exists()


def _key(path):
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _plain(settings):
    return settings._asdict() | {'filters': settings.filters._asdict()}


def _eye_columns(eyes):
    if eyes is None:
        return {}
    (left_x, left_y), (right_x, right_y) = eyes
    return {'left_x': left_x, 'left_y': left_y, 'right_x': right_x, 'right_y': right_y}


def _as_csv(rows, columns):
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
