"""Where a network fails: what pose, misalignment, occlusion, expression, light and wrong LR images cost it."""

import csv
import functools
import io
import json
from pathlib import Path

import numpy as np

from gln_jax import weights
from gln_jax.data import faces as face_data
from gln_jax.data import folder_contents, tables
from gln_jax.evaluation import scoring
from gln_jax.models import factory
from gln_jax.photos import face_upsampling
from gln_jax.runtime import devices, errors, files, picture_grid
from tools import measure_damage
from tools.studies import colour, conditions, failures_report, markdown, results
from tools.studies.measured import Measured

WORST = 10
EXPRESSIONS = 'neutral', 'smiling'
"""Beginnings of the file names by which two pictures of one person are distinguished, as in the London Set."""


def run(options):
    """The study, for the options of the command line: `ckpt`, `data`, `directory`, `split`, `images` and `output`.

    Of several networks in `ckpt`, comma-separated, the first is studied, and all are shown side by side on LR images of all
    kinds, as `measure_damage` does it.

    Raises:
        InputError: the network, the faces or the folder for the output cannot be used.
        RunError: the network gave something that is not finite.
    """
    devices.a_device_per_core(scoring.BATCH_SIZE)
    loaded, *others = map(weights.load_generator, options.ckpt.split(','))
    config = loaded.config.copy_and_resolve_references()
    config.data.update(name='folder', path=options.data, directory=options.directory)
    sets = {split: face_data.load(config, split) for split in options.split}
    compared = options.ckpt.split(',') if others else []
    output = results.claimed(options.output, {
        'study': 'failures', 'network': ','.join(each.digest for each in (loaded, *others)), 'images': options.images,
        'faces': {split: [faces.directory.parent.name, len(faces)] for split, faces in sets.items()}})
    upsampler = factory.upsampler(config, loaded.parameters)
    chosen = {split: [faces[number] for number in scoring.spread(len(faces), options.images)]
              for split, faces in sets.items()}
    jobs = {}
    for split, faces in chosen.items():
        for condition in conditions.every(config):
            jobs[_name(split, *condition.key)] = functools.partial(_psnr, upsampler, config, faces, condition)
        jobs[_name(split, 'colour')] = functools.partial(colour.psnr, upsampler, faces, config)
        pairs = _expression_pairs(sets[split], options.images)
        if pairs:
            jobs[_name(split, 'expression')] = functools.partial(_psnr, upsampler, config, pairs, conditions.Condition(
                *conditions.UNALTERED))
        for number, name in enumerate(compared):
            jobs[_name(split, 'side by side', number + 1)] = functools.partial(_gains, name, faces)
    found = results.worked_through(output, jobs)
    measured = Measured(
        names={split: [(face.file, face.source, face.identity) for face in faces] for split, faces in chosen.items()},
        psnr={(split, condition.key): _as_arrays(found[_name(split, *condition.key)]['psnr'])
              for split in chosen for condition in conditions.every(config)},
        yaw=_yaw(Path(options.data)),
        colour={split: _as_arrays(found[_name(split, 'colour')]) for split in chosen},
        expression={split: found[name] for split in chosen if (name := _name(split, 'expression')) in found})
    count = factory.parameter_count(loaded.parameters)
    facts = {'network': f'`{loaded.description}` ({config.network}, {count:,} parameters)',
             **markdown.facts(config, markdown.described(measured.names, options.data), 'paper (colour: rgb)',
                             results.commits(output))}
    for split, faces in chosen.items():
        files.write(output / f'worst-{split.replace("/", "-")}.png',
                    picture_grid.png(_worst(upsampler, config, split, faces, measured)))
    files.write(output / 'failures.csv', _as_csv(measured))
    tables, summary, plots = failures_report.made(measured)
    if compared:
        tables['Side by side'] = 'Gain over bicubic interpolation of the same LR image, dB, all splits.\n\n' + measure_damage.table({
            name: _joined([found[_name(split, 'side by side', number + 1)] for split in chosen])
            for number, name in enumerate(compared)})
    for name, png in plots.items():
        files.write(output / f'{name}.png', png)
    files.write(output / 'failures.json', json.dumps({'facts': facts, **summary}, indent=2) + '\n')
    files.write(output / 'failures.md', failures_report.text(facts, tables, measured))
    print((output / 'failures.md').read_text())


