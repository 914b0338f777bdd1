"""What studies that train share: runs of `training`, networks scored side by side, paired differences."""

import functools
import json

import numpy as np

from gln_jax import weights
from gln_jax import config as settings
from gln_jax.data import faces as face_data
from gln_jax.evaluation import scoring
from gln_jax.models import factory
from gln_jax.runtime import devices, errors, files, picture_grid
from gln_jax.training import progress, run
from tools.studies import markdown, results
from tools.studies.measured import ALL

STAGE_1 = 'stage 1'
"""The network that adversarial fine-tuning started from, by name."""

ROWS_PER_SPLIT = 2  # of a picture strip


def with_data(config, options):
    """`config`, changed to read the faces that the command line names by `data`, `directory` and `source_weights`."""
    config.data.update(name='folder', path=options.data, directory=options.directory,
                       source_weights=options.source_weights)
    return config


def chosen(config, options):
    """{split: faces} of the splits that are scored, a list each, of `options.images` faces at most."""
    sets = {split: face_data.load(config, split) for split in options.split}
    return {split: [faces[number] for number in scoring.spread(len(faces), options.images)]
            for split, faces in sets.items()}


def contents(sets):
    """What identifies the faces of {split: faces}, for `outputs.claimed`."""
    return {split: [len(faces), weights.digest([face.image for face in faces])] for split, faces in sets.items()}


def trained(name, config, workdir, init=None):
    """The generator of a run, as returned by `weights.load_generator`; the run is made, or continued, where it has not ended.

    Raises:
        InputError: the folder holds a run with another config, or something else.
        RunError: a loss is not finite.
    """
    print(f'{name}: {workdir}', flush=True)
    try:
        run.train(config, workdir, **weights.for_training(config, init))
    except errors.RunError as error:
        raise errors.RunError(f'{name}: {error}') from error
    return weights.load_generator(workdir)


def logged(workdir, metric):
    """[(step, value)] of a metric that a run has logged, in order."""
    lines = (files.path(workdir) / progress.METRICS).read_text().splitlines()
    return [(line['step'], line[metric]) for line in map(json.loads, lines) if metric in line]


def scored(folder, generators, sets, config, others=None):
    """{split: `scoring.Scores`} of networks and of bicubic interpolation, kept in `folder` as they are made.

    Args:
        folder: as in `results.claimed`.
        generators: {name: generator as returned by `weights.load_generator`}, all of one scale and degradation.
        sets: {split: faces}.
        config: its `scale` and `degradation` say how LR images are made.
        others: {name: restorer as returned by `scoring.interpolations`}, determined by what `folder` was claimed for.
    """
    restorers = {'bicubic': ('', scoring.interpolations(config.scale)['bicubic'])}
    for name, loaded in generators.items():
        upsampler = factory.upsampler(loaded.config, loaded.parameters)
        restorers[name] = loaded.digest, scoring.of_luminance(upsampler, config.scale)
    restorers |= {name: ('', restorer) for name, restorer in (others or {}).items()}
    place = lambda split, name: f'{split} {name} {restorers[name][0]}'
    found = results.worked_through(folder, {
        place(split, name): functools.partial(_values, restorer, faces, config)
        for split, faces in sets.items() for name, (_, restorer) in restorers.items()})
    return {split: scoring.Scores(
        [(face.file, face.source, face.identity) for face in faces],
        {name: {measure: np.array(found[place(split, name)][measure]) for measure in scoring.MEASURES}
         for name in restorers}, {}) for split, faces in sets.items()}


def together(scores):
    """One `scoring.Scores` of {split: Scores}, with the faces of all splits."""
    parts = list(scores.values())
    return scoring.Scores(
        [name for part in parts for name in part.names],
        {method: {measure: np.concatenate([part.values[method][measure] for part in parts]) for measure in measures}
         for method, measures in parts[0].values.items()}, {})


def with_all(scores):
    """{split: Scores} with ALL at the end, where there are several splits."""
    return {**scores, ALL: together(scores)} if len(scores) > 1 else scores


def table(scores, reference, measures=('psnr', 'ssim')):
    """Markdown of {split: Scores}: each method's means, and its paired differences from the method `reference`."""
    titles = {'psnr': 'PSNR, dB', 'ssim': 'SSIM', 'sharpness': 'sharpness', 'consistency': 'consistency, dB'}
    rows = []
    for split, part in scores.items():
        for method, values in part.values.items():
            rows.append([split, method])
            for measure in measures:
                digits = 2 if measure in ('psnr', 'consistency') else 3
                difference = values[measure] - part.values[reference][measure]
                rows[-1] += [markdown.mean_and_interval(values[measure], part.people, digits), '' if method == reference
                             else markdown.mean_and_interval(difference, part.people, digits, sign='+')]
    return markdown.table(['faces', 'method', *(title for measure in measures for title in (
        titles[measure], f'{titles[measure]}: less {reference}'))], rows)


def share_of_the_way(scores, name):
    """How much of what stage 1 lacks in gradient energy, to the truth's, the network `name` makes up for; 1 is all."""
    before, after = (np.mean(scores.values[each]['sharpness']) for each in (STAGE_1, name))
    return float((after - before) / (1 - before))


def strip(generators, sets, config):
    """A picture of a few faces of each split: input, each network, truth."""
    restorers = {name: scoring.of_luminance(factory.upsampler(loaded.config, loaded.parameters), config.scale)
                 for name, loaded in generators.items()}
    columns = {'lr': 'input', **{name: name.removeprefix('lambda ') for name in generators}, 'truth': 'truth'}
    rows = []
    for faces in sets.values():
        some = [faces[number] for number in scoring.spread(len(faces), ROWS_PER_SPLIT)]
        shown = scoring.score(restorers, some, scoring.Task(config), shown=range(len(some)), progress=False).shown
        rows += [[shown[place][name] for name in columns] for place in sorted(shown)]
    return picture_grid.grid(list(columns.values()), rows)


def described(scores, options):
    """The words for the faces of {split: Scores}."""
    return markdown.described({split: part.names for split, part in scores.items()}, options.data)


def means(scores):
    """{split: {method: {measure: mean}}} of {split: Scores}, for JSON."""
    return {split: {method: {measure: float(np.mean(numbers)) for measure, numbers in values.items()}
                    for method, values in part.values.items()} for split, part in scores.items()}


def prepared(configs):
    """Raises InputError where one of the configs cannot be trained, before any is; gives each core a device of its own."""
    for config in configs:
        settings.check(config)
    devices.a_device_per_core(*(size for config in configs for size in devices.training_batch_sizes(config).values()))


def _values(restorer, faces, config):
    values = scoring.score({'method': restorer}, faces, scoring.Task(config), progress=False).values['method']
    return {measure: numbers.tolist() for measure, numbers in values.items()}
