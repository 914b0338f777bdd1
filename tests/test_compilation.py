"""What is compiled is kept: a second process takes it from the disk, and computes the same bits with it."""

import os
import pathlib
import subprocess
import sys


from gln_jax.runtime import compilation

PROGRAM = '''
import sys, jax, jax.numpy as jnp
from gln_jax.runtime import compilation
compilation.keep(*sys.argv[1:])
print(jax.jit(lambda x: jnp.tanh(x @ x.T).sum())(jax.random.normal(jax.random.key(0), (64, 64))).item().hex())
'''


def start(*arguments, **environment):
    done = subprocess.run([sys.executable, '-c', PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          cwd=pathlib.Path(__file__).parent.parent, env=CLEAN | environment)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


CLEAN = {name: value for name, value in os.environ.items() if name != 'JAX_COMPILATION_CACHE_DIR'}


def files_below(folder):
    return {file: file.stat().st_mtime_ns for file in folder.rglob('*-cache')}


def test_a_second_process_compiles_nothing_and_computes_the_same_bits(tmp_path):
    fresh = start(tmp_path)
    kept = files_below(tmp_path)
    assert kept
    assert start(tmp_path) == fresh and files_below(tmp_path) == kept


def test_it_is_kept_in_the_users_folder_for_caches(tmp_path):
    start(XDG_CACHE_HOME=str(tmp_path))
    assert files_below(tmp_path / 'gln_jax')


def test_none_keeps_nothing(tmp_path):
    start(compilation.NONE, XDG_CACHE_HOME=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_changes_nothing(tmp_path):
    (tmp_path / 'file').write_text('')
    assert start(tmp_path / 'file' / 'below') == start(compilation.NONE)
