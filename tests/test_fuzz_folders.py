"""Random trees of folders, a few of the hundreds that tools/fuzz_folders.py goes through at full size."""

from tools import fuzz_folders


def test_random_trees_are_read_or_refused_each_real_file_once():
    counts, faults = fuzz_folders.fuzz(0, 15)
    assert not faults, faults[0]
    assert counts['trees'] == 15 and min(counts['as_faces done'], counts['as_photographs done'], counts['as_faces refused']) > 0
