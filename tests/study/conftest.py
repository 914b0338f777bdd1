"""The command, and a folder of drawn faces for it."""

import csv

from PIL import Image
import pytest

from gln_jax.data.synthetic import drawing
from tools.studies import failures
from tools.studies import __main__ as door


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder of drawn faces with an index: people with a neutral and a smiling face, and a few with a yaw."""
    folder = tmp_path_factory.mktemp('faces')
    rows = [('file', 'split', 'source', 'identity', 'yaw')]
    for i in range(14):
        split = 'test' if i < 6 else 'val' if i < 8 else 'train'
        expression = failures.EXPRESSIONS[i % 2]
        file = f'{split}/{expression}_{i // 2:03}.png'
        rows.append((file, split, 'london', f'person {i // 2}', f'{0.06 * (i - 3):.2f}'))
        (folder / split).mkdir(exist_ok=True)
        Image.fromarray(drawing.draw_face(i)).save(folder / rows[-1][0])
    with (folder / 'index.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp('tfds')


@pytest.fixture
def study(command, data, prepared):
    def study(name, *arguments):
        return command(door.main, name, f'--data={data}', f'--directory={prepared}', *arguments)
    return study
