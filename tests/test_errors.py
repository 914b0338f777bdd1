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
from gln_jax.evaluation import report
from gln_jax.runtime import errors, files
from tools import compile_for_tpu, measure_detection, photograph_figure
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
    (errno.ENAMETOOLONG, 'too long')])
def test_a_disk_that_takes_no_more_is_told(number, said, capsys):
    with pytest.raises(SystemExit) as ended, errors.reported():
        raise OSError(number, os.strerror(number), 'runs/x8/config.json')
    told = only_line(capsys.readouterr().err)
    assert ended.value.code == 2 and told.startswith('error: runs/x8/config.json: ') and said in told


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
