"""Compiled programs are kept between runs, so that only the first start of a config waits for the compiler."""

import hashlib
import os
import pathlib
import platform
import warnings

import jax

NONE = 'none'  # in place of a folder: nothing is kept
LONG_ENOUGH = 0  # seconds of compilation from which on a program is kept


def keep(directory=None):
    """Keeps what JAX compiles from now on in `directory`, and takes from there what was compiled before.

    None is JAX_COMPILATION_CACHE_DIR where that is set, else gln_jax in the user's folder for caches; NONE keeps nothing.
    Where the folder cannot be written to, nothing is kept either, and nothing else changes.
    """
    if directory == NONE:
        jax.config.update('jax_enable_compilation_cache', False)
        return
    if directory or not jax.config.jax_compilation_cache_dir:
        jax.config.update('jax_compilation_cache_dir', str(pathlib.Path(directory or cache()).expanduser() / _machine()))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', LONG_ENOUGH)
    warnings.filterwarnings('ignore', message='Error (reading|writing) persistent compilation cache entry')


def cache():
    """The user's folder for what can be made again."""
    return pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'gln_jax'


def _machine():
    """A name for what programs for this processor can run on: a home folder may be shared by machines that differ."""
    try:
        flags = next(line for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines()
                     if line.startswith(('flags', 'Features')))
    except (OSError, StopIteration):
        flags = platform.processor()
    return f'{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}'
