"""Files on a disk or in a bucket, written whole or not at all."""

import contextlib
import logging
import os
import pathlib
import tempfile

from etils import epath

from gln_jax.runtime import errors


def path(name):
    """The path that a user has named: in a bucket (gs://BUCKET/FOLDER), or else an absolute one on a disk.

    Raises:
        InputError: the bucket cannot be read.
    """
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


def below(folder, endings):
    """The files in a folder and below whose names end so, in any case: a sorted list of paths relative to it, with '/'.

    Hidden files and folders are left out, and links that lead nowhere.

    Raises:
        InputError: a name is not UTF-8.
    """
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [pathlib.Path(place, name) for name in names if name.lower().endswith(endings)
                  and not name.startswith('.') and os.path.isfile(os.path.join(place, name))]
    for file in found:
        check_name(file)
    return sorted(file.relative_to(folder).as_posix() for file in found)


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

    A bucket needs neither: what is in it appears when it is complete.

    Raises:
        InputError: there is no such bucket.
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
