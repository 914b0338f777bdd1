"""The failures study in tables and plots."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from gln_jax.study import alterations, colour, conditions, plots, reports

ASKED = """\
What a network does where it meets what it was not made for. Gain is its PSNR above that of bicubic interpolation of the
same LR image; a change is against the same faces unaltered, and its interval is that of the paired differences."""

YAW_BINS = (0, 0.05, 0.1, 0.2, 0.3, np.inf)
"""Edges of |yaw|: the offset of the nose from the middle of the eyes, in eye distances."""

ALL = 'all'
BAR_DB = 0.3
"""What a shift of 2 HR pixels, or 5 % in scale, may cost at most, in dB."""
BAR_KEYS = {'loss at 2 px shift': [('shift', 2)], 'loss at 5 % scale': [('scale', 0.95), ('scale', 1.05)]}


TOLD = {
    'Misalignment': "The truth itself is moved, before it is reduced: by shift or roll in turns of direction, about the "
                    "picture's centre. Roll and scale resample it, which softens it a little; the gain tells more than the PSNR.",
    'Light': 'Darker or flatter pictures have smaller errors, whatever restores them: read the gain, not the PSNR.',
}
"""What has to be said before the tables."""


class Measured(NamedTuple):
    names: dict  # {split: (file, source, identity) of each face}
    psnr: dict  # {(split, key of a condition): {method: dB [n]}}
    yaw: dict  # {file: yaw}, of the files for which it is known
    colour: dict  # {split: {method: dB [n]}}
    expression: dict  # {split: {'names', 'psnr'}} of neutral and smiling faces in turn


def text(facts, tables, measured):
    """The study's Markdown, of what `made` returned."""
    sources = sorted({source for names in measured.names.values() for _, source, _ in names})
    worst = [f'The worst faces of {split}: `worst-{split.replace("/", "-")}.png`.' for split in measured.names]
    parts = [part for title, body in tables.items() for part in (f'### {title}', body)]
    return reports.text('Failures (RQ5)', ASKED, facts, [*parts, '### Worst faces', '\n'.join(worst), reports.credit(sources)])


def made(measured):
    """({title: Markdown}, what failures.json holds, {name: PNG})."""
    tables, summary, pictures = {}, {'means': _means(measured)}, {}
    if measured.yaw:
        tables['Yaw'] = _yaw_table(measured)
        pictures['yaw'] = _yaw_plot(measured)
    for title, kinds in {'Misalignment': ('shift', 'roll', 'scale'), 'Light': ('gamma', 'side light')}.items():
        tables[title] = '\n\n'.join([TOLD[title], *(_curve_table(measured, kind) for kind in kinds)])
        pictures[title.lower()] = _curve_plot(measured, kinds)
    losses, tables['The bar'] = _bar(measured)
    tables['Occlusion'] = _occlusion_table(measured)
    pictures['occlusion'] = _occlusion_plot(measured)
    names = [level for kind, level in _keys(measured) if kind == 'LR image']
    tables['Wrong LR images'] = _table(measured, 'LR image', [(name, ('LR image', name)) for name in names])
    pictures['lr_images'] = _lr_plot(measured, names)
    if measured.expression:
        tables['Expression'], pictures['expression'] = _expression(measured)
    tables['Colour'], pictures['colour'] = _colour(measured)
    tables = {title: f'{body}\n\n![{title}]({name}.png)' if (name := _picture(title)) in pictures else body
              for title, body in tables.items()}
    return tables, summary | losses, pictures


def _picture(title):
    return {'Wrong LR images': 'lr_images'}.get(title, title.lower())


def _keys(measured):
    return list(dict.fromkeys(key for _, key in measured.psnr))


def _psnr(measured, key, method, split=ALL):
    """dB [n] of a split's faces, or of those of all splits one after the other; `method` may be 'gain'."""
    if method == 'gain':
        return _psnr(measured, key, 'gln', split) - _psnr(measured, key, 'bicubic', split)
    return np.concatenate([measured.psnr[one, key][method] for one in measured.names if split in (ALL, one)])


def _people(measured, split=ALL):
    return [identity or (one, place) for one, names in measured.names.items() if split in (ALL, one)
            for place, (_, _, identity) in enumerate(names)]


def _means(measured):
    """Rows of means: split, condition, level, PSNR of both methods."""
    return [{'split': split, 'condition': key[0], 'level': key[1], 'images': len(_psnr(measured, key, 'gln', split)),
             **{method: float(np.mean(_psnr(measured, key, method, split))) for method in ('bicubic', 'gln', 'gain')}}
            for split in (*measured.names, ALL) for key in _keys(measured)]


