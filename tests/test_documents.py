"""README.md and docs/: links lead somewhere, commands name what there is, the README stays short."""

import importlib.util
import pathlib
import re

import pytest

from gln_jax import config as settings

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / 'README.md', ROOT / 'gln_jax/released/README.md', *sorted((ROOT / 'docs').glob('*.md'))]
OF_OTHER_COMMITS = ('training_log.md', 'fast_network.md')
"""Documents whose commands belong to the commits that they name."""


def anchor(heading):
    """The name that GitHub gives a heading: '## LR images' has #lr-images."""
    return re.sub(r'[^\w\- ]', '', heading.lstrip('#').strip().lower()).replace(' ', '-')


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document):
    for link in re.findall(r'\]\((?!http)([^)]+)\)|src="([^"]+)"', document.read_text()):
        path, _, heading = ''.join(link).partition('#')
        target = document.parent / path if path else document
        assert target.exists(), f'{document.name}: {path}'
        if heading:
            headings = re.findall(r'^#+ .*', target.read_text(), re.MULTILINE)
            assert heading in map(anchor, headings), f'{document.name}: #{heading}'


@pytest.mark.parametrize('document', [path for path in DOCUMENTS if path.name not in OF_OTHER_COMMITS],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_name_modules_configs_and_settings_that_there_are(document):
    text = document.read_text()
    for module in set(re.findall(r'python -m ((?:gln_jax|tools|benchmarks)[\w.]*)', text)):
        assert importlib.util.find_spec(module), module
    for path in set(re.findall(r'\bconfigs/\w+\.py', text)):
        assert (ROOT / path).exists(), path
    for field in set(re.findall(r'--config\.([a-z_.]*[a-z_])', text)) - {'data'}:
        settings.field_of(settings.default(), field)


def long_lines(document, most):
    """Lines of more characters than that, tables and links aside."""
    return [line for line in document.read_text().splitlines()
            if len(line) > most and not line.startswith('|') and '](' not in line]


def test_the_readme_is_short():
    readme = ROOT / 'README.md'
    assert len(readme.read_text().splitlines()) <= 200 and not long_lines(readme, 130)


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_plain_english_in_lines_that_a_screen_shows(document):
    assert not long_lines(document, 200)
    found = re.findall(r'\b(in turns?|as of|of now|of that time|told|whence|likewise)\b', document.read_text(), re.IGNORECASE)
    assert not found


def test_the_drawing_of_the_code_has_every_part_of_the_package():
    drawing = (ROOT / 'docs/design.md').read_text().split('```')[1]
    for entry in (ROOT / 'gln_jax').iterdir():
        if entry.name != '__pycache__':
            assert entry.name in drawing, entry.name
    for config in (ROOT / 'configs').glob('*.py'):
        assert config.stem in drawing, config.name
