"""Tables that users give as CSV files, in any form that spreadsheets save them in."""

import codecs
import csv
import io
import re

from gln_jax.runtime import errors

DELIMITERS = ',;\t|'


def read(path, needed):
    """The columns of a table, in lower case, and its rows.

    It may be UTF-8 or, with its mark, UTF-16, separated by commas, semicolons, tabs or bars, with a line 'sep=;' before it;
    spaces around cells do not count, and empty rows are left out. Returns (a list of the columns, [(number of the line,
    {column: text})]); raises InputError where it is no such table, or the column `needed` (in lower case) is missing.
    """
    data = path.read_bytes()
    encoding = 'utf-16' if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else 'utf-8-sig'
    try:
        text = data.decode(encoding)
        text, skipped = re.subn(r'\A"?sep=.{1,3}[\r\n]+', '', text)
        header = text.lstrip().partition('\n')[0]
        delimiter = max(DELIMITERS, key=lambda mark: (needed in _columns(header, mark), len(_columns(header, mark))))
        reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, skipinitialspace=True)
        rows = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeError, csv.Error) as error:
        raise errors.InputError(f'{path}: cannot be read as CSV in UTF-8 ({error}); save it as one, with commas') from error
    rows = [(line, row) for line, row in rows if any(row)]
    columns = [cell.lower() for cell in rows[0][1]] if rows else []
    if needed not in columns:
        raise errors.InputError(f'{path}: has no column {needed!r}; its columns are {", ".join(columns) or "none"}. The first '
                                f'line names the columns, and one of them must be {needed}')
    places = {column: columns.index(column) for column in columns}
    return columns, [(line, {column: row[place] if place < len(row) else '' for column, place in places.items()})
                     for line, row in rows[1:]]


def _columns(header, delimiter):
    try:
        return [cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []
