"""A folder that one process at a time may write into."""

import contextlib
import fcntl
import os

from gln_jax.runtime import errors


@contextlib.contextmanager
def alone_in(folder, doing):
    """Keeps a folder on a disk for this process as long as the context lasts; a killed process leaves no claim behind.

    `doing` says in the error what the other process does, as 'is training here; wait for its end'.

    Raises:
        InputError: another process has the folder.
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
