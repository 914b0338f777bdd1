"""Files on a disk or in a bucket, written whole or not at all."""

import contextlib
import logging
import os
import pathlib
import sys
import tempfile

from etils import epath

from gln_jax.runtime import errors


def path(name):
    """The path that a user has named: in a bucket (gs://BUCKET/FOLDER), or an absolute one. InputError of an unreadable bucket."""
    found = epath.Path(name)
    if not is_in_bucket(found):
        return epath.Path(os.path.abspath(found.expanduser()))
    logging.getLogger('gcsfs').setLevel(logging.ERROR)  # it warns at each access where it may not ask for a bucket's kind
    try:
        found.exists()
    except ImportError as error:
        raise errors.InputError(f'{name}: a bucket is read and written by gcsfs, which is not installed; '
                                'pip install gcsfs') from error
    except Exception as error:  # of many kinds: no such bucket, no credentials, no network
        raise errors.InputError(f'{name}: the bucket cannot be read ({type(error).__name__}: {error})') from error
    return found


def below(folder, endings, deep=True, apart_from=None, others=None):
    """The files in a folder and below whose names end so, in any case: a sorted list of paths relative to it, with '/'.

    Each real file comes once, and each real folder is gone through once, whatever links lead there: under its own name
    where it lies in the folder, otherwise under the first link's. Hidden files and folders are left out, and links that
    lead nowhere or to a folder around this one.

    Args:
        endings: a tuple of endings in lower case.
        deep: whether folders in the folder count.
        apart_from: a folder that is left out, wherever it lies; None is none.
        others: a list to which the files of other endings are added, each real one once; or None.
    """
    root = pathlib.Path(os.path.abspath(folder))
    known = set()
    for place in (root, *root.resolve().parents, *([apart_from] if apart_from else ())):
        _is_new(place, known)
    found, rest, files, folders = [], [], [], ['']
    while files or folders:
        more, links = _contents(root, folders, known, deep)
        found += [file for file in sorted(files + more) if file.lower().endswith(endings) and _is_new(root / file, known)]
        rest += [file for file in files + more if not file.lower().endswith(endings)]
        # Links come only now, as a real file in the folder keeps its own name.
        folders = [link for link in links if deep and os.path.isdir(root / link) and _is_new(root / link, known)]
        files = [link for link in links if os.path.isfile(root / link)]
    if others is not None:
        others += [file for file in rest if _is_new(root / file, known)]
    return sorted(found)


def _contents(root, folders, known, deep):
    """(files, links in order) in these folders and the real ones below, as paths relative to `root`; hidden ones left out."""
    files, links, folders = [], [], list(folders)
    while folders:
        place = folders.pop()
        try:
            entries = list(os.scandir(root / place))
        except PermissionError as error:
            if not place:
                raise
            print(f'warning: {error.filename}: no permission to read this folder; it is left out', file=sys.stderr)
            continue
        for entry in entries:
            path = f'{place}/{entry.name}' if place else entry.name
            if entry.name.startswith('.'):
                continue
            if entry.is_symlink():
                links.append(path)
            elif entry.is_file():
                files.append(path)
            elif deep and entry.is_dir() and _is_new(root / path, known):
                folders.append(path)
    return files, sorted(links)


def _is_new(path, known):
    """Whether the file or folder that a path leads to is there and not in `known` yet; it is afterwards."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)  # some disks number nothing
    if identity in known:
        return False
    known.add(identity)
    return True


def check_names(folder, names):
    """As `check_name`, of all these files in a folder."""
    for name in names:
        check_name(pathlib.Path(folder, name))


def check_name(path):
    """Raises InputError where the name of a file is not UTF-8: no index and no report could hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise errors.InputError(f'{ascii(str(path))}: the name of this file is not UTF-8; rename it') from error


def is_in_bucket(path):
    return '://' in str(path)


@contextlib.contextmanager
def on_disk(path):
    """The file `path` itself, or, of one in a bucket, a copy on the disk for as long as the context lasts."""
    if not is_in_bucket(path):
        yield pathlib.Path(path)
        return
    with tempfile.TemporaryDirectory(prefix='gln_jax_') as folder:
        copy = pathlib.Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        yield copy


def write(path, content):
    """Writes text or bytes to `path`, by way of a temporary file beside it and a rename; makes its folder.

    A bucket needs neither: what is in it appears when it is complete. Raises InputError where there is no such bucket.
    """
    content = content.encode() if isinstance(content, str) else content
    if is_in_bucket(path):
        try:
            epath.Path(path).write_bytes(content)
        except FileNotFoundError as error:
            raise errors.InputError(f'{path}: there is no such bucket') from error
        return
    with written_whole(path) as file:
        file.write(content)


@contextlib.contextmanager
def written_whole(path):
    """A binary file on a disk to write into, which becomes `path` when the context is left, unless by an error."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(path)  # writing fails without one where the disk is full
        raise