def _table(measured, title, rows):
    """A table of conditions, [(name, key)], over all splits together, with the gain in each."""
    people, cells = _people(measured), []
    for name, key in rows:
        base = conditions.neutral(*key)
        is_changed = key != base and key[0] != conditions.SEEN_PART
        change = {method: _psnr(measured, key, method) - _psnr(measured, base, method) for method in ('gln', 'gain')}
        cells.append([name, *(reports.mean(_psnr(measured, key, method)) for method in ('bicubic', 'gln')),
                      reports.mean_and_interval(_psnr(measured, key, 'gain'), people, sign='+'),
                      *(reports.mean_and_interval(change[method], people, sign='+') if is_changed else ''
                        for method in ('gln', 'gain')),
                      *(reports.mean(_psnr(measured, key, 'gain', split), sign='+') for split in measured.names)])
    return reports.table([title, 'bicubic, dB', 'GLN, dB', 'gain, dB', "change of GLN's PSNR", 'change of the gain',
                          *(f'gain, {split}' for split in measured.names)], cells)


def _curve_table(measured, kind):
    rows = [(f'{level:g}', conditions.key_at(kind, level)) for level in conditions.levels(kind)]
    return _table(measured, conditions.CURVES[kind][0], rows)


def _curve_plot(measured, kinds):
    panels = []
    for method in ('gain', 'psnr'):
        for kind in kinds:
            levels = conditions.levels(kind)
            at = lambda method, split: (levels, [np.mean(_psnr(measured, conditions.key_at(kind, level), method, split))
                                                 for level in levels])
            lines = {split: at('gain', split) for split in (ALL, *measured.names)} if method == 'gain' else {
                'GLN': at('gln', ALL), 'bicubic': at('bicubic', ALL)}
            panels.append({'x': conditions.CURVES[kind][0], 'lines': lines,
                           'y': 'gain over bicubic, dB' if method == 'gain' else 'PSNR, all, dB'})
    return plots.curves(panels, columns=len(kinds))


def _bar(measured):
    """(what goes into the summary, Markdown) on what a small misalignment costs."""
    people, losses, rows = _people(measured), {}, []
    for name, keys in BAR_KEYS.items():
        for kind, level in keys:
            loss = {method: _psnr(measured, conditions.UNALTERED, method) - _psnr(measured, (kind, level), method)
                    for method in ('gain', 'gln')}
            means = {method: float(np.mean(values)) for method, values in loss.items()}
            losses[f'{name} ({level:g})'] = {'in gain over bicubic': means['gain'], 'in PSNR': means['gln']}
            rows.append([name, f'{level:g}', *(reports.mean_and_interval(loss[method], people, sign='+')
                                               for method in ('gain', 'gln')),
                         *('yes' if means[method] < BAR_DB else 'no' for method in ('gain', 'gln'))])
    return {'losses': losses}, reports.table(
        ['', 'level', 'lost in gain over bicubic, dB', 'lost in PSNR against the unaltered face, dB',
         f'gain: below {BAR_DB} dB', f'PSNR: below {BAR_DB} dB'], rows)


def _occlusion_table(measured):
    told = ('PSNR over the pixels that are not covered, against the same pixels of the face without an occlusion '
            '(the row above each).')
    rows = [(f'{name}: {what}', (kind, name)) for name in alterations.OCCLUSIONS
            for what, kind in (('without', conditions.SEEN_PART), ('with', 'occlusion'))]
    return f'{told}\n\n{_table(measured, "occlusion", rows)}'


def _occlusion_plot(measured):
    names = list(alterations.OCCLUSIONS)
    mean = lambda kind, method: [np.mean(_psnr(measured, (kind, name), method)) for name in names]
    return plots.bars(names, {
        f'{title}, {what}': mean(kind, method) for method, title in (('bicubic', 'bicubic'), ('gln', 'GLN'))
        for what, kind in (('without', conditions.SEEN_PART), ('with', 'occlusion'))},
        'PSNR of what is not covered, dB')


def _lr_plot(measured, names):
    keys = [conditions.UNALTERED, *(('LR image', name) for name in names)]
    return plots.bars(['as trained', *names], {split: [np.mean(_psnr(measured, key, 'gain', split)) for key in keys]
                                               for split in (ALL, *measured.names)}, 'gain over bicubic, dB')


def _yaws(measured, split):
    """(the |yaw| of each face of which it is known, [n]; a mask of these faces)."""
    yaw = np.array([abs(measured.yaw.get(file, np.nan)) for one, names in measured.names.items() if split in (ALL, one)
                    for file, _, _ in names])
    return yaw, ~np.isnan(yaw)


