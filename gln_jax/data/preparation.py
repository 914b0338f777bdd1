"""Data sets are prepared once, by TFDS, with messages of our own."""

import contextlib
import io
import logging

import tensorflow_datasets as tfds
from tqdm import tqdm

from gln_jax.runtime import errors

logging.getLogger('absl').setLevel(logging.ERROR)  # TFDS warns that what is about to be prepared is not there yet


def prepare(builder, what):
    """Prepares `builder`'s data set as ArrayRecord if it is not there yet, after one line that names it: `what`.

    A preparation that was killed starts anew at the next call. Two processes may prepare the same set at once.
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


def with_progress(faces, split):
    """The iterable `faces`, with a progress bar where somebody is looking."""
    return tqdm(faces, desc=f'preparing {split}', unit=' faces', leave=False, delay=1, disable=None)