def _name(split, kind, level=''):
    return f'{split} {kind} {level}'.strip()


def _psnr(upsampler, config, faces, condition):
    """{'names': of the faces, 'psnr': {method: dB [n]}} under one condition."""
    if condition.alter:
        faces = conditions.Altered(faces, condition.alter, condition.level)
    task = scoring.Task(config, lr_of=condition.lr_of, counted=condition.counted)
    scores = scoring.score(_restorers(upsampler, config), faces, task, progress=False)
    return {'names': scores.names,
            'psnr': {method: values['psnr'].tolist() for method, values in scores.values.items()}}


def _gains(name, faces):
    """What `measure_damage.gains` returns, as JSON can hold it: [[way, LR images, [dB of each face]]]."""
    upsampler = face_upsampling.load(name, batch_size=measure_damage.BATCH_SIZE)
    return [[*key, values.tolist()] for key, values in measure_damage.gains(upsampler, faces).items()]


def _joined(parts):
    """What `measure_damage.gains` returns, of the faces of several results of `_gains`."""
    return {(way, name): np.concatenate([part[i][2] for part in parts]) for i, (way, name, _) in enumerate(parts[0])}


def _restorers(upsampler, config):
    return {'bicubic': scoring.interpolations(config.scale)['bicubic'],
            'gln': scoring.of_luminance(upsampler, config.scale)}


def _as_arrays(values):
    return {method: np.array(numbers) for method, numbers in values.items()}


def _expression_pairs(faces, limit):
    """Faces of people with a picture of each of EXPRESSIONS, one after the other; of so many faces at most."""
    found = {}
    for number, face in enumerate(faces):
        beginning = Path(face.file).name.partition('_')[0]
        if beginning in EXPRESSIONS and face.identity:
            found.setdefault(face.identity, {}).setdefault(beginning, number)
    people = [pair for _, pair in sorted(found.items()) if len(pair) == len(EXPRESSIONS)]
    people = [people[place] for place in scoring.spread(len(people), limit and max(1, limit // 2))] if people else []
    return [faces[pair[expression]] for pair in people for expression in EXPRESSIONS]


def _yaw(path):
    """{file: yaw} as index.csv has it in a column of that name; {} where it does not."""
    index = path / folder_contents.INDEX
    if not index.exists():
        return {}
    try:
        return {row['file'].replace('\\', '/'): float(row['yaw'].replace(',', '.')) for _, row in tables.read(index, 'file')[1]
                if row.get('yaw')}
    except ValueError as error:
        raise errors.InputError(f'{index}: a yaw is no number ({error})') from error


def _worst(upsampler, config, split, faces, measured):
    """A picture of the faces that the network restores worst by PSNR, the worst one first."""
    psnr = measured.psnr[split, conditions.UNALTERED]
    numbers = np.argsort(psnr['gln'])[:WORST]
    scores = scoring.score(_restorers(upsampler, config), [faces[number] for number in numbers],
                           scoring.Task(config), shown=range(len(numbers)), progress=False)
    columns = {'lr': 'input', 'bicubic': 'bicubic', 'gln': 'GLN', 'truth': 'truth'}
    captions = []
    for number in numbers:
        yaw = measured.yaw.get(faces[number].file)
        captions.append([f'yaw {yaw:+.2f}' if yaw is not None else '', f'{psnr["bicubic"][number]:.2f} dB',
                         f'{psnr["gln"][number]:.2f} dB', Path(faces[number].file).stem])
    rows = [[scores.shown[place][name] for name in columns] for place in range(len(numbers))]
    return picture_grid.grid(list(columns.values()), rows, captions, f'{split}: the lowest PSNR of {len(faces)} faces')


def _as_csv(measured):
    """A row per image and condition."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(('split', 'file', 'source', 'identity', 'yaw', 'condition', 'level', 'bicubic_psnr', 'gln_psnr'))
    for (split, key), psnr in measured.psnr.items():
        for name, bicubic, gln in zip(measured.names[split], psnr['bicubic'], psnr['gln']):
            writer.writerow((split, *name, measured.yaw.get(name[0], ''), *key, f'{bicubic:.4f}', f'{gln:.4f}'))
    return file.getvalue()
