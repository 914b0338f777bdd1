"""Eyes that the user gives, where no detector finds them.

The order of the two says how a face stands: the first is at the left when the face is seen upright.
"""

import math
import pathlib

from gln_jax.data import tables
from gln_jax.runtime import errors

COLUMNS = ('file', 'left_x', 'left_y', 'right_x', 'right_y')
"""Columns of a file of eyes, in any order among others. left_eye_x is taken for left_x, and so on."""


def parse_eyes(text):
    """The eyes ((x, y), (x, y)) of 'x1,y1,x2,y2', in pixels; InputError where these are not four numbers, or one point twice."""
    return _eyes(text.split(','), 'eyes')


def read_eyes_csv(path, photos=None):
    """The eyes of a CSV file with the columns `COLUMNS`, a row for each face.

    Args:
        path: the file, in UTF-8. Pixel (0, 0) is centred at (0, 0).
        photos: names as the file is to have them; None is any.
    Returns:
        {file name: a list of eyes ((x, y), (x, y)), in the order of the columns}, in the file's order.
    Raises:
        InputError: the file is missing, is no text, lacks a column, or has a row that is wrong; the message names the
            row by its line. Or it names none of `photos`.
    """
    path = pathlib.Path(path)
    try:
        columns, rows = tables.read(path, 'file')
    except OSError as error:
        raise errors.InputError(f'{path}: {error.strerror}') from error
    found, known, named = {}, set(photos or ()), [_column(name, columns, path) for name in COLUMNS[1:]]
    for line, row in rows:
        where, file = f'{path}, line {line}', row['file']
        if file not in known and file.replace('\\', '/') in known:  # a spreadsheet's of another system
            file = file.replace('\\', '/')
        if not file:
            raise errors.InputError(f'{where}: no file is named')
        found.setdefault(file, []).append(_eyes([row[name].replace(',', '.') for name in named], where))
    if photos is not None and found and not found.keys() & set(photos):
        raise errors.InputError(f'{path}: names none of the photographs; its first is {next(iter(found))}, and theirs is '
                                f'{photos[0]}')
    return found


def _column(name, columns, path):
    for known in (name, name.replace('_', '_eye_')):
        if known in columns:
            return known
    raise errors.InputError(f'{path}: there is no column {name}; needed are {", ".join(COLUMNS)}')


def _eyes(fields, where):
    try:
        left_x, left_y, right_x, right_y = numbers = [float(field) for field in fields]
    except ValueError as error:
        given = ','.join(fields)
        raise errors.InputError(f'{where}: {given!r} are not four numbers x1,y1,x2,y2') from error
    if not all(math.isfinite(number) for number in numbers):
        raise errors.InputError(f'{where}: {",".join(fields)!r} is not finite')
    left, right = (left_x, left_y), (right_x, right_y)
    if left == right:
        raise errors.InputError(f'{where}: both eyes are at {left_x:g},{left_y:g}')
    return left, right
