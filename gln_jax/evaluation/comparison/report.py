"""The report of a comparison, from its record and its scores: `python -m gln_jax.evaluation.comparison.report DIR` makes it anew.

The same record and scores give the same bytes of report.md and report.json, and of the plots by the same matplotlib.
"""

import csv
import io
import json
import re
import sys

import numpy as np

from gln_jax import images, metrics
from gln_jax.evaluation import one_network, scoring
from gln_jax.runtime import command_line, errors, files
from gln_jax.evaluation.comparison import report_plots
from gln_jax.evaluation.comparison.methods import GLN

RECORD = 'comparison.json'
TEXT, SUMMARY = 'report.md', 'report.json'
FILES = (TEXT, SUMMARY, *report_plots.PLOTS)

COMPARED = {'psnr': 2, 'ssim': 4}  # measures that get intervals and differences, and their digits


def write(folder):
    """Writes report.md, report.json and the plots into `folder`, a Path, and prints the tables; returns `summary`.

    Raises:
        InputError: the record or the scores of a split are missing or damaged.
    """
    made = summary(folder)
    files.write(folder / SUMMARY, json.dumps(made, indent=2, allow_nan=False) + '\n')
    for name, plot in report_plots.PLOTS.items():
        files.write(folder / name, plot(made))
    files.write(folder / TEXT, text(made))
    for split, result in made['results'].items():
        print(one_network.table(made | result | {
            'data': f'{made["data"]["name"]} {split}', 'checkpoint': made['methods'][GLN]['checkpoint']}) + '\n')
    print(f'written: {", ".join(str(folder / name) for name in FILES)}')
    return made


def summary(folder):
    """What report.json holds: the record, and 'results' for each split.

    These are {'images', 'identities', 'methods', 'minus_gln'}. 'methods' has for each method the means of the
    `scoring.MEASURES`, 'seconds_per_face', and 'psnr_interval' and 'ssim_interval'; 'minus_gln' has for each method but
    GLN the means and intervals of the differences of each face's PSNR and SSIM from GLN's. Intervals are [low, high] at
    95 % by `metrics.bootstrap_interval` over identities; None for fewer than `metrics.FEWEST_PEOPLE`. A mean that is not
    finite is None too.
    """
    record = record_in(folder)
    methods = list(record['methods'])
    return record | {'results': {split: _result(scores_in(folder / csv_of(split), methods), record['seconds_per_face'])
                                 for split in record['splits']}}


def record_in(folder):
    """The record of the comparison in `folder`. Raises InputError where there is none, or a damaged one."""
    try:
        record = json.loads((folder / RECORD).read_text())
        needed = ('data', 'splits', 'limit', 'protocol', 'scale', 'degradation', 'methods', 'seconds_per_face')
        if not record.keys() >= set(needed) or GLN not in record['methods']:
            raise ValueError('fields are missing')
    except (FileNotFoundError, NotADirectoryError):
        raise errors.InputError(f'{folder}: there is no {RECORD} here, which evaluate.py --methods writes') from None
    except (ValueError, AttributeError, TypeError) as error:
        raise errors.InputError(f'{folder / RECORD}: is damaged ({error})') from error
    return record


