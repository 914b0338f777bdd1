"""What the adversarial term is worth: stage 2 from one stage-1 network, with one lambda after the other."""

import json
import re

import numpy as np

from configs import variants
from gln_jax import weights
from gln_jax import config as settings
from gln_jax.evaluation import one_network
from gln_jax.models import factory
from gln_jax.runtime import files, picture_grid
from tools.studies import markdown, plots, results, runs

AUTO = 'auto'
AVERAGE_DECAY = 0.99  # of an EMA over some 100 steps
CHECKPOINTS = 4  # of each run, at the end of cycles

ASKED = """\
What does adversarial fine-tuning cost in PSNR, what does it give in sharpness, and how do both go with lambda?
Sharpness is the gradient energy as a share of the truth's; the discriminator's accuracy is what was logged last."""


def run(options):
    """The study, for the options of the command line.

    They are `data`, `directory`, `source_weights`, `split`, `images`, `output`, and `init` (the stage-1 network),
    `workdir` (the runs' folder, a folder each), `config` (a config file), `weights` (lambdas) and `turns`.

    Raises:
        InputError: the network, the config, the faces, the workdirs or the folder for the output cannot be used.
        RunError: a training diverged.
    """
    base = runs.with_data(variants.of_file(options.config), options)
    base.reconstruction.steps, base.adversarial.turns = 0, options.turns
    base.optimizer.average_decay = AVERAGE_DECAY
    turn = base.adversarial.discriminator_steps + base.adversarial.generator_steps
    base.checkpoint.every_steps = base.log.pictures_every_steps = turn * -(-options.turns // CHECKPOINTS)
    texts = list(dict.fromkeys([AUTO] * any(map(multiple_of_auto, options.weights)) + options.weights))
    runs.prepared([_with_weight(base, AUTO if multiple_of_auto(text) else text) for text in texts])
    stage_1 = weights.load_for(base, options.init)
    weights.check_restores_alike(stage_1, base, '--init')  # a fast network of another scale would lend its body alone
    sets = runs.chosen(base, options)
    output = results.claimed(options.output, {
        'study': 'lambda', 'init': stage_1.digest, 'config': options.config,
        'weights': options.weights, 'turns': options.turns, 'source_weights': options.source_weights,
        'images': options.images, 'faces': runs.contents(sets)})
    found, lambdas = {}, {}
    for text in texts:  # 'auto' comes first where there are multiples of it
        factor = multiple_of_auto(text)
        weight = f'{lambdas[AUTO] * factor:.6g}' if factor else text
        workdir = files.path(options.workdir) / folder_name(text)
        found[text] = runs.trained(f'lambda {text}', _with_weight(base, weight), workdir, options.init)
        lambdas[text] = _lambda_of(workdir)
    ordered = sorted(texts, key=lambdas.get)
    names = {text: f'{text} ({lambdas[text]:.3g})' if AUTO in text else text for text in ordered}
    generators = {runs.STAGE_1: stage_1, **{f'lambda {names[text]}': found[text] for text in ordered}}
    accuracies = {f'lambda {names[text]}': _accuracy(files.path(options.workdir) / folder_name(text)) for text in ordered}
    scores = runs.scored(output, generators, sets, base)
    files.write(output / 'faces.png', picture_grid.png(runs.strip(generators, sets, base)))
    write(output, options, generators, scores, accuracies, f'lambda {names[AUTO]}' if AUTO in names else None)


def multiple_of_auto(text):
    """10.0 of 'auto*10', 0.1 of 'auto/10', None of any other lambda."""
    matched = re.fullmatch(r'auto([*/])(\d+)', text)
    if not matched:
        return None
    return float(matched[2]) if matched[1] == '*' else 1 / float(matched[2])


def folder_name(text):
    """The name of the workdir for a lambda."""
    return text.replace('*', '_times_').replace('/', '_over_')


def write(output, options, generators, scores, accuracies, default):
    """Writes the study's files into `output`, and prints its Markdown.

    Args:
        output: the folder.
        options: as in `run`.
        generators: {name: generator}, stage 1 first and then by lambda.
        scores: {split: `scoring.Scores`} of them and of bicubic.
        accuracies: {name: share of images that the discriminator puts on the right side} of all but stage 1.
        default: the name of the run whose lambda was found by itself, or None.
    """
    everything, config = runs.with_all(scores), generators[runs.STAGE_1].config
    count = factory.parameter_count(generators[runs.STAGE_1].parameters)
    facts = {'network': f'`{options.init}` ({config.network}, {count:,} parameters)',
             **markdown.facts(config, runs.described(scores, options), 'paper', results.commits(output)),
             'trained': f'{options.turns} cycles each, settings of `{options.config}`, '
                        f'{options.source_weights or "all sources alike"}, one seed'}
    verdicts = [_verdict(split, part, default) for split, part in everything.items()] if default else []
    files.write(output / 'lambda.csv', one_network.as_csv(runs.together(scores)))
    files.write(output / 'lambda.png', plots.curves(
        panels(everything, list(generators)), columns=min(3, len(everything))))
    files.write(output / 'lambda.json', json.dumps({
        'facts': facts, 'means': runs.means(everything), 'discriminator_accuracy': accuracies, 'default': default,
        'share_of_the_way': {split: {name: runs.share_of_the_way(part, name) for name in accuracies}
                             for split, part in everything.items()}}, indent=2) + '\n')
    sources = sorted({source for part in scores.values() for _, source, _ in part.names})
    files.write(output / 'lambda.md', markdown.text('Lambda', ASKED, facts, [
        '\n'.join(verdicts), runs.table(everything, runs.STAGE_1, ('psnr', 'ssim', 'sharpness', 'consistency')),
        markdown.table(['run', 'discriminator right'], [[name, f'{share:.0%}'] for name, share in accuracies.items()]),
        '![PSNR against sharpness](lambda.png)', '![The same faces along lambda](faces.png)', markdown.credit(sources)]))
    print((output / 'lambda.md').read_text())


def panels(scores, names):
    """Panels for `plots.curves`: PSNR against sharpness, of stage 1 and along the other names, for each split."""
    found = []
    for split, part in scores.items():
        means = {name: [np.mean(part.values[name][measure]) for measure in ('sharpness', 'psnr')] for name in names}
        first, *others = means.values()
        found.append({'x': f"sharpness, share of the truth's ({split})", 'y': 'PSNR, dB',
                      'lines': {runs.STAGE_1: tuple(zip(first)), 'stage 2, by lambda': tuple(zip(*others))},
                      'points': {name.removeprefix('lambda '): means[name] for name in names[1:]}})
    return found


def _with_weight(base, weight):
    config = base.copy_and_resolve_references()
    config.adversarial.weight = weight
    return config


def _lambda_of(workdir):
    """The lambda of a run, as its last checkpoint has it."""
    return float(weights.checkpoint_in(workdir).part['adversarial_weight'])


def _accuracy(workdir):
    return runs.logged(workdir, 'discriminator_accuracy')[-1][1]


def _verdict(split, scores, default):
    lost = scores.values[runs.STAGE_1]['psnr'] - scores.values[default]['psnr']
    return (f'- {split}: {default} costs {markdown.mean_and_interval(lost, scores.people)} dB, and goes '
            f"{runs.share_of_the_way(scores, default):.0%} of the way from stage 1's gradient energy to the truth's")
