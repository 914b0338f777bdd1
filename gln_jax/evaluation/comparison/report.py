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

TITLES = {'psnr': 'PSNR, dB', 'ssim': 'SSIM', 'lpips': 'LPIPS', 'identity_distance': 'identity distance', 'rank1': 'rank-1'}


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
    GLN the means and intervals of the differences of each face's PSNR and SSIM from GLN's. What else was measured
    (`scoring.FURTHER`) stands beside PSNR and SSIM. Intervals are [low, high] at
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
        measures = [name for name in rows[0] if name in one_network.TITLES.keys() | set(scoring.MEASURES)]
        if set(scoring.MEASURES) - set(measures):
            raise ValueError('columns are missing')
        values = {method: {measure: np.array([float(row[measure]) for row in rows[place::len(methods)]])
                           for measure in measures} for place, method in enumerate(methods)}
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
    for method, values in scores.values.items():
        result['methods'][method] = one_network.averaged(values, people) | {'seconds_per_face': seconds_per_face.get(method)}
        if method == GLN:
            continue
        result['minus_gln'][method] = {}
        for measure in filter(values.__contains__, one_network.TITLES):
            with np.errstate(invalid='ignore'):  # of two faces without any error
                difference = values[measure] - scores.values[GLN][measure]
            result['minus_gln'][method] |= one_network.of_known(measure, difference, people)
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
    shown = [measure for measure in one_network.TITLES if measure in result['methods'][GLN]]
    titles = ' | '.join(TITLES[measure] for measure in shown)
    lines += [f'| method | {titles} | LR consistency, dB | sharpness | s a face |', f'|{"---|" * (len(shown) + 4)}']
    for name, score in result['methods'].items():
        lines.append(f'| {name} | {" | ".join(_with_interval(score, measure) for measure in shown)} | '
                     f'{_number(score["consistency"], ".2f")} | {_number(score["sharpness"], ".2f")} | '
                     f'{_seconds(score["seconds_per_face"])} |')
    if result['minus_gln']:
        lines += ['', f'| minus gln | {titles} |', f'|{"---|" * (len(shown) + 1)}']
    for name, difference in result['minus_gln'].items():
        lines.append(f'| {name} | {" | ".join(_with_interval(difference, measure, "+") for measure in shown)} |')
    return [*lines, '', f'![Some faces of {split}]({faces_of(split)})', '']


def _with_interval(score, measure, sign=''):
    form = f'{sign}.{one_network.DIGITS[measure]}f'
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