def scores_in(path, methods):
    """The `scoring.Scores` of a CSV, without pictures. Raises InputError where it is missing, damaged or of others."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        names = [(row['file'], row['source'], row['identity']) for row in rows[::len(methods)]]
        if not rows or [row['method'] for row in rows] != methods * len(names):
            raise ValueError('it has not a row per face and method')
        values = {method: {measure: np.array([float(row[measure]) for row in rows[place::len(methods)]])
                           for measure in scoring.MEASURES} for place, method in enumerate(methods)}
    except FileNotFoundError:
        raise errors.InputError(f'{path}: is not there; the command in {RECORD} scores what is missing') from None
    except (ValueError, KeyError, TypeError) as error:
        raise errors.InputError(f'{path}: is damaged ({error}); remove it, and the command in {RECORD} scores it '
                                'again') from error
    return scoring.Scores(names, values, {})


def csv_of(split):
    return f'{_file_name(split)}.csv'


def faces_of(split):
    return f'faces-{_file_name(split)}.png'


def _file_name(split):
    return re.sub(r'[^\w.-]', '-', split)


def _result(scores, seconds_per_face):
    people = scores.people
    identities = len(set(people))
    result = {'images': len(people), 'identities': identities, 'methods': {}, 'minus_gln': {}}
    columns, owners = [], []  # of everything that gets an interval
    for method, values in scores.values.items():
        result['methods'][method] = {measure: one_network.finite_mean(values[measure]) for measure in scoring.MEASURES} | {
            'seconds_per_face': seconds_per_face.get(method)}
        for measure in COMPARED:
            columns.append(values[measure])
            owners.append((result['methods'][method], measure))
        if method == GLN:
            continue
        result['minus_gln'][method] = {}
        for measure in COMPARED:
            with np.errstate(invalid='ignore'):  # of two faces without any error
                difference = values[measure] - scores.values[GLN][measure]
            result['minus_gln'][method][measure] = one_network.finite_mean(difference)
            columns.append(difference)
            owners.append((result['minus_gln'][method], measure))
    for (owner, measure), column in zip(owners, columns, strict=True):
        interval = metrics.bootstrap_interval(column, groups=people)
        owner[f'{measure}_interval'] = interval if interval is None else list(interval)
    return result


def text(summary):
    """The text of report.md, of what `summary` returns."""
    lr_size = images.FACE_SIZE // summary['scale']
    lines = [
        f'# Methods compared at {summary["scale"]}x', '',
        f'Data: {summary["data"]["name"]} (`{summary["data"]["prepared"]}`), {lr_size}x{lr_size} to '
        f'{images.FACE_SIZE}x{images.FACE_SIZE} pixels, {summary["degradation"]} degradation, protocol '
        f'`{summary["protocol"]}`'
        + (f'; of each split {summary["limit"]} faces, evenly spread' if summary['limit'] else '') + '.', '',
        'All methods restore the same LR images. Brackets are 95 % bootstrap intervals over people. LR consistency is '
        'the PSNR of the reduced result against the LR image; sharpness is gradient energy as a share of the '
        'truth\'s, in which the edges of blocks count too. The second table of a split is of differences on the same '
        'face, method minus gln: below zero, gln is better.', '',
        f'Seconds a face: in batches of {summary["batch"]}, compiled before, the best of several; on '
        f'{summary["processor"]} ({summary["devices"]}).', '']
    for split, result in summary['results'].items():
        lines += _section(split, result)
    lines += ['## All splits', '', *(f'![{name.removesuffix(".png")}]({name})' for name in report_plots.PLOTS), '',
              '## How it was made', '', f'    {summary["command"]}', '',
              f'At commit {", ".join(commit or "unknown" for commit in summary["commits"])}, Python '
              f'{summary["versions"]["python"]}, jax {summary["versions"]["jax"]}. The report is made from the scores; '
              '`python -m gln_jax.evaluation.comparison.report DIR` makes it again.', '', '| method | what it is |', '|---|---|',
              *(f'| {name} | {_described(method)} |' for name, method in summary['methods'].items())]
    return '\n'.join(lines) + '\n'


def _section(split, result):
    lines = [f'## {split}: {result["images"]} faces of {result["identities"]} people', '']
    if result['identities'] < metrics.FEWEST_PEOPLE:
        lines += [f'A test set too small for an interval: it takes {metrics.FEWEST_PEOPLE} people or more.', '']
    lines += ['| method | PSNR, dB | SSIM | LR consistency, dB | sharpness | s a face |', '|---|---|---|---|---|---|']
    for name, score in result['methods'].items():
        lines.append(f'| {name} | {_with_interval(score, "psnr")} | {_with_interval(score, "ssim")} | '
                     f'{_number(score["consistency"], ".2f")} | {_number(score["sharpness"], ".2f")} | '
                     f'{_seconds(score["seconds_per_face"])} |')
    if result['minus_gln']:
        lines += ['', '| minus gln | PSNR, dB | SSIM |', '|---|---|---|']
    for name, difference in result['minus_gln'].items():
        psnr, ssim = (_with_interval(difference, measure, '+') for measure in COMPARED)
        lines.append(f'| {name} | {psnr} | {ssim} |')
    return [*lines, '', f'![Some faces of {split}]({faces_of(split)})', '']


def _with_interval(score, measure, sign=''):
    form = f'{sign}.{COMPARED[measure]}f'
    interval = score[f'{measure}_interval']
    ends = '' if interval is None else f' [{interval[0]:{form}}, {interval[1]:{form}}]'
    return _number(score[measure], form) + ends


def _number(value, form):
    return 'not finite' if value is None else f'{value:{form}}'


def _seconds(value):
    return 'not measured' if value is None else np.format_float_positional(value, 2, fractional=False, trim='-')


def _described(method):
    if method['kind'] == 'network':
        return f'network {method["network"]}, `{method["checkpoint"]}` (parameters {method["parameters"]})'
    if method['kind'] == 'fitted':
        settings = ', '.join(f'{name} {value}' for name, value in method['settings'].items())
        return f'fitted on {method["faces"]:,} training faces' + (f'; {settings}' if settings else '')
    return 'interpolation'


def main(arguments=None):
    parser = command_line.parser('gln_jax.evaluation.comparison.report', __doc__)
    parser.add_argument('folder', type=command_line.path, metavar='DIR', help='the folder that evaluate.py --methods wrote')
    options = parser.parse_args(arguments)
    with errors.reported():
        write(files.path(options.folder))


if __name__ == '__main__':
    sys.exit(main())
