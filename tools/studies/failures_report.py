"""The failures study in tables and plots."""

import numpy as np

from tools.studies import alterations, by_face, conditions, markdown, plots
from tools.studies.measured import ALL, keys_of, means_of, people_in, psnr_of

ASKED = """\
What a network does where it meets what it was not made for. Gain is its PSNR above that of bicubic interpolation of the
same LR image; a change is against the same faces unaltered, and its interval is that of the paired differences."""

BAR_DB = 0.3
"""What a shift of 2 HR pixels, or 5 % in scale, may cost at most, in dB."""
BAR_KEYS = {'loss at 2 px shift': [('shift', 2)], 'loss at 5 % scale': [('scale', 0.95), ('scale', 1.05)]}

TOLD = {
    'Misalignment': "The truth itself is moved before it is reduced, shifts and rolls in one direction after the other. Roll and "
                    'scale resample it, which softens it a little, and below a scale of 1 the mirrored border comes '
                    'into view, which is hard to restore: the gain says more than the PSNR.',
    'Light': 'Darker or flatter pictures have smaller errors, whatever restores them: read the gain, not the PSNR.',
}
"""What has to be said before the tables."""


def text(facts, tables, measured):
    """The study's Markdown, of what `made` returned."""
    sources = sorted({source for names in measured.names.values() for _, source, _ in names})
    worst = [f'The worst faces of {split}: `worst-{split.replace("/", "-")}.png`.' for split in measured.names]
    parts = [part for title, body in tables.items() for part in (f'### {title}', body)]
    return markdown.text('Failures', ASKED, facts,
                        [*parts, '### Worst faces', '\n'.join(worst), markdown.credit(sources)])


def made(measured):
    """({title: Markdown}, what failures.json holds, {name: PNG})."""
    tables, summary, pictures = {}, {'means': means_of(measured)}, {}
    if measured.yaw:
        tables['Yaw'], pictures['yaw'] = by_face.yaw(measured)
    for title, kinds in {'Misalignment': ('shift', 'roll', 'scale'), 'Light': ('gamma', 'side light')}.items():
        tables[title] = '\n\n'.join([TOLD[title], *(_curve_table(measured, kind) for kind in kinds)])
        pictures[title.lower()] = _curve_plot(measured, kinds)
    losses, tables['The bar'] = _bar(measured)
    tables['Occlusion'] = _occlusion_table(measured)
    pictures['occlusion'] = _occlusion_plot(measured)
    names = [level for kind, level in keys_of(measured) if kind == 'LR image']
    tables['Wrong LR images'] = _table(measured, 'LR image', [(name, ('LR image', name)) for name in names])
    pictures['lr_images'] = _lr_plot(measured, names)
    if measured.expression:
        tables['Expression'], pictures['expression'] = by_face.expression(measured)
    tables['Colour'], pictures['colour'] = by_face.in_colour(measured)
    tables = {title: f'{body}\n\n![{title}]({name}.png)' if (name := _picture(title)) in pictures else body
              for title, body in tables.items()}
    return tables, summary | losses, pictures


def _picture(title):
    return {'Wrong LR images': 'lr_images'}.get(title, title.lower())


def _table(measured, title, rows):
    """A table of conditions, [(name, key)], over all splits together, with the gain in each."""
    people, cells = people_in(measured), []
    for name, key in rows:
        base = conditions.neutral(*key)
        is_changed = key != base and key[0] != conditions.SEEN_PART
        change = {method: psnr_of(measured, key, method) - psnr_of(measured, base, method)
                  for method in ('gln', 'gain')}
        cells.append([name, *(markdown.mean(psnr_of(measured, key, method)) for method in ('bicubic', 'gln')),
                      markdown.mean_and_interval(psnr_of(measured, key, 'gain'), people, sign='+'),
                      *(markdown.mean_and_interval(change[method], people, sign='+') if is_changed else ''
                        for method in ('gln', 'gain')),
                      *(markdown.mean(psnr_of(measured, key, 'gain', split), sign='+') for split in measured.names)])
    return markdown.table([title, 'bicubic, dB', 'GLN, dB', 'gain, dB', "change of GLN's PSNR", 'change of the gain',
                          *(f'gain, {split}' for split in measured.names)], cells)


def _curve_table(measured, kind):
    rows = [(f'{level:g}', conditions.key_at(kind, level)) for level in conditions.levels(kind)]
    return _table(measured, conditions.CURVES[kind][0], rows)


def _curve_plot(measured, kinds):
    panels = []
    for method in ('gain', 'psnr'):
        for kind in kinds:
            levels = conditions.levels(kind)
            at = lambda method, split: (levels, [np.mean(psnr_of(
                measured, conditions.key_at(kind, level), method, split)) for level in levels])
            lines = {split: at('gain', split) for split in (ALL, *measured.names)} if method == 'gain' else {
                'GLN': at('gln', ALL), 'bicubic': at('bicubic', ALL)}
            panels.append({'x': conditions.CURVES[kind][0], 'lines': lines,
                           'y': 'gain over bicubic, dB' if method == 'gain' else 'PSNR, all, dB'})
    return plots.curves(panels, columns=len(kinds))


def _bar(measured):
    """(what goes into the summary, Markdown) on what a small misalignment costs."""
    people, losses, rows = people_in(measured), {}, []
    for name, keys in BAR_KEYS.items():
        for kind, level in keys:
            loss = {method: psnr_of(measured, conditions.UNALTERED, method) - psnr_of(measured, (kind, level), method)
                    for method in ('gain', 'gln')}
            means = {method: float(np.mean(values)) for method, values in loss.items()}
            losses[f'{name} ({level:g})'] = {'in gain over bicubic': means['gain'], 'in PSNR': means['gln']}
            rows.append([name, f'{level:g}', *(markdown.mean_and_interval(loss[method], people, sign='+')
                                               for method in ('gain', 'gln')),
                         *('yes' if means[method] < BAR_DB else 'no' for method in ('gain', 'gln'))])
    return {'losses': losses}, markdown.table(
        ['', 'level', 'lost in gain over bicubic, dB', 'lost in PSNR against the unaltered face, dB',
         f'gain: below {BAR_DB} dB', f'PSNR: below {BAR_DB} dB'], rows)


def _occlusion_table(measured):
    told = ('PSNR over the pixels that are not covered, against the same pixels of the face without an occlusion (the '
            "row above each). An LR pixel at an occlusion's edge shows both, so that bicubic loses there too.")
    rows = [(f'{name}: {what}', (kind, name)) for name in alterations.OCCLUSIONS
            for what, kind in (('without', conditions.SEEN_PART), ('with', 'occlusion'))]
    return f'{told}\n\n{_table(measured, "occlusion", rows)}'


def _occlusion_plot(measured):
    names = list(alterations.OCCLUSIONS)
    mean = lambda kind, method: [np.mean(psnr_of(measured, (kind, name), method)) for name in names]
    return plots.bars(names, {
        f'{title}, {what}': mean(kind, method) for method, title in (('bicubic', 'bicubic'), ('gln', 'GLN'))
        for what, kind in (('without', conditions.SEEN_PART), ('with', 'occlusion'))},
        'PSNR of what is not covered, dB')


def _lr_plot(measured, names):
    keys = [conditions.UNALTERED, *(('LR image', name) for name in names)]
    return plots.bars(['as trained', *names], {split: [np.mean(psnr_of(measured, key, 'gain', split)) for key in keys]
                                               for split in (ALL, *measured.names)}, 'gain over bicubic, dB')
