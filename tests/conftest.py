"""Four CPU devices for every test, so that pmap has something to map over; no accelerator is looked for.

What is compiled is kept for the length of the tests, as many of them start the same programs. Two files of tests run at
a time (pytest-xdist); `-n 0` runs them one after the other, as it takes to see what a test prints (`-s`).
"""

import atexit
import os
import shutil
import subprocess
import tempfile

import pytest

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = os.environ.get('XLA_FLAGS', '') + ' --xla_force_host_platform_device_count=4'
if 'PYTEST_XDIST_WORKER' not in os.environ:  # the processes that run the tests share what is compiled
    os.environ['JAX_COMPILATION_CACHE_DIR'] = tempfile.mkdtemp(prefix='gln_jax_compiled_')
    os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'  # most of their time goes to small programs
    atexit.register(shutil.rmtree, os.environ['JAX_COMPILATION_CACHE_DIR'], ignore_errors=True)


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
