"""The lists of requirements agree: what is installed, and the lower ends that `.ci/run oldest` tests."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_each_lower_end_is_tested():
    """.ci/oldest.txt pins each requirement of requirements/ to the lower end of its range."""
    pinned = dict(re.findall(r'^([\w.-]+)==(\S+)', (ROOT / '.ci/oldest.txt').read_text(), re.MULTILINE))
    for file in (ROOT / 'requirements').glob('*.txt'):
        for name, least in re.findall(r'^([\w.-]+)>=([\d.]+)', file.read_text(), re.MULTILINE):
            assert re.sub(r'(\.0)+$', '', pinned.get(name, 'not pinned')).startswith(re.sub(r'(\.0)+$', '', least)), (file, name)


def test_requirements_txt_installs_what_package_and_tests_need():
    included = re.findall(r'^-r (\S+)', (ROOT / 'requirements.txt').read_text(), re.MULTILINE)
    assert {'requirements/package.txt', 'requirements/test.txt'} <= set(included)
    assert all((ROOT / file).exists() for file in included)