def _bins(yaw):
    """[(name, mask, middle)] of the bins in which there are faces."""
    bins = zip(YAW_BINS, YAW_BINS[1:])
    found = [(f'{low:g} to {high:g}' if np.isfinite(high) else f'above {low:g}', (yaw >= low) & (yaw < high))
             for low, high in bins]
    return [(name, mask, np.mean(yaw[mask])) for name, mask in found if mask.any()]


def _yaw_table(measured):
    rows = []
    for split in (*measured.names, ALL):
        yaw, people = _yaws(measured, split)[0], np.array(list(map(str, _people(measured, split))))
        psnr = {method: _psnr(measured, conditions.UNALTERED, method, split) for method in ('bicubic', 'gln', 'gain')}
        for name, mask, _ in _bins(yaw):
            rows.append([split, name, str(np.sum(mask)), reports.mean(psnr['bicubic'][mask]), reports.mean_and_interval(
                psnr['gln'][mask], people[mask]), reports.mean_and_interval(psnr['gain'][mask], people[mask], sign='+')])
    return (reports.table(['split', 'yaw, sign left out', 'faces', 'bicubic, dB', 'GLN, dB', 'gain, dB'], rows)
            + f"\n\nSpearman's correlation of the sign-less yaw with the gain: {_correlations(measured)}.")


def _correlations(measured):
    told = []
    for split in (*measured.names, ALL):
        yaw, known = _yaws(measured, split)
        if known.sum() > 2:
            gain = _psnr(measured, conditions.UNALTERED, 'gain', split)
            told.append(f'{split} {stats.spearmanr(yaw[known], gain[known]).statistic:+.2f}')
    return ', '.join(told)


def _yaw_plot(measured):
    panels = []
    for method, title in (('gain', 'gain over bicubic, dB'), ('gln', 'PSNR of GLN, dB')):
        lines = {}
        for split in (ALL, *measured.names):
            psnr, bins = _psnr(measured, conditions.UNALTERED, method, split), _bins(_yaws(measured, split)[0])
            lines[split] = [middle for *_, middle in bins], [np.mean(psnr[mask]) for _, mask, _ in bins]
        panels.append({'x': 'yaw, sign left out: nose offset / eye distance', 'y': title, 'lines': lines})
    return plots.curves(panels)


def _expression(measured):
    """(Markdown, PNG) on neutral against smiling faces of the same people."""
    rows, values = [], {}
    for split, found in measured.expression.items():
        psnr = {method: np.array(numbers) for method, numbers in found['psnr'].items()}
        psnr['gain'] = psnr['gln'] - psnr['bicubic']
        people = [identity for _, _, identity in found['names'][::2]]
        rows += [[split, what, str(len(people)), *(reports.mean_and_interval(psnr[method][first::2], people, sign=sign)
                                                   for method, sign in (('bicubic', ''), ('gln', ''), ('gain', '+')))]
                 for first, what in enumerate(('neutral', 'smiling'))]
        rows.append([split, 'smiling less neutral', str(len(people)), *(reports.mean_and_interval(
            values[1::2] - values[::2], people, sign='+') for values in psnr.values())])
        values = {**values, **{f'{what}': [np.mean(psnr[method][first::2]) for method in ('bicubic', 'gln')]
                               for first, what in enumerate(('neutral', 'smiling'))}}
    return (reports.table(['split', 'expression', 'people', 'bicubic, dB', 'GLN, dB', 'gain, dB'], rows),
            plots.bars(['bicubic', 'GLN'], values, 'PSNR, dB'))


def _colour(measured):
    """(Markdown, PNG) on chroma by interpolation; dB over R, G and B together."""
    rows = []
    for split in (*measured.names, ALL):
        psnr = {method: np.concatenate([values[method] for one, values in measured.colour.items() if split in (ALL, one)])
                for method in colour.METHODS}
        people = _people(measured, split)
        rows.append([split, *(reports.mean_and_interval(psnr[method], people) for method in colour.METHODS),
                     reports.mean_and_interval(psnr[colour.BICUBIC_CHROMA] - psnr[colour.BICUBIC], people, sign='+'),
                     reports.mean_and_interval(psnr[colour.TRUE_CHROMA] - psnr[colour.BICUBIC_CHROMA], people, sign='+')])
    told = ("PSNR over R, G and B. The last column is what any other chroma could add to the network's luminance at most.")
    table = reports.table(['split', *(f'{method}, dB' for method in colour.METHODS), 'gain over bicubic, dB',
                           'left to gain by chroma, dB'], rows)
    series = {method: [np.mean(values[method]) for values in measured.colour.values()] for method in colour.METHODS}
    return f'{told}\n\n{table}', plots.bars(list(measured.colour), series, 'PSNR over RGB, dB')
