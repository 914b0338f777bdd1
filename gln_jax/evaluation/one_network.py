"""Scores a network and the interpolations that it has to beat on a set of faces, and writes the scores down.

`scoring` says how a face is scored. The LR image is made by the degradation that the network was trained for.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np

from gln_jax import images, metrics, weights
from gln_jax.evaluation import scoring
from gln_jax.runtime import claims, errors, files, picture_grid

PICTURED_FACES = 6
PICTURED = {'lr': 'input', 'bicubic': 'bicubic', 'gln': 'GLN', 'truth': 'truth'}  # columns and their titles
TITLES = {'psnr': 'PSNR (dB)', 'ssim': 'SSIM', 'lpips': 'LPIPS', 'identity_distance': 'identity', 'rank1': 'rank-1'}
DIGITS = {'psnr': 2, 'ssim': 4, 'lpips': 3, 'identity_distance': 3, 'rank1': 3}
"""Of the measures that get intervals, and columns of a table."""

FILES = _, TABLE, PICTURE = weights.SCORES, 'scores.csv', 'faces.png'


class Network(NamedTuple):
    upsampler: Callable  # of LR luminance [n, 128/scale, 128/scale, 1] in [0, 1] to HR luminance [n, 128, 128, 1]
    config: Any  # its `scale` and `degradation` say how LR images are made
    description: str = ''  # in words, for the table and for scores.json
    parameters: str = ''  # their digest, as in `weights.Loaded`, for scores.json


class How(NamedTuple):
    """What is measured."""

    protocol: str = 'paper'  # one of `metrics.PROTOCOLS`
    further: tuple = ()  # names of `scoring.FURTHER`, to be measured as well
    groups: dict | None = None  # {column: {file: group}}, by which faces are to be scored as well (`folder_contents.groups`)


def evaluate(network, faces, how=How(), output=None, data='', limit=None, progress=True):
    """Scores all methods on all faces, prints the table, and writes scores.json, scores.csv and faces.png.

    Args:
        network: a `Network`.
        faces: a sequence of faces with `.image` (uint8 RGB [128, 128, 3]), `.file`, `.source` and `.identity`; an empty
            identity is that of somebody who is in no other image.
        how: a `How`.
        output: the folder for the three files, made if need be; None writes none. Those of an earlier evaluation are
            replaced, each whole or not at all.
        data: what the faces are, in words, for the table and for scores.json.
        limit: score only so many faces, spread evenly over the sequence; None is all of them.
        progress: print to stderr how far it is, every few seconds.
    Returns:
        What scores.json holds: {'protocol', 'face_size', 'scale', 'degradation', 'images', 'identities', 'data', 'checkpoint',
        'parameters', 'methods': {name: {'psnr', 'psnr_interval', 'ssim', 'ssim_interval', 'consistency', 'sharpness'}}}, with means
        over images of the `scoring.MEASURES` and of what `how.further` measures, and intervals [low, high] at 95 % by
        `metrics.bootstrap_interval` over identities; and for `how.groups` 'by': {column: {group: {'images', 'identities',
        'methods'}}}. An interval is None for fewer than `metrics.FEWEST_PEOPLE`; a PSNR is None where it is infinite: an image was
        restored without any error.
    Raises:
        errors.InputError: the protocol is unknown, there are no faces, or `output` cannot be used.
        errors.RunError: a method returned something that is not finite.
    """
    protocol = how.protocol
    if protocol not in metrics.PROTOCOLS:
        raise errors.InputError(f'protocol {protocol!r} is not known; choose one of {", ".join(metrics.PROTOCOLS)}')
    if not len(faces):
        raise errors.InputError(f'{data or "the data"}: there are no faces to score')
    output = None if output is None else prepared_output(output)
    config = network.config
    restorers = scoring.interpolations(config.scale) | {'gln': scoring.of_luminance(network.upsampler, config.scale)}
    chosen = scoring.spread(len(faces), limit)
    scores = scoring.score(restorers, faces, scoring.Task(config, protocol, further=how.further), chosen,
                           scoring.spread(len(chosen), PICTURED_FACES), progress)
    summary = {'protocol': protocol, 'face_size': config.face_size, 'scale': config.scale, 'degradation': config.degradation,
               'images': len(chosen),
               'identities': len(set(scores.people)), 'data': data, 'checkpoint': network.description,
               'parameters': network.parameters,
               'methods': {method: averaged(values, scores.people) for method, values in scores.values.items()}}
    if how.groups:
        summary['by'] = {column: _by(of_file, scores) for column, of_file in how.groups.items()}
    if output is not None:  # scores.json goes first: it is what shows a later evaluation that the folder is one of ours
        files.write(output / weights.SCORES, json.dumps(summary, indent=2, allow_nan=False) + '\n')
        files.write(output / TABLE, as_csv(scores))
        files.write(output / PICTURE, picture_grid.png(_side_by_side(scores, summary)))
    print(table(summary))
    return summary


def prepared_output(output):
    """The folder as a Path, made if need be. Raises InputError where our files would replace somebody else's."""
    output = claims.made(output, 'the scores')
    present = [name for name in FILES if (output / name).exists()]
    if present and not _is_ours(output / weights.SCORES):
        raise errors.InputError(f'{output / present[0]}: was not written by an evaluation and would be replaced; '
                                'name another folder for the scores')
    return output


