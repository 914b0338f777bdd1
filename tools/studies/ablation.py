"""The paper's ablation: the global network alone, the local one alone, and the two joined, trained alike."""

import json

import numpy as np

from benchmarks import speed
from configs import variants
from gln_jax import images, metrics
from gln_jax import config as settings
from gln_jax.evaluation import one_network
from gln_jax.models import factory
from gln_jax.runtime import devices, errors, files, provenance
from gln_jax.training import validation
from tools.studies import markdown, plots, results, runs

TITLES = {'gn_only': 'GN-Only', 'ln_only': 'LN-Only', **{f'gln{depth}': f'GLN{depth}' for depth in (3, 4, 6, 8)},
          'fast_small': 'fast, small', 'fast': 'fast', 'fast_large': 'fast, large'}
BATCH_SIZE = 8
LEARNING_RATE = 5e-4  # half the default: in runs as short as these, 1e-3 threw the deeper networks off in their first steps
AVERAGE_DECAY = 0.98  # of an EMA over some 50 steps, as the runs are short
VALIDATIONS = 4
VALIDATION_FACES = 48

ASKED = {'faces': """\
Does the order of the paper's ablation come out, GN-Only < LN-Only < GLN4 < GLN6 < GLN8, when every network sees
equally many faces? PSNR on validation faces is shown against the faces seen, and against the multiply-adds that training
on them took.""", 'arithmetic': """\
What does each network reach when training takes equally many multiply-adds, so that a cheaper one sees more faces?"""}


def run(options):
    """The study, for the options of the command line.

    They are `data`, `directory`, `source_weights`, `split`, `images`, `output`, and `workdir` (the runs' folder, a
    folder each), `scale`, `faces_seen`, `equal` and `networks`.

    Raises:
        InputError: the faces, the workdirs or the folder for the output cannot be used.
        RunError: a training diverged.
    """
    devices.a_device_per_core(BATCH_SIZE)  # before multiply-adds are counted, which starts JAX
    faces_seen = faces_of_each(options)
    configs = {network: config_for(network, options, faces_seen[network]) for network in options.networks}
    runs.prepared(list(configs.values()))
    config = next(iter(configs.values()))
    sets = runs.chosen(config, options)
    output = results.claimed(options.output, {
        'study': 'ablation', 'scale': options.scale, 'faces_seen': options.faces_seen,
        'equal': options.equal, 'networks': options.networks,
        'source_weights': options.source_weights, 'images': options.images, 'faces': runs.contents(sets)})
    generators = {TITLES[network]: runs.trained(TITLES[network], one, files.path(options.workdir) / network)
                  for network, one in configs.items()}
    scores = runs.scored(output, generators, sets, config)
    curves = {TITLES[network]: [(step * BATCH_SIZE, psnr) for step, psnr in runs.logged(
        files.path(options.workdir) / network, 'validation_psnr')] for network in configs}
    costs = {TITLES[network]: speed.multiply_adds(one) for network, one in configs.items()}
    write(output, options, generators, scores, curves, costs, bicubic_validation(config))


def faces_of_each(options):
    """{network: faces that it is trained on}: equally many, or as many as it takes for equally many multiply-adds."""
    if options.equal == 'faces':
        return dict.fromkeys(options.networks, options.faces_seen)
    costs = {network: speed.multiply_adds(config_for(network, options, options.faces_seen)) for network in options.networks}
    return {network: round(options.faces_seen * max(costs.values()) / cost) for network, cost in costs.items()}


