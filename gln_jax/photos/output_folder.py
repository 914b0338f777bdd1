"""The folder that restored photographs are written into: nothing there is lost, and what was interrupted goes on."""

import contextlib
import json
import os
import pathlib
import tempfile
import threading

from gln_jax.runtime import claims, errors, files

UNFINISHED = 'unfinished.jsonl'
"""Notes of a run that has not ended, a line of JSON each: its settings, then each file that it writes and each input that is
done."""

LONGEST_NAME = 240  # bytes of a file's name; disks take 255, of which `files.write` needs some while it writes


class OutputFolder:
    """The output folder. Files are written whole or not at all, and replaced only where `overwrite` says so.

    A file that an interrupted run with the same settings wrote may be replaced, too.
    """

    def __init__(self, folder, overwrite=False):
        """Makes the folder. Raises InputError where that cannot be done or nothing can be written into it."""
        self.folder, self._overwrite = pathlib.Path(claims.made(folder, 'the results')), overwrite
        self._notes, self._lock = self.folder / UNFINISHED, threading.Lock()
        self._settings, self._ours, self._done = {}, set(), {}
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except PermissionError:
            raise errors.InputError(f'{folder}: no permission to write there; name another folder') from None

    @contextlib.contextmanager
    def claimed(self, settings):
        """The folder for this process alone; what an interrupted run with equal `settings`, a dict, did is taken up.

        Raises InputError where another process writes there, or what was interrupted had other settings.
        """
        with claims.alone_in(self.folder, 'writes its results here; wait for its end'):
            self._settings = _as_read(settings)
            if self._notes.exists():
                self._take_up()
            yield

    def check(self, *names):
        """Raises InputError where one of the files is there already and may not be replaced, or has too long a name."""
        for name in names:
            if len(os.fsencode(os.path.basename(name))) > LONGEST_NAME:
                raise errors.InputError(f'{self.folder / name}: the name is too long; shorten that of the input')
            if not (self._overwrite or name in self._ours) and (self.folder / name).exists():
                raise errors.InputError(f'{self.folder / name}: is there already; give --overwrite to replace it, or '
                                        'another folder')

    def write(self, name, content):
        """Writes text or bytes to `name` below the folder; returns the name."""
        self.check(name)
        self._note({'writes': name})
        files.write(self.folder / name, content)
        return name

    def entry_of(self, name, key):
        """What `note_done` was given for an input, if it had the same `key` and its files are there; else None."""
        known, entry = self._done.get(name, (None, None))
        if entry is None or known != _as_read(key):
            return None
        return entry if all((self.folder / file).exists() for file in _files_in(entry)) else None

    def note_done(self, name, key, entry):
        """Notes that an input is done: its part of the report, and `key`, which tells its versions apart."""
        self._note({'done': name, 'key': key, 'entry': entry})

    def finish(self):
        """Removes the notes: the run has ended and its report is written."""
        self._notes.unlink(missing_ok=True)

    def _take_up(self):
        lines = [line for line in map(_parsed, self._notes.read_text(encoding='utf-8').splitlines()) if line]
        before = lines[0] if lines else {}
        differing = sorted(name for name, value in self._settings.items() if before.get(name) != value)
        if differing and not self._overwrite:
            raise errors.InputError(f'{self.folder}: holds results of a run that was interrupted and had another '
                                    f'{", ".join(differing)}; give the same, --overwrite, or another folder')
        if differing:
            self._notes.unlink()
            return
        self._ours = {line['writes'] for line in lines if 'writes' in line}
        self._done = {line['done']: (line['key'], line['entry']) for line in lines if 'done' in line}

    def _note(self, line):
        with self._lock:
            lines = [line] if self._notes.exists() else [self._settings, line]
            with self._notes.open('a', encoding='utf-8') as file:
                file.writelines(f'\n{json.dumps(each)}\n' for each in lines)  # a line that was cut off before stays alone


def _as_read(value):
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))


def _parsed(line):
    try:
        return json.loads(line)
    except ValueError:  # a line that was cut off by the end of the process, or an empty one
        return None


def _files_in(entry):
    """The files that an entry of the report names."""
    for known in (entry, *entry.get('faces', ())):
        yield from (known[name] for name in ('output', 'face', 'comparison') if name in known)
