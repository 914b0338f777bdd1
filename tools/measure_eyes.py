"""Measures how far the eye regression is off, by source, age and gender of aligned faces.

    python -m tools.measure_eyes --faces=FACES --split=test [--matrices=FILE,FILE]

FACES is a folder of aligned faces with an index.csv (columns file, split, source and, where known, age and gender). Each face
is shown once in each size that there is a regression for, turned and reduced as in training, the eyes roughly guessed, the
same for every file of matrices. Errors are the larger of the two eyes', in eye distances: median and 90th percentile.
"""

import csv
import pathlib

import numpy as np

from gln_jax.data import folder_contents
from gln_jax.photos import eyes
from gln_jax.runtime import command_line, errors
from tools import train_eyes


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.measure_eyes', __doc__)
    parser.add_argument('--faces', type=command_line.path, required=True, metavar='DIR', help='folder of aligned faces')
    parser.add_argument('--split', default='val', help='default: %(default)s')
    parser.add_argument('--matrices', default=str(eyes.FILE), metavar='FILES', help='comma-separated; default: %(default)s')
    options = parser.parse_args(arguments)
    with errors.reported():
        directory, paths = pathlib.Path(options.faces), options.matrices.split(',')
        try:
            with open(directory / 'index.csv', newline='', encoding='utf-8-sig') as file:
                rows = [row for row in csv.DictReader(file) if row['split'] == options.split]
            files = [dict(np.load(path)) for path in paths]
        except (KeyError, OSError, ValueError) as error:
            raise errors.InputError(f'{directory / "index.csv"} or {options.matrices}: cannot be read ({error})') from error
        faces = [train_eyes.read_face(directory / row['file']) for row in rows]
        names = [list(groups(row)) for row in rows]
        print('| group | faces | ' + ' | '.join(f'{size} px: {path}' for size in eyes.SIZES for path in paths) + ' |')
        print('|---' * (2 + len(eyes.SIZES) * len(paths)) + '|')
        offs = [errors_of(faces, matrices, size) for size in eyes.SIZES for matrices in files]
        for group in sorted({name for each in names for name in each}):
            chosen = [group in each for each in names]
            cells = [f'{np.median(off[chosen]):.3f} {np.quantile(off[chosen], 0.9):.3f}' for off in offs]
            print(f'| {group} | {sum(chosen)} | {" | ".join(cells)} |')


def groups(row):
    """The groups that a face of the index belongs to."""
    yield 'all'
    yield row['source']
    if row.get('age'):
        yield next(f'{row["source"]}, {least} to {most} years' for least, most in folder_contents.AGES if int(row['age']) <= most)
    if row.get('gender'):
        yield f'{row["source"]}, {row["gender"]}'


def errors_of(faces, matrices, size):
    """float [n], the errors in eye distances at one size; `faces` are uint8 [128, 128]."""
    rng = np.random.default_rng([1, size])
    pictures, truth = zip(*(train_eyes.view(face, train_eyes.EYE_DISTANCES[size], rng) for face in faces))
    found = np.array([train_eyes.rough_guess(pair, rng) for pair in truth])
    for step in range(eyes.STEPS):
        found = eyes.regress(matrices[f'step{step}_of_{size}'].astype(np.float32), eyes.features_at(pictures, found), found)
    return train_eyes.error(found, np.array(truth))


if __name__ == '__main__':
    main()
