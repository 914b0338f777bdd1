"""Plots as bytes of PNG files: curves in panels, and groups of bars."""

import io
import itertools
import textwrap

import matplotlib
import numpy as np

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402, after the choice of what draws

COLOURS = ('#000000', '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9')
"""Okabe and Ito's, which the colour-blind can tell apart."""

STYLE = {'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False, 'axes.grid': True, 'grid.alpha': 0.3,
         'axes.axisbelow': True, 'legend.frameon': False, 'figure.dpi': 130}

HEIGHT = 3.0  # of a panel, in inches


def curves(panels, columns=None):
    """Panels side by side, with one legend for each row, at its right.

    Args:
        panels: dicts with 'x' and 'y' (the axes' titles), 'lines': {name: (xs, ys)}, of the same names in a row, and
            where wanted 'log' (the x axis is logarithmic), 'level': (name, y) of a dashed line across, and 'points':
            {text: (x, y)} to name points.
        columns: so many panels side by side; None is all.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(rows, columns, figsize=(max(5.0, 3.6 * columns), HEIGHT * rows), squeeze=False)
        for place, (panel, axis) in enumerate(zip(panels, axes.flat)):
            styles = itertools.product(('o-', 's--', '^:'), COLOURS)
            for (style, colour), (name, (xs, ys)) in zip(styles, panel['lines'].items()):
                axis.plot(xs, ys, style, color=colour, label=name, markersize=3, linewidth=1.4)
            axis.ticklabel_format(useOffset=False)
            if 'points' in panel:
                axis.margins(x=0.3, y=0.1)  # room for their names
            for name, (x, y) in panel.get('points', {}).items():
                axis.annotate(name, (x, y), xytext=(0, 5), textcoords='offset points', ha='center', fontsize=8)
            if 'level' in panel:
                name, level = panel['level']
                axis.axhline(level, color='#777777', linestyle='--', linewidth=1, label=name)
            if panel.get('log'):
                axis.set_xscale('log')
            axis.set_xlabel(panel['x'])
            axis.set_ylabel(panel['y'])
            if place % columns == columns - 1:
                axis.legend(fontsize=8, loc='center left', bbox_to_anchor=(1.01, 0.5))
        for axis in axes.flat[len(panels):]:
            axis.remove()
        return _png(figure)


def bars(groups, series, title):
    """Bars in groups, a name in `groups` each; `series`: {name: a value a group}; `title`: the vertical axis's."""
    with pyplot.rc_context(STYLE):
        figure, axis = pyplot.subplots(figsize=(np.clip(0.28 * len(groups) * (len(series) + 1.5), 5, 10), HEIGHT))
        width = 0.8 / len(series)
        for number, (colour, (name, values)) in enumerate(zip(itertools.cycle(COLOURS), series.items())):
            places = np.arange(len(groups)) + (number + 0.5) * width - 0.4
            axis.bar(places, values, 0.9 * width, color=colour, label=name)
        low, high = min(map(min, series.values())), max(map(max, series.values()))
        if low > 0.5 * high:  # bars that are all tall are distinguished by their tops
            axis.set_ylim(bottom=np.floor(low - 1))
        axis.set_xticks(range(len(groups)), [textwrap.fill(group, 10, break_long_words=False) for group in groups])
        axis.grid(False, axis='x')
        axis.set_ylabel(title)
        axis.legend(fontsize=8, loc='upper center', bbox_to_anchor=(0.5, 1.18), ncols=len(series))
        return _png(figure)


def _png(figure):
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format='png')
    pyplot.close(figure)
    return file.getvalue()
