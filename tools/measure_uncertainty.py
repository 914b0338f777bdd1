"""Measures whether a network's own figures tell which of its outputs are wrong, and what back-projection does.

    python -m tools.measure_uncertainty --ckpt=runs/x8 --data=FACES [--output=x8.safetensors]
    python -m tools.measure_uncertainty --ckpt=x8-photo --data=FACES --split=test/aaf --groups

FACES is a folder of aligned faces (`gln_jax.data.folder_contents` says which). On its split val, the limits are chosen above
which a face gets a warning: such that a tenth of these faces would. --output writes the network with its limits as a
weights file, with which `upsample` warns. On the splits of --split (default: test/lfw,test/ffhq256) it is then measured
how well the figures rank the faces by their true error (Spearman's correlation with the error; AUROC of telling the
worst tenth by PSNR from the others), and how the faces that get a warning differ from the others. The error is PSNR of
the luminance (protocol `paper`) before back-projection. What back-projection does to PSNR is printed for each split.
--groups measures the limits that a network has, by source, age and gender, as far as index.csv knows them.
"""

import dataclasses
import functools
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from scipy import stats
from tqdm import tqdm

from gln_jax import config as settings
from gln_jax import images, metrics, weights
from gln_jax.data import faces as face_data
from gln_jax.data import folder_contents, photo_degradation, tables
from gln_jax.photos import consistency, face_upsampling, uncertainty
from gln_jax.runtime import command_line, errors
from tools import measure_eyes

BATCH_SIZE = 32
WORST = 0.1
"""Share of the faces that count as the worst; and of the validation faces that would get a warning."""

FIGURES = {'consistency': [0], 'mirrored': [1], 'shifted': [2], 'both disagreements': [1, 2], 'all three': [0, 1, 2]}
"""What is compared: which of `uncertainty.figures`, averaged in standard deviations."""


class Measured(NamedTuple):
    """Of n faces."""

    psnr: np.ndarray  # dB [n], of the network's output
    consistent_psnr: np.ndarray  # dB [n], after back-projection
    consistency: list  # dB, of the network's output
    disagreement: list  # of face_upsampling.Disagreement


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.measure_uncertainty', __doc__)
    parser.add_argument('--ckpt', type=command_line.path, required=True,
                        help='the network: a workdir, a checkpoint or a weights file')
    command_line.add_faces(parser)
    parser.add_argument('--split', default='test/lfw,test/ffhq256', help='comma-separated; measured each and together')
    parser.add_argument('--output', type=command_line.path, metavar='FILE', help='weights file to write, with the limits')
    parser.add_argument('--groups', action='store_true', help='by group, with the limits that the network has; not with --output')
    options = parser.parse_args(arguments)
    with errors.reported():
        if options.output:
            weights.check_is_free(options.output)  # before measuring, which takes minutes
        upsampler = face_upsampling.load(options.ckpt, batch_size=BATCH_SIZE)
        if options.groups and (options.output or upsampler.calibration is None):
            raise errors.InputError('--groups: is for a network that has its limits, without --output')
        config = weights.load_generator(options.ckpt).config.copy_and_resolve_references()
        config.data.update(name='folder', path=options.data, directory=options.directory)
        splits = options.split.split(',')
        if options.groups:
            print('\n'.join(groups_table(upsampler, [face_data.load(config, split) for split in splits], options.data)))
            return
        faces = {split: face_data.load(config, split) for split in ['val', *splits]}  # before the first takes minutes
        measured = {split: measure(upsampler, found, split) for split, found in faces.items()}
        val = measured['val']
        calibration = calibrate(val.consistency, val.disagreement, f'{len(val.psnr)} faces of val', WORST)
        if options.output:
            weights.export(options.ckpt, options.output, trust=dataclasses.asdict(calibration))
            print(f'wrote {options.output}')
        if len(splits) > 1:
            measured['together'] = Measured(*(np.concatenate([measured[split][i] for split in splits])
                                              for i in range(len(Measured._fields))))
        print('\n'.join([*back_projection_table(measured), '', *ranking_table(measured, calibration)]))


def calibrate(consistencies, disagreements, data, share):
    """The `uncertainty.Calibration` by which `share` of these faces would get a warning.

    Args:
        consistencies, disagreements: for each face, as its `doubt` takes them.
        data: what these faces are, in words.
        share: in (0, 1).
    """
    known = np.array([uncertainty.figures(*pair) for pair in zip(consistencies, disagreements)])
    free = uncertainty.Calibration(tuple(known.mean(axis=0).tolist()), tuple(known.std(axis=0).tolist()), np.inf, np.inf, data)
    limits = [float(np.quantile([free.doubt(*pair) for pair in pairs], 1 - share))
              for pairs in (zip(consistencies, disagreements), zip(consistencies))]
    return dataclasses.replace(free, most_doubt=limits[0], most_doubt_by_consistency=limits[1])


