"""How PSNR and sharpness go along adversarial fine-tuning: every kept checkpoint of one or more runs, side by side."""

import json

import numpy as np

from gln_jax import images, metrics, weights
from gln_jax.data import faces as face_data
from gln_jax.evaluation import one_network, scoring
from gln_jax.models import factory
from gln_jax.runtime import devices, errors, files, picture_grid
from gln_jax.training import checkpoints
from tools.studies import markdown, plots, results, runs

UNSHARP, UNSHARP_AMOUNTS = 'unsharp masking', (1, 2, 4)
FOREIGN, FOREIGN_AMOUNTS = "other faces' detail", (0.5, 0.75, 1)
DETAIL_SIGMA = 0.8  # HR pixels; detail is what a Gaussian takes away

ASKED = f"""\
What does each run give in sharpness for what it costs in PSNR, from its start to its end? Sharpness is the gradient energy
as a share of the truth's. Two that know nothing of the face are there for comparison; detail is what a Gaussian of
{DETAIL_SIGMA} HR pixels takes away. Unsharp masking adds the start's own, {', '.join(map(str, UNSHARP_AMOUNTS))} times; the other what the start lacks of the
sharpest faces of val, {', '.join(map(str, FOREIGN_AMOUNTS))} times: real detail in the wrong place, as invented detail is."""


def run(options):
    """The study, for the options of the command line.

    They are `data`, `directory`, `split`, `images`, `output`, `init` (the network that the runs started from) and
    `runs` ({name: workdir}).

    Raises:
        InputError: a network, the faces or the folder for the output cannot be used.
    """
    devices.a_device_per_core(scoring.BATCH_SIZE)
    stage_1 = weights.load_generator(options.init)
    config = stage_1.config.copy_and_resolve_references()
    config.data.update(name='folder', path=options.data, directory=options.directory)
    for name in options.runs:
        if name in (*scoring.BESIDE, runs.STAGE_1):
            raise errors.InputError(f'--runs: a run cannot be called {name!r}; name it otherwise')
    found = {name: along(workdir) for name, workdir in options.runs.items()}
    generators = {runs.STAGE_1: stage_1} | {
        f'{name}, step {step:,}': loaded for name, each in found.items() for step, loaded in each.items()}
    for name, loaded in generators.items():
        weights.check_restores_alike(loaded, config, f'--runs: {name}')
    sets = runs.chosen(config, options)
    others = sharpest(config)
    output = results.claimed(options.output, {
        'study': 'fine-tuning', 'init': stage_1.digest, 'runs': options.runs,
        FOREIGN: weights.digest([others]),
        'images': options.images, 'faces': runs.contents(sets)})
    foreign = lacking(stage_1, config, others)
    sharpened = {f'{UNSHARP}, {amount}': with_detail(stage_1, detail, amount) for amount in UNSHARP_AMOUNTS} | {
        f'{FOREIGN}, {amount}': with_detail(stage_1, lambda hr: foreign[:len(hr)], amount) for amount in FOREIGN_AMOUNTS}
    scores = runs.scored(output, generators, sets, config, {
        name: scoring.of_luminance(upsampler, config.scale) for name, upsampler in sharpened.items()})
    shown = {runs.STAGE_1: stage_1} | {name: list(each.values())[-1] for name, each in found.items()}
    files.write(output / 'faces.png', picture_grid.png(runs.strip(shown, sets, config)))
    write(output, options, config, scores)


def along(run):
    """{step: generator as returned by `weights.load_generator`} of the checkpoints kept in a workdir, by step.

    Of a run of which only a weights file is left, it is that one.
    """
    if not (folder := files.path(run) / checkpoints.LATEST).is_dir():
        loaded = weights.load_generator(run)
        return {loaded.card['provenance']['steps']: loaded}
    steps = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    if not steps:
        raise errors.InputError(f'{run}: holds no checkpoints of train.py')
    return {step: weights.load_generator(folder / str(step)) for step in steps}


def with_detail(loaded, found, amount):
    """The function of LR luminance to HR luminance that adds to what a generator gives the detail that `found` has for it."""
    upsample = factory.upsampler(loaded.config, loaded.parameters)

    def sharpened(lr):
        hr = np.asarray(upsample(lr))
        return hr + amount * found(hr)

    return sharpened


def sharpest(config):
    """The sharpest faces of val, HR luminance [n, H, W, 1] in [0, 1]: one for each of a batch."""
    faces = face_data.load(config, 'val')
    hr = np.stack([faces.luminance(number) for number in range(len(faces))]) / np.float32(255)
    return hr[np.resize(np.argsort(-metrics.gradient_energy(hr)), scoring.BATCH_SIZE)]  # over again where val is smaller


def lacking(loaded, config, hr):
    """The detail of HR faces that a generator does not give of their LR images, [n, H, W, 1]."""
    upsample = factory.upsampler(loaded.config, loaded.parameters)
    return detail(hr - np.asarray(upsample(images.degrade(hr, config.scale, config.degradation))))


def detail(hr):
    """What a Gaussian of DETAIL_SIGMA takes away from images [n, H, W, 1]."""
    blur = images.gaussian_reduction(images.FACE_SIZE, 1, DETAIL_SIGMA)
    return hr - np.einsum('yh,nhwc,xw->nyxc', blur, hr, blur, optimize=True)


def write(output, options, config, scores):
    """Writes the study's files into `output`, and prints its Markdown; `scores`: {split: `scoring.Scores`}."""
    everything = runs.with_all(scores)
    facts = {'start': f'`{options.init}` ({config.network})',
             'runs': ', '.join(f'{name}: `{workdir}`' for name, workdir in options.runs.items()),
             **markdown.facts(config, runs.described(scores, options), 'paper', results.commits(output))}
    files.write(output / 'fine_tuning.csv', one_network.as_csv(runs.together(scores)))
    files.write(output / 'fine_tuning.png', plots.curves(
        panels(everything, [*options.runs, UNSHARP, FOREIGN]), columns=min(3, len(everything))))
    files.write(output / 'fine_tuning.json', json.dumps(
        {'facts': facts, 'means': runs.means(everything)}, indent=2) + '\n')
    sources = sorted({source for part in scores.values() for _, source, _ in part.names})
    rows = [[split, name, markdown.mean_and_interval(values['psnr'] - part.values[runs.STAGE_1]['psnr'], part.people, sign='+'),
             markdown.mean(values['sharpness']), f'{runs.share_of_the_way(part, name):.0%}']
            for split, part in everything.items() for name, values in part.values.items() if name not in ('bicubic', runs.STAGE_1)]
    files.write(output / 'fine_tuning.md', markdown.text('Along fine-tuning', ASKED, facts, [
        markdown.table(['faces', 'network', 'PSNR less the start, dB', 'sharpness', "of the way to the truth's"], rows),
        '![PSNR lost against sharpness](fine_tuning.png)', '![The start, the end of each run, the truth](faces.png)',
        markdown.credit(sources)]))
    print((output / 'fine_tuning.md').read_text())


def panels(scores, lines):
    """Panels for `plots.curves`: for each split, the change of PSNR against sharpness, along each of the lines."""
    found = []
    for split, part in scores.items():
        means = {name: (np.mean(values['sharpness']), np.mean(values['psnr'] - part.values[runs.STAGE_1]['psnr']))
                 for name, values in part.values.items()}
        found.append({'x': f"sharpness, share of the truth's ({split})", 'y': 'PSNR less the start, dB', 'lines': {
            line: tuple(zip(means[runs.STAGE_1], *(mean for name, mean in means.items() if name.startswith(f'{line}, '))))
            for line in lines}})
    return found
