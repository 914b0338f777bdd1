"""The shape of the code: imports go one way, as docs/design.md says; functions and files have a size that can be read."""

import ast
import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

FOUNDATION = {'runtime', 'images', 'losses', 'metrics'}
MAY_IMPORT = {
    **{layer: FOUNDATION for layer in FOUNDATION},
    'config': FOUNDATION,
    'models': {'images', 'runtime'},
    'data': {'config', 'images', 'runtime'},
    'training': {'models', 'losses', 'data', 'metrics', 'runtime', 'config', 'images'},
    'weights': {'models', 'training.checkpoints', 'config', 'images', 'runtime'},
    'evaluation': {'weights', 'data', 'models', 'metrics', 'config', 'images', 'runtime'},
    'photos': {'weights', 'data', 'models', 'metrics', 'config', 'images', 'runtime'},
}
"""What each part of gln_jax may import, itself aside. The doors, which are not here, may import all of it."""


@functools.cache
def imports():
    """A tuple of (file, line, imported module) of every import of gln_jax, tools and benchmarks in the project, inside functions too."""
    found = []
    for file in [*ROOT.glob('gln_jax/**/*.py'), *ROOT.glob('tools/**/*.py'), *ROOT.glob('benchmarks/*.py')]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                package = f'{node.module}.' if isinstance(node, ast.ImportFrom) else ''
                found += [(file, node.lineno, package + alias.name) for alias in node.names]
    return tuple(found)


def layer(module):
    """'models' of gln_jax.models.gln.LocalNetwork."""
    return module.split('.')[1]


@pytest.mark.parametrize('place', sorted(MAY_IMPORT))
def test_each_part_imports_only_what_lies_below_it(place):
    wrong = []
    for file, line, module in imports():
        here = '.'.join(file.relative_to(ROOT).with_suffix('').parts)
        if here.startswith(f'gln_jax.{place}') and layer(here) == place and module.startswith('gln_jax.'):
            allowed = MAY_IMPORT[place] | {place}
            if not any(f'{module}.'.startswith(f'gln_jax.{each}.') for each in allowed):
                wrong.append(f'{file.relative_to(ROOT)}:{line} imports {module}')
    assert not wrong, '\n'.join(wrong)


def test_the_rules_are_those_of_the_design():
    rules = {}
    for line in (ROOT / 'docs/design.md').read_text().splitlines():
        parts, allowed = (re.findall(r'`([\w.]+)`', cell) for cell in (line.split('|')[1:3] if line.startswith('| `') else ('', '')))
        rules |= {part: set(allowed) for part in parts}
    assert MAY_IMPORT.items() <= rules.items()


def test_nothing_of_the_package_imports_tools_benchmarks_or_configs():
    wrong = [f'{file.relative_to(ROOT)}:{line} imports {module}' for file, line, module in imports()
             if 'gln_jax' in file.relative_to(ROOT).parts and module.split('.')[0] in ('tools', 'benchmarks', 'configs')]
    assert not wrong, '\n'.join(wrong)


def test_the_top_of_the_package_has_at_most_17_entries():
    entries = sorted(path.name for path in (ROOT / 'gln_jax').iterdir() if path.name != '__pycache__')
    assert len(entries) <= 17, entries


def test_functions_have_at_most_seven_parameters():
    many = []
    for file in [*ROOT.glob('*.py'), *ROOT.glob('gln_jax/**/*.py'), *ROOT.glob('tools/**/*.py'), *ROOT.glob('benchmarks/*.py')]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                if len(names) - (names[:1] == ['self']) > 7:
                    many.append(f'{file.relative_to(ROOT)}:{node.lineno} {node.name}')
    assert not many


def test_no_file_of_the_package_is_tiny():
    """Of fewer than 25 lines are the doors of packages alone."""
    tiny = [str(file.relative_to(ROOT)) for file in ROOT.glob('gln_jax/**/*.py')
            if file.name != '__init__.py' and len(file.read_text().splitlines()) < 25]
    assert not tiny
