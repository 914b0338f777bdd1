"""Four CPU devices for every test, so that pmap has something to map over; no accelerator is looked for.

What is compiled is kept for the length of the tests, as many of them start the same programs, and is compiled with few
optimisations, in a third of the time, but where a file asks for `optimized`. Two files of tests run at a time
(pytest-xdist), those first that take longest; `-n 0` runs them one after the other, as it takes to see what a test
prints (`-s`).
"""

import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from absl.testing import flagsaver
import pytest

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = os.environ.get('XLA_FLAGS', '') + ' --xla_force_host_platform_device_count=4'
if 'PYTEST_XDIST_WORKER' not in os.environ:  # the processes that run the tests share what is compiled
    os.environ['JAX_COMPILATION_CACHE_DIR'] = tempfile.mkdtemp(prefix='gln_jax_compiled_')
    os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'  # most of their time goes to small programs
    atexit.register(shutil.rmtree, os.environ['JAX_COMPILATION_CACHE_DIR'], ignore_errors=True)
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')  # 0 in the environment compiles what users' programs are

LONGEST = 'hosts', 'bucket', 'training', 'networks', 'workdirs', 'upsample', 'photos', 'export', 'page', 'prepare', 'speed'
"""Files of tests that take longest, so that no processor waits for one of them in the end."""


def pytest_collection_modifyitems(items):
    place = {f'test_{name}': number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope='module')
def optimized():
    """Programs as users have them, for tests of their numbers or of their speed."""
    import jax  # which reads the variables above when it is imported
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('JAX_DISABLE_MOST_OPTIMIZATIONS', '0')  # of processes that the tests start
        before = jax.config.read('jax_disable_most_optimizations')
        jax.config.update('jax_disable_most_optimizations', False)
        yield
        jax.config.update('jax_disable_most_optimizations', before)


@pytest.fixture(scope='session')
def drawn_faces(tmp_path_factory):
    """A TFDS data directory with a few drawn faces in it: 24 of train, 8 of val and 8 of test."""
    from gln_jax.data import preparation
    from gln_jax.data.synthetic import dataset
    directory = tmp_path_factory.mktemp('tfds')
    preparation.prepare(dataset.DrawnFaces(faces={'train': 24, 'val': 8, 'test': 8}, data_dir=directory), 'a few drawn faces')
    return directory


@pytest.fixture
def small_disk(tmp_path):
    """Makes a disk of a size such as '100m': its folder."""
    folder = tmp_path / 'small_disk'
    folder.mkdir()

    def small_disk(size):
        if os.geteuid() or subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', folder],
                                          capture_output=True).returncode:
            pytest.skip('needs the right to mount a small disk')
        return folder
    yield small_disk
    if os.path.ismount(folder):
        subprocess.run(['umount', '-l', folder], check=True)


@pytest.fixture
def command(capsys):
    """Runs a command's `main` with arguments: (exit code, standard output, standard error), without tracebacks."""
    def command(main, *arguments):
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        told = capsys.readouterr()
        assert 'Traceback' not in told.err
        return code, told.out, told.err
    return command


@pytest.fixture
def train_command(command, monkeypatch):
    """Runs train.py in this process: (exit code, standard output, standard error), without tracebacks."""
    import train
    monkeypatch.chdir(pathlib.Path(train.__file__).parent)

    def train_command(*arguments):
        monkeypatch.setattr(sys, 'argv', ['train.py', *map(str, arguments)])
        with flagsaver.flagsaver():
            return command(lambda _: train.main())
    return train_command
