"""Damaged files raise nothing but input errors: a few of what `python -m tools.fuzz_files` tries at full size."""

import os
import pathlib

import pytest

from gln_jax.runtime import errors
from tools import fuzz_files


@pytest.mark.parametrize('kind, count, fewest', [('png', 60, 2), ('jpeg', 60, 15), ('tiff', 60, 8), ('webp', 60, 8)])
def test_mutated_pictures_are_read_or_refused(kind, count, fewest):
    counts, faults = fuzz_files.fuzz(kind, 0, count, memory=2)
    assert not faults
    assert counts.total() == count and min(counts['read'], counts['refused']) >= fewest


@pytest.mark.parametrize('kind, count', [('weights', 8), ('checkpoint', 4)])
def test_mutated_weights_and_checkpoints_are_read_or_refused(kind, count):
    counts, faults = fuzz_files.fuzz(kind, 0, count)
    assert not faults and counts.total() == count


def raising(error):
    def read():
        raise error
    return read


@pytest.mark.parametrize('read, outcome', [
    (lambda: None, 'read'), (raising(errors.InputError('a line')), 'refused'),
    (raising(errors.InputError('two\nlines')), 'several lines'), (raising(ValueError('two\nlines')), 'traceback: ValueError')])
def test_what_is_no_input_error_of_one_line_is_a_fault(read, outcome):
    found = fuzz_files._outcome(read)
    assert found.startswith(outcome) and '\n' not in found and (found in fuzz_files.GOOD) == (outcome in fuzz_files.GOOD)


@pytest.mark.parametrize('event, arguments, is_fault', [
    ('open', ('/elsewhere/file', 'w', os.O_WRONLY), True), ('open', ('/scratch/file', 'w', os.O_WRONLY), False),
    ('open', ('/elsewhere/file', 'r', os.O_RDONLY), False), ('subprocess.Popen', ('gs', [], None, None), True),
    ('os.remove', ('/elsewhere/file', -1), True)])
def test_writing_outside_and_other_programs_are_faults(event, arguments, is_fault):
    written = []
    fuzz_files._note_writing(event, arguments, pathlib.Path('/scratch'), written)
    assert bool(written) == is_fault


def test_a_process_that_dies_or_says_nothing_is_a_fault_and_the_rest_goes_on(monkeypatch):
    """Here mutation 1 kills it, and 3 hangs."""
    script = ('import os, sys, time\nfirst, count = int(sys.argv[sys.argv.index("--first") + 1]), 5\n'
              'for number in range(first, 5):\n    if number == 1: os.abort()\n    if number == 3: time.sleep(600)\n'
              '    print(number, "read", flush=True)\n')
    popen = fuzz_files.subprocess.Popen
    monkeypatch.setattr(fuzz_files.subprocess, 'Popen', lambda command, **options: popen(
        [command[0], '-c', script, *command[3:]], **options))
    monkeypatch.setattr(fuzz_files, 'LONGEST', 2)
    counts, faults = fuzz_files.fuzz('png', 0, 5)
    assert counts == {'read': 3, 'crash': 1, 'hang': 1} and [number for number, _ in faults] == [1, 3]
