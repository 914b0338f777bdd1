"""What a user did wrong is told in one line that names the file or the argument, with exit code 2."""

import errno
import os
import signal
import subprocess
import sys

import pytest

import evaluate
from benchmarks import input_pipeline
from gln_jax import weights
from gln_jax.runtime import errors, files
from tools import compile_for_tpu, measure_detection, photograph_figure
from gln_jax.evaluation.comparison import report
from tools.studies import __main__ as study


@pytest.fixture
def file(tmp_path):
    (tmp_path / 'file').touch()
    return tmp_path / 'file'


def only_line(told):
    line, = told.splitlines()
    return line


@pytest.mark.parametrize('target, said', [
    ('', ' is a folder, and a file is needed'), ('file/inside', '/file: is there already, and is no folder'),
    ('file/inside/deeper', '/file/inside: a part of this path is a file')])
def test_a_target_of_the_wrong_kind_is_named(file, target, said, capsys):
    with pytest.raises(SystemExit) as ended, errors.reported():
        files.write(file.parent / target, 'text')
    told = only_line(capsys.readouterr().err)
    assert ended.value.code == 2 and told.startswith(f'error: {file.parent}') and said in told


@pytest.mark.parametrize('number, said', [
    (errno.ENOSPC, 'no space left on the disk'), (errno.EDQUOT, 'quota'), (errno.EROFS, 'can only be read'),
    (errno.ENAMETOOLONG, 'too long'), (errno.EIO, 'the disk fails'), (errno.ENOTCONN, 'is not there any more'),
    (errno.ESTALE, 'is not there any more'), (errno.EACCES, 'no permission'), (errno.EPERM, 'no permission'),
    (errno.ENOENT, 'is not there, or cannot be made'), (errno.ELOOP, 'leads back'), (errno.EINVAL, 'takes no such name'),
    (errno.EMFILE, 'ulimit'), (errno.EFBIG, 'too large'), (errno.ETIMEDOUT, 'does not answer')])
def test_a_disk_that_takes_no_more_is_told(number, said, capsys):
    with pytest.raises(SystemExit) as ended, errors.reported():
        raise OSError(number, os.strerror(number), 'runs/x8/config.json')
    told = only_line(capsys.readouterr().err)
    assert ended.value.code == 2 and told.startswith('error: runs/x8/config.json: ') and said in told


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_disk_s_error_that_a_library_tells_in_words_is_told(number, capsys):
    with pytest.raises(SystemExit) as ended, errors.reported(), errors.full_disk_as_such('runs/x8'):
        raise ValueError(f'INTERNAL: writing: {os.strerror(number)} [os error {number}]')
    assert ended.value.code == 2 and only_line(capsys.readouterr().err).startswith('error: runs/x8: ')


@pytest.mark.parametrize('error', [FileNotFoundError(errno.ENOENT, 'of no file'), RuntimeError('of another kind')])
def test_a_defect_that_looks_like_one_keeps_its_traceback(error):
    with pytest.raises(type(error)), errors.reported():
        raise error


@pytest.mark.parametrize('variables', [
    {'PYTHONIOENCODING': 'ascii'}, {'PYTHONIOENCODING': 'ascii', 'LC_ALL': 'C', 'PYTHONUTF8': '0'},
    {'LC_ALL': 'C', 'PYTHONUTF8': '0'}, {'LC_ALL': 'POSIX', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}], ids=str)