def measure(upsampler, faces, split):
    """What the network does to some faces.

    Args:
        upsampler: a `face_upsampling.FaceUpsampler`.
        faces: a sequence of faces with `.image` (uint8 RGB [128, 128, 3]).
        split: their name, for the progress bar.

    Returns:
        `Measured`.
    """
    parts = []
    for start in tqdm(range(0, len(faces), BATCH_SIZE), desc=split, unit=' batches', disable=None):
        rgb = np.stack([faces[i].image for i in range(start, min(start + BATCH_SIZE, len(faces)))])
        truth = images.luminance(rgb / np.float32(255))
        lr = np.asarray(_degraded(truth, upsampler, start))
        hr, disagreement = upsampler.with_disagreement(lr)
        fit = lr, upsampler.scale, upsampler.degradation
        parts.append((metrics.psnr(hr, truth, 'paper'),
                      metrics.psnr(consistency.back_projected(hr, *fit), truth, 'paper'),
                      consistency.consistency(hr, *fit), [tuple(pair) for pair in disagreement]))
    return Measured(*map(np.concatenate, zip(*parts)))


def _degraded(truth, upsampler, first):
    """LR faces; those of a network for photographs are damaged, but for every second one or so, always in the same way."""
    if upsampler.degradation != 'photo':
        return images.degrade(truth, upsampler.scale, upsampler.degradation)
    return _damaged(upsampler.scale)(truth, jax.random.key(0), first)


@functools.cache
def _damaged(scale):
    how = settings.default().photo.to_dict() | {'clean': 0.5}
    return jax.jit(lambda truth, key, first: photo_degradation.degrade(truth, scale, how, key, first))


def back_projection_table(measured):
    """Lines on the mean PSNR (dB) of each set, plain and after back-projection; `measured`: {name: Measured}."""
    lines = ['faces              n  plain dB  consistent dB    gain']
    for name, one in measured.items():
        plain, projected = np.mean(one.psnr), np.mean(one.consistent_psnr)
        lines.append(f'{name:14} {len(one.psnr):5} {plain:9.3f} {projected:14.3f} {projected - plain:+7.3f}')
    return lines


def ranking_table(measured, calibration):
    """Lines on how well each figure ranks each set's faces by their error, and on the faces that get a warning."""
    lines = ['faces          figure              Spearman   AUROC']
    for name, one in measured.items():
        is_worst = one.psnr <= np.quantile(one.psnr, WORST)
        known = np.array([uncertainty.figures(*pair) for pair in zip(one.consistency, one.disagreement)])
        scores = (known - calibration.means) / calibration.deviations
        for figure, columns in FIGURES.items():
            score = scores[:, columns].mean(axis=1)
            lines.append(f'{name:14} {figure:20} {stats.spearmanr(score, -one.psnr).statistic:7.3f} '
                         f'{auroc(score, is_worst):7.3f}')
    lines += ['', 'faces          warned by         warned  dB of these   dB of others  of the worst tenth warned  '
              'of the warned in it']
    for name, one in measured.items():
        is_worst = one.psnr <= np.quantile(one.psnr, WORST)
        for method, disagreement in (('consistency', [None] * len(one.psnr)), ('all three', one.disagreement)):
            is_warned = np.array([calibration.is_doubtful(*pair) for pair in zip(one.consistency, disagreement)])
            lines.append(f'{name:14} {method:17} {np.mean(is_warned):6.1%} {_mean(one.psnr[is_warned]):12.2f} '
                         f'{_mean(one.psnr[~is_warned]):14.2f} {_mean(is_warned[is_worst]):26.1%} '
                         f'{_mean(is_worst[is_warned]):20.1%}')
    return lines


def groups_table(upsampler, sets, data):
    """Lines of a Markdown table: the faces of each group, and whom the network's own limits warn of.

    upsampler: a FaceUpsampler with limits; sets: of faces as `measure` takes them; data: the folder that has index.csv.
    """
    parts = [measure(upsampler, faces, 'faces') for faces in sets]
    psnr = np.concatenate([part.psnr for part in parts])
    pairs = [pair for part in parts for pair in zip(part.consistency, part.disagreement)]
    doubt = np.array([upsampler.calibration.doubt(*pair) for pair in pairs])
    is_warned, is_worst = doubt > upsampler.calibration.most_doubt, psnr <= np.quantile(psnr, WORST)
    rows = {row['file']: row for _, row in tables.read(pathlib.Path(data, folder_contents.INDEX), 'file')[1]}
    names = [list(measure_eyes.groups(rows[face.file])) for faces in sets for face in faces]
    lines = ['| group | faces | PSNR, dB | warned | of the worst tenth of all in it, warned | AUROC |', '|---|---|---|---|---|---|']
    for group in sorted({name for each in names for name in each}):
        chosen = np.array([group in each for each in names])
        worst = chosen & is_worst
        rank = f'{auroc(doubt[chosen], is_worst[chosen]):.2f}' if 0 < worst.sum() < chosen.sum() else ''
        lines.append(f'| {group} | {chosen.sum()} | {psnr[chosen].mean():.2f} | {is_warned[chosen].mean():.1%} | '
                     f'{(worst & is_warned).sum()} of {worst.sum()} | {rank} |')
    return lines


def auroc(score, is_positive):
    """Chance that a positive has a higher score than one that is not, ties counting half; score float [n], bool [n]."""
    positives, others = score[is_positive], score[~is_positive]
    return stats.mannwhitneyu(positives, others).statistic / (len(positives) * len(others))


def _mean(values):
    return np.mean(values) if len(values) else np.nan


if __name__ == '__main__':
    main()
