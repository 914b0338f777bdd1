"""The failures study's tables and plots of faces as they are: by yaw, by expression, and in colour."""

import itertools

import numpy as np
from scipy import stats

from tools.studies import colour, conditions, markdown, plots
from tools.studies.measured import ALL, people_in, psnr_of

YAW_BINS = (0, 0.05, 0.1, 0.2, 0.3, np.inf)
"""Edges of |yaw|: the offset of the nose from the middle of the eyes, in eye distances."""

PLOTTED = 5
"""So many faces a bin must have for the plot; the table has all."""


def yaw(measured):
    """(Markdown, PNG) on PSNR by how far a face is turned."""
    told = f"Spearman's correlation of the yaw, without its sign, with the gain: {_correlations(measured)}."
    return f'{_yaw_table(measured)}\n\n{told}', _yaw_plot(measured)


def expression(measured):
    """(Markdown, PNG) on neutral against smiling faces of the same people."""
    rows, values = [], {}
    for split, found in measured.expression.items():
        psnr = {method: np.array(numbers) for method, numbers in found['psnr'].items()}
        psnr['gain'] = psnr['gln'] - psnr['bicubic']
        people = [identity for _, _, identity in found['names'][::2]]
        rows += [[split, what, str(len(people)), *(markdown.mean_and_interval(psnr[method][first::2], people, sign=sign)
                                                   for method, sign in (('bicubic', ''), ('gln', ''), ('gain', '+')))]
                 for first, what in enumerate(('neutral', 'smiling'))]
        rows.append([split, 'smiling less neutral', str(len(people)), *(markdown.mean_and_interval(
            numbers[1::2] - numbers[::2], people, sign='+') for numbers in psnr.values())])
        alone = len(measured.expression) == 1
        for first, what in enumerate(('neutral', 'smiling')):
            means = [np.mean(psnr[method][first::2]) for method in ('bicubic', 'gln')]
            values[what if alone else f'{split} {what}'] = means
    return (markdown.table(['split', 'expression', 'people', 'bicubic, dB', 'GLN, dB', 'gain, dB'], rows),
            plots.bars(['bicubic', 'GLN'], values, 'PSNR, dB'))


def in_colour(measured):
    """(Markdown, PNG) on chroma by interpolation; dB over R, G and B together."""
    rows = []
    for split in (*measured.names, ALL):
        sets = [values for one, values in measured.colour.items() if split in (ALL, one)]
        psnr = {method: np.concatenate([values[method] for values in sets]) for method in colour.METHODS}
        people = people_in(measured, split)
        gain, left = (after - before for before, after in itertools.pairwise(psnr.values()))
        rows.append([split, *(markdown.mean_and_interval(values, people) for values in psnr.values()),
                     *(markdown.mean_and_interval(values, people, sign='+') for values in (gain, left))])
    told = "PSNR over R, G and B. The last column is what another chroma could add to the network's luminance at most."
    table = markdown.table(['split', *(f'{method}, dB' for method in colour.METHODS), 'gain over bicubic, dB',
                           'left to gain by chroma, dB'], rows)
    series = {method: [np.mean(values[method]) for values in measured.colour.values()] for method in colour.METHODS}
    return f'{told}\n\n{table}', plots.bars(list(measured.colour), series, 'PSNR over RGB, dB')


def _yaw_table(measured):
    rows = []
    for split in (*measured.names, ALL):
        yaw, people = _yaws(measured, split)[0], np.array(list(map(str, people_in(measured, split))))
        psnr = {method: psnr_of(measured, conditions.UNALTERED, method, split) for method in ('bicubic', 'gln', 'gain')}
        for name, mask, _ in _bins(yaw):
            rows.append([split, name, str(np.sum(mask)), markdown.mean(psnr['bicubic'][mask]),
                         markdown.mean_and_interval(psnr['gln'][mask], people[mask]),
                         markdown.mean_and_interval(psnr['gain'][mask], people[mask], sign='+')])
    return markdown.table(['split', 'yaw, without sign', 'faces', 'bicubic, dB', 'GLN, dB', 'gain, dB'], rows)


def _correlations(measured):
    told = []
    for split in (*measured.names, ALL):
        yaw, known = _yaws(measured, split)
        if known.sum() > 2:
            gain = psnr_of(measured, conditions.UNALTERED, 'gain', split)
            told.append(f'{split} {stats.spearmanr(yaw[known], gain[known]).statistic:+.2f}')
    return ', '.join(told)


def _yaw_plot(measured):
    panels = []
    for method, title in (('gain', 'gain over bicubic, dB'), ('gln', 'PSNR of GLN, dB')):
        lines = {}
        for split in (ALL, *measured.names):
            bins = _bins(_yaws(measured, split)[0], PLOTTED)
            psnr = psnr_of(measured, conditions.UNALTERED, method, split)
            lines[split] = [middle for *_, middle in bins], [np.mean(psnr[mask]) for _, mask, _ in bins]
        panels.append({'x': 'yaw, without sign: nose offset / eye distance', 'y': title, 'lines': lines})
    return plots.curves(panels)


def _yaws(measured, split):
    """(the |yaw| of each face of which it is known, [n]; a mask of these faces)."""
    yaw = np.array([abs(measured.yaw.get(file, np.nan)) for one, names in measured.names.items() if split in (ALL, one)
                    for file, _, _ in names])
    return yaw, ~np.isnan(yaw)


def _bins(yaw, least=1):
    """[(name, mask, mean)] of the bins in which there are so many faces at least."""
    bins = zip(YAW_BINS, YAW_BINS[1:])
    found = [(f'{low:g} to {high:g}' if np.isfinite(high) else f'above {low:g}', (yaw >= low) & (yaw < high))
             for low, high in bins]
    return [(name, mask, np.mean(yaw[mask])) for name, mask in found if mask.sum() >= least]
