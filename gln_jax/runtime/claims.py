"""The folder that a command writes into: made, and claimed for one process at a time."""

import contextlib
import fcntl
import os

from gln_jax.runtime import errors, files


def made(name, purpose):
    """The folder of this name (as `files.path` takes it) as a path, made if need be; whose files it holds is the caller's question.

    `purpose` is what goes into it, and by which flag another is named: 'the scores, --output=DIR'. Raises InputError where a
    file is in its way, or it cannot be made.
    """
    folder = files.path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise errors.InputError(f'{name}: is, or lies below, a file; name a folder for {purpose}') from error
    except (FileNotFoundError, PermissionError) as error:
        problem = 'cannot be made' if isinstance(error, FileNotFoundError) else 'no permission to write there'
        raise errors.InputError(f'{name}: {problem}; name another folder for {purpose}') from error
    return folder


@contextlib.contextmanager
def alone_in(folder, doing):
    """Keeps a folder on a disk for this process as long as the context lasts; a killed process leaves no claim behind.

    InputError where another process has it: `doing` says what that does, 'is training here; wait for its end' say.
    """
    claim = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        raise errors.InputError(f'{folder}: another process {doing}, or name another folder') from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(claim)
