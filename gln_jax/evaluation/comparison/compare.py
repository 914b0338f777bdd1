"""Compares methods on test sets: fits what learns, measures the time that each takes, scores all, writes a report.

A folder holds one comparison. `report.RECORD` says of what, so that a command that was stopped can be continued: a
split whose scores are complete is not scored again. `report` makes everything else from the record and the scores.
"""

import json
import sys

import jax.numpy as jnp
import numpy as np

from gln_jax import images
from gln_jax.data import faces as face_data
from gln_jax.evaluation import one_network, scoring
from gln_jax.evaluation.comparison import methods, report
from gln_jax.evaluation.comparison.baselines import fitted
from gln_jax.runtime import claims, errors, files, origin, picture_grid, provenance

PICTURED_FACES = 6
SMALL_PICTURES_FROM = 7  # columns; fewer are shown at twice their size

DEFINING = ('data', 'splits', 'limit', 'protocol', 'scale', 'degradation', 'measures', 'methods')
"""What two commands must have in common, so that the one may continue the other."""


def compare(chosen, task, sets, output, label='', limit=None):
    """Scores the chosen methods on all faces of all sets, and writes the report.

    Args:
        chosen: the methods, as returned by `methods.named`.
        task: a `scoring.Task`; its config's `data` says what methods are fitted on.
        sets: [(split, faces)], faces as returned by `data.faces.load`.
        output: the folder for the report; made if need be.
        label: the name of the data, in words.
        limit: score only so many faces of each set, evenly spread; None is all.

    Returns:
        What report.json holds, see `report.summary`.

    Raises:
        InputError: a set has fewer than two people; there is no split 'train' to fit on; or the folder holds another
            comparison, or files that are not ours.
        RunError: a method returned something that is not finite.
    """
    sets, config = dict(sets), task.config
    for split, faces in sets.items():
        _check_people(split, faces, limit)
    training_faces = face_data.load(config, 'train') if methods.are_fitted(chosen) else None
    record = {
        'data': {'name': label, 'prepared': fitted.identity(next(iter(sets.values())))}, 'splits': list(sets),
        'limit': limit, 'protocol': task.protocol, 'scale': config.scale, 'degradation': config.degradation,
        'methods': methods.described(chosen, config, training_faces),
        'command': provenance.command(), 'commits': [provenance.commit()], 'processor': origin.processor(),
        'devices': provenance.devices(), 'versions': provenance.versions(), 'batch': scoring.BATCH_SIZE,
        'seconds_per_face': {}, **({'measures': sorted(task.further)} if task.further else {})}
    output = claims.made(output, 'the report')
    record = _begun(output, json.loads(json.dumps(record)))
    chosen = {name: chosen[name] for name in record['methods']}  # in their order there, which is that of its scores
    missing = [split for split, faces in sets.items()
               if not _is_scored(output, split, chosen, len(scoring.spread(len(faces), limit)))]
    for split in record['splits']:
        if split not in missing:
            print(f'{split}: scored before', file=sys.stderr)
    if missing or not record['seconds_per_face']:
        restorers = methods.restorers(chosen, config, training_faces)
        record['seconds_per_face'] = record['seconds_per_face'] or _seconds_per_face(restorers, config, sets)
        record['commits'] = origin.with_this_commit(record['commits'], output)
        _write(output, record)
        for split in missing:
            _score(restorers, config, split, sets[split], record, output)
    return report.write(output)


def _check_people(split, faces, limit):
    """Raises InputError where all chosen faces show one person: there is nothing to draw an interval from."""
    people = set()
    for number in scoring.spread(len(faces), limit):
        people.add(faces[number].identity or number)
        if len(people) > 1:
            return
    raise errors.InputError(f'{split}: only {len(people)} person in the faces to score; comparing methods takes two or '
                            'more, and an interval many')