def table(summary):
    """The lines that the terminal shows, of what `evaluate` returns."""
    hr_size = summary.get('face_size', images.FACE_SIZE)  # a comparison's faces have it, and older scores do not say it
    lr_size = hr_size // summary['scale']
    lines = [f'{summary["data"] or "faces"}: {summary["images"]} images of {summary["identities"]} people; '
             f'{summary["scale"]}x, {lr_size}x{lr_size} to {hr_size}x{hr_size}, '
             f'{summary["degradation"]} degradation; protocol {summary["protocol"]}']
    if summary['identities'] < metrics.FEWEST_PEOPLE:
        lines.append(f'too few people for an interval, which takes {metrics.FEWEST_PEOPLE} or more')
    if summary['checkpoint']:
        lines.append(f'gln: {summary["checkpoint"]}')
    lines += _rows(summary['methods'])
    for column, parts in summary.get('by', {}).items():
        lines += [] if parts else ['', f'{column}: not known of any of these faces']
        for group, part in parts.items():
            lines += ['', f'{column} {group}: {part["images"]} images of {part["identities"]} people', *_rows(part['methods'])]
    return '\n'.join(lines)


def _rows(methods):
    shown = [measure for measure in TITLES if measure in next(iter(methods.values()))]
    lines = [f'{"method":<10}' + ''.join(f' {TITLES[measure]:>9} {"95 % interval":>18}' for measure in shown)]
    for method, score in methods.items():
        lines.append(f'{method:<10}' + ''.join(
            f' {_text(score[measure], DIGITS[measure]):>9} {_interval_text(score[f"{measure}_interval"], DIGITS[measure]):>18}'
            for measure in shown))
    return lines


def averaged(values, people):
    """Means of {measure: [n]}, and intervals of those in TITLES: {measure: mean, measure_interval: [low, high]}."""
    found = {}
    for measure in TITLES:
        found |= of_known(measure, values[measure], people) if measure in values else {}
    return found | {measure: finite_mean(values[measure]) for measure in ('consistency', 'sharpness')}


def of_known(measure, values, people):
    """{measure: mean, measure_interval: [low, high]}; None where there is none. rank1 counts people with two photographs alone."""
    is_known = ~np.isnan(values) if measure == 'rank1' else np.full(len(values), True)
    interval = metrics.bootstrap_interval(values[is_known], groups=[who for who, known in zip(people, is_known) if known])
    return {measure: finite_mean(values[is_known]) if is_known.any() else None,
            f'{measure}_interval': interval if interval is None else list(interval)}


def _by(of_file, scores):
    found, people = {}, np.array(scores.people, object)
    of_face = np.array([of_file.get(file, '') for file, *_ in scores.names])
    for group in sorted(set(of_face) - {''}):
        part = of_face == group
        found[group] = {'images': int(part.sum()), 'identities': len(set(people[part])), 'methods': {
            method: averaged({measure: column[part] for measure, column in values.items()}, people[part])
            for method, values in scores.values.items()}}
    return found


def finite_mean(values):
    """The mean, None where it is not finite, as JSON has no infinity."""
    mean = float(np.mean(values))
    return mean if np.isfinite(mean) else None


def _text(value, digits):
    return 'inf' if value is None and digits == 2 else 'none' if value is None else f'{value:.{digits}f}'


def _interval_text(interval, digits):
    return 'none' if interval is None else f'[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]'


def as_csv(scores):
    """The text of scores.csv: a row per face and method of a `scoring.Scores`."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    measures = list(next(iter(scores.values.values())))
    writer.writerow(('file', 'source', 'identity', 'method', *measures))
    for place, name in enumerate(scores.names):
        for method, values in scores.values.items():
            writer.writerow((*name, method, *(f'{values[measure][place]:.6f}' for measure in measures)))
    return file.getvalue()


def _side_by_side(scores, summary):
    lr_size = summary['face_size'] // summary['scale']
    caption = lambda method, place: '{psnr:.2f} dB, SSIM {ssim:.3f}'.format(
        **{measure: values[place] for measure, values in scores.values[method].items()})
    captions = [[f'{lr_size}x{lr_size} pixels', caption('bicubic', place), caption('gln', place),
                 Path(scores.names[place][0]).stem] for place in sorted(scores.shown)]
    heading = [summary['data'], f'{summary["scale"]}x', f'{summary["degradation"]} degradation',
               f'protocol {summary["protocol"]}']
    rows = [[scores.shown[place][name] for name in PICTURED] for place in sorted(scores.shown)]
    return picture_grid.grid(list(PICTURED.values()), rows, captions, ', '.join(filter(None, heading)))


def _is_ours(scores_file):
    try:
        scores = json.loads(scores_file.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(scores, dict) and {'protocol', 'methods'} <= scores.keys()
