"""Data sets are prepared once, by TFDS, with messages of our own."""

import contextlib
import fcntl
import io
import logging
import os
import pathlib
import shutil
import sys

import tensorflow_datasets as tfds
from tqdm import tqdm

from gln_jax.runtime import errors

logging.getLogger('absl').setLevel(logging.ERROR)  # TFDS warns that what is about to be prepared is not there yet


def prepare(builder, what):
    """Prepares `builder`'s data set as ArrayRecord if it is not there yet, after one line that names it: `what`.

    A preparation that was killed begins anew at the next call. Two processes may prepare the same set at once.
    """
    if builder.is_prepared():
        return
    print(f'preparing {what}, once; kept in {builder.data_path}', flush=True)
    tfds.disable_progress_bar()
    try:
        with (errors.full_disk_as_such(builder.data_dir),
              contextlib.redirect_stdout(io.StringIO())):  # TFDS speaks of downloads of unknown size
            builder.download_and_prepare(file_format='array_record')
    except OSError:
        if not builder.is_prepared():  # by another process, which was faster
            raise
    _keep_the_last_two(pathlib.Path(builder.data_dir))


def hold(directory):
    """Keeps a prepared data set from being removed as an old one, for as long as this process lasts."""
    if directory not in _held:
        _held[directory] = os.open(directory, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(_held[directory], fcntl.LOCK_SH)


_held = {}  # {directory: its file descriptor}


def _keep_the_last_two(directory):
    """Removes all but two of the copies of a data set that were made one after the other, and says how much is kept.

    They lie beside one another: <name>-<contents>/<version>; `directory` is that of the newest.
    """
    name = directory.parent.name.rpartition('-')[0]
    copies = sorted((copy for copy in directory.parent.parent.glob(f'{name}-*/{directory.name}') if copy != directory),
                    key=lambda copy: copy.stat().st_mtime, reverse=True)
    if not copies:
        return
    removed = [copy for copy in copies[1:] if _remove(copy)]
    kept = [directory, *(copy for copy in copies if copy not in removed)]
    size = sum(file.stat().st_size for copy in kept for file in copy.rglob('*') if file.is_file())
    print(f'{len(kept)} copies are kept, of what was prepared now and before, {size / 1e6:,.1f} MB in {directory.parent.parent}'
          + (f'; {len(removed)} older ones are removed' if removed else ''), flush=True)


def _remove(copy):
    """Removes a prepared data set unless some process holds it; whether it did."""
    handle = os.open(copy, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    shutil.rmtree(copy.parent, ignore_errors=True)
    return True


def with_progress(faces, split):
    """The iterable `faces`, with a progress bar; in a log it is a line every 10 s."""
    return tqdm(faces, desc=f'preparing {split}', unit=' faces', leave=False, delay=1,
                mininterval=0.1 if sys.stderr.isatty() else 10)