def _begun(output, record):
    """The record in the folder, if it is of this comparison; else `record`, which is written there first."""
    if (output / report.RECORD).exists():
        before = report.record_in(output)
        for field in DEFINING:
            if (there := before.get(field, [])) != (now := record.get(field, [])):
                raise errors.InputError(f'{output}: holds another comparison, {_difference(field, there, now)}; name another folder')
        return before
    ours = [*report.FILES, *(name(split) for split in record['splits'] for name in (report.csv_of, report.faces_of))]
    for name in ours:
        if (output / name).exists():
            raise errors.InputError(f'{output / name}: was not written by a comparison and would be replaced; name '
                                    'another folder for the report')
    if len(set(ours)) < len(ours):
        raise errors.InputError(f'--split: {", ".join(record["splits"])}: two of them would go to the same file')
    _write(output, record)
    return record


def _difference(field, before, now):
    if field == 'methods' and list(before) == list(now):
        name = next(name for name in now if before[name] != now[name])
        return f'with another {name} ({_brief(before[name])} there, {_brief(now[name])} now)'
    listed = (lambda names: ', '.join(names) or 'none') if field in ('splits', 'measures', 'methods') else _brief
    return f'its {field}: {listed(before)} there, {listed(now)} now'


def _brief(value):
    if not isinstance(value, dict):
        return 'all' if value is None else str(value)
    return ' '.join(str(part) for part in value.values() if not isinstance(part, dict))


def _write(output, record):
    files.write(output / report.RECORD, json.dumps(record, indent=2, allow_nan=False) + '\n')


def _is_scored(output, split, chosen, count):
    """Whether a split's files are there and whole. The scores are written last."""
    try:
        scores = report.scores_in(output / report.csv_of(split), list(chosen))
    except errors.InputError:
        return False
    return len(scores.names) == count and (output / report.faces_of(split)).exists()


def _seconds_per_face(restorers, config, sets):
    """{method: seconds} on this machine, of a full batch, at best of several, compiled before."""
    faces = next(iter(sets.values()))
    hr = np.stack([faces[number % len(faces)].image for number in range(scoring.BATCH_SIZE)])
    lr = images.degrade(images.rgb_to_yuv(jnp.asarray(hr, jnp.float32) / 255), config.scale, config.degradation)
    seconds = {}
    for place, (method, restore) in enumerate(restorers.items(), 1):
        seconds[method] = scoring.seconds(lambda: restore(lr)) / scoring.BATCH_SIZE
        print(f'{method}: {seconds[method]:.2g} s a face ({place} of {len(restorers)} methods timed)', file=sys.stderr)
    return seconds


def _score(restorers, config, split, faces, record, output):
    chosen = scoring.spread(len(faces), record['limit'])
    place = record['splits'].index(split) + 1
    print(f'{split} ({place} of {len(record["splits"])}): scoring {len(restorers)} methods on {len(chosen)} faces',
          file=sys.stderr)
    scores = scoring.score(restorers, faces, scoring.Task(config, record['protocol'], further=record.get('measures', ())), chosen,
                           scoring.spread(len(chosen), PICTURED_FACES))
    files.write(output / report.faces_of(split), picture_grid.png(_side_by_side(scores, split, record)))
    files.write(output / report.csv_of(split), one_network.as_csv(scores))


def _side_by_side(scores, split, record):
    """Some faces: input, methods, truth. The input is shown as nearest interpolation has it, which needs no column."""
    shown = [method for method in scores.values if method != 'nearest']
    columns = {'lr': 'input'} | {method: method for method in shown} | {'truth': 'truth'}
    captions = [['', *('{psnr:.2f} / {ssim:.3f}'.format(**{measure: values[place] for measure, values in
                                                          scores.values[method].items()}) for method in shown), '']
                for place in sorted(scores.shown)]
    heading = [f'{record["data"]["name"]} {split}', f'{record["scale"]}x', f'{record["degradation"]} degradation',
               f'protocol {record["protocol"]}: PSNR in dB / SSIM']
    rows = [[scores.shown[place][name] for name in columns] for place in sorted(scores.shown)]
    return picture_grid.grid(list(columns.values()), rows, captions, ', '.join(heading),
                         enlarge=1 if len(columns) >= SMALL_PICTURES_FROM else 2)