def config_for(network, options, faces_seen):
    """The config of one of the runs: that of configs/x8.py or x4.py with the network, cut to the faces it may see."""
    config = settings.default()
    config.name, config.scale = f'x{options.scale}', options.scale
    variants.with_variant(config, '' if network == config.network else network)
    steps = faces_seen // BATCH_SIZE
    if not steps:
        raise errors.InputError(f'--faces-seen: must be at least a batch of {BATCH_SIZE}, is {options.faces_seen}')
    config.reconstruction.update(steps=steps, batch_size=BATCH_SIZE)
    config.optimizer.update(learning_rate=LEARNING_RATE, warmup_steps=steps // 10, average_decay=AVERAGE_DECAY)
    config.adversarial.turns = 0
    config.validation.faces = VALIDATION_FACES
    config.checkpoint.every_steps = config.log.pictures_every_steps = max(1, steps // VALIDATIONS)
    return runs.with_data(config, options)


def bicubic_validation(config):
    """Mean PSNR in dB of bicubic interpolation on the validation faces that training uses."""
    hr, lr = validation.faces(config)
    bicubic = np.clip(np.asarray(images.upsample(lr, config.scale, 'bicubic')), 0, 1)
    return float(np.mean(metrics.psnr(bicubic, hr, 'paper')))


def write(output, options, generators, scores, curves, costs, bicubic):
    """Writes the study's files into `output`, and prints its Markdown.

    Args:
        output: the folder.
        options: as in `run`.
        generators: {title: generator}, in the paper's order; the last is what the others are compared with.
        scores: {split: `scoring.Scores`} of them and of bicubic.
        curves: {title: [(faces seen, dB on the validation faces)]}.
        costs: {title: multiply-adds of restoring a face}.
        bicubic: dB of bicubic on the validation faces.
    """
    titles, everything = list(generators), runs.with_all(scores)
    config = generators[titles[0]].config
    rows = [[title, f'{costs[title] / 1e9:.2f} G', f'{factory.parameter_count(loaded.parameters):,}',
             f'{curves[title][-1][0]:,}', f'{curves[title][-1][1]:.2f}', f'`{loaded.card["provenance"].get("commit", "")}`']
            for title, loaded in generators.items()]
    facts = {**markdown.facts(config, runs.described(scores, options), 'paper', results.commits(output)),
             'trained on': f'{_trained_on(options, titles, costs)}, {options.source_weights or "all sources alike"}, Adam, '
                           f'batch {BATCH_SIZE}, one seed'}
    order = [in_order(split, part, titles) for split, part in everything.items()]
    files.write(output / 'ablation.csv', one_network.as_csv(runs.together(scores)))
    files.write(output / 'ablation.png', plots.curves(panels(curves, costs, bicubic)))
    files.write(output / 'ablation.json', json.dumps({
        'facts': facts, 'means': runs.means(everything), 'multiply_adds': costs, 'validation': curves,
        'bicubic_validation': bicubic, 'order': order, 'runs': {
            title: provenance.of(files.path(options.workdir) / network) for title, network in zip(titles, options.networks)},
    }, indent=2) + '\n')
    titles_of_rows = ['network', 'multiply-adds a face', 'parameters', 'faces seen', f'val, dB (bicubic {bicubic:.2f})',
                      'trained at']
    files.write(output / 'ablation.md', markdown.text('Ablation', ASKED[options.equal], facts, [
        '\n'.join(order), markdown.table(titles_of_rows, rows),
        runs.table(everything, titles[-1]),
        '![PSNR on validation faces against faces seen, and against multiply-adds](ablation.png)']))
    print((output / 'ablation.md').read_text())


def _trained_on(options, titles, costs):
    if options.equal == 'faces':
        return f'{options.faces_seen:,} faces each'
    return f'as many multiply-adds each as {max(titles, key=costs.get)} takes for {options.faces_seen:,} faces'


def in_order(split, scores, titles):
    """A line on whether the PSNR of a `scoring.Scores` rises along the titles, as it does in the paper or is expected to."""
    psnr = {title: np.mean(scores.values[title]['psnr']) for title in titles}
    ranked = ' < '.join(f'{title} {psnr[title]:.2f}' for title in sorted(titles, key=psnr.get))
    came_out = sorted(titles, key=psnr.get) == titles
    return f"- {split}: the expected order {'came out' if came_out else 'did not come out'}: {ranked}"


def panels(curves, costs, bicubic):
    """The two panels for `plots.curves`: dB against faces seen, and against multiply-adds of training."""
    found = []
    for title, cost_of, log in (('faces seen', lambda _: 1, False), (
            'multiply-adds of training', lambda name: speed.TRAINING_PER_FORWARD * costs[name], True)):
        lines = {name: ([faces * cost_of(name) for faces, _ in curve], [psnr for _, psnr in curve])
                 for name, curve in curves.items()}
        found.append({'x': title, 'y': 'PSNR on validation faces, dB', 'lines': lines, 'level': ('bicubic', bicubic),
                      'log': log})
    return found