def test_a_name_that_the_terminal_cannot_show_is_printed_as_an_escape(variables, tmp_path):
    """And its file can be opened, and noted in UTF-8."""
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / '\U0001f600ü.txt').write_text('found')
    program = """
import os, pathlib, sys
from gln_jax.runtime import errors, files
with errors.reported():
    name, = os.listdir('in')
    files.check_name(name)
    files.write('noted', name)
    print(name, pathlib.Path('in', pathlib.Path('noted').read_text('utf-8')).read_text())
    print(name, file=sys.stderr)
    raise errors.RunError(name)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(('LC_', 'PYTHON', 'LANG'))}
    path = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
    ended = subprocess.run([sys.executable, '-c', program], cwd=tmp_path, capture_output=True,
                           env=environment | {'PYTHONPATH': path} | variables)
    shown = b'\\U0001f600\\xfc.txt'
    assert (ended.returncode, ended.stdout) == (1, shown + b' found\n'), ended.stderr
    assert ended.stderr.splitlines() == [shown, b'error: ' + shown]
    assert (tmp_path / 'noted').read_text('utf-8') == '\U0001f600ü.txt'


def test_devices_that_are_not_there_are_told():
    program = 'from gln_jax.runtime import devices, errors\nwith errors.reported():\n    devices.a_device_per_core(1)'
    ended = subprocess.run([sys.executable, '-c', program], env=os.environ | {'JAX_PLATFORMS': 'cuda'}, text=True,
                           capture_output=True)
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 2 and last.startswith('error: JAX_PLATFORMS=cuda: there are no such devices here')
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize('lines', [1, 100_000])
def test_output_that_nobody_reads_ends_a_command_without_a_word(lines):
    """Whether it breaks while the command prints or at its end."""
    program = f'from gln_jax.runtime import errors\nwith errors.reported():\n    print("line\\n" * {lines})'
    with subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b'' and process.wait() == 128 + signal.SIGPIPE


def test_a_broken_pipe_to_somebody_else_keeps_its_traceback():
    with pytest.raises(BrokenPipeError), errors.reported():
        raise BrokenPipeError


def test_a_defect_of_ours_keeps_its_traceback():
    with pytest.raises(FileExistsError), errors.reported():
        raise FileExistsError('of no file')


def test_a_report_of_a_file_is_told(file, command):
    code, _, told = command(report.main, file)
    assert code == 2 and f'{file}: there is no {report.RECORD} here' in only_line(told)


def test_weights_below_a_file_are_told(file, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['weights', 'export', '--ckpt=x8-fast', f'--output={file}/x8.safetensors'])
    with pytest.raises(SystemExit) as ended:
        weights.main()
    assert ended.value.code == 2 and f'error: {file}: is there already' in only_line(capsys.readouterr().err)


@pytest.mark.parametrize('main, arguments', [
    (compile_for_tpu.main, ['configs/x8.py']), (photograph_figure.main, ['photo.jpg', '--ckpt=x8-fast'])])
def test_a_folder_in_the_place_of_the_output_is_told_before_any_work(main, arguments, tmp_path, command):
    code, _, told = command(main, *arguments, f'--output={tmp_path}')
    assert code == 2 and f'{tmp_path}' in only_line(told) and 'is a folder' in told


@pytest.mark.parametrize('number', ['0', '-1', '1.5', '²', 'many'])
@pytest.mark.parametrize('main, arguments, name', [
    (evaluate.main, [], '--images'),
    (measure_detection.main, ['--photos=photos'], '--every'),
    (input_pipeline.main, [], '--batch-size'), (input_pipeline.main, [], '--device'),
    (photograph_figure.main, ['photo.jpg', '--ckpt=x8-fast', '--output=way.png'], '--crop'),
    (study.main, ['failures', '--ckpt=x8-fast', '--data=faces', '--output=report'], '--images')])
def test_a_count_is_a_whole_number_above_0(main, arguments, name, number, command):
    code, _, told = command(main, *arguments, f'{name}={number}')
    assert code == 2 and told.endswith(f"argument {name}: '{number}' is not a whole number above 0\n")


@pytest.mark.parametrize('workers', ['-1', '0,', '1.5', 'two'])
def test_workers_are_whole_numbers(workers, command):
    code, _, told = command(input_pipeline.main, f'--workers={workers}')
    assert code == 2 and told.endswith(f"argument --workers: '{workers}' is not a number of processes, or several with "
                                       'commas between\n')
