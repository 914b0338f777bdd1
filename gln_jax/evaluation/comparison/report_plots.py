"""The plots of a report, as the bytes of PNG files: the same bytes for the same report, by the same matplotlib."""

import io

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gln_jax.evaluation.comparison.methods import GLN

PANEL = 3.2  # inches across
DOTS_PER_INCH = 120
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#a65628', '#4b0092', '#66a61e')
MARKERS = 'osD^vP<>Xp'
DEFAULT_STYLE = style.context('default')  # whatever style the user's matplotlibrc asks for


@DEFAULT_STYLE
def differences(summary):
    """Each method's mean PSNR minus GLN's, with its interval, in a panel per split; of `report.summary`."""
    others = [method for method in summary['methods'] if method != GLN]
    figure, panels = _panels(summary, height=1.3 + 0.28 * len(others), shared=True)
    for panel, result in zip(panels, summary['results'].values()):
        for place, method in enumerate(others):
            difference = result['minus_gln'][method]
            if difference['psnr'] is None:
                continue
            low, high = difference['psnr_interval'] or (difference['psnr'], difference['psnr'])
            panel.plot([low, high], [place, place], color='black', linewidth=1.4)
            panel.plot(difference['psnr'], place, marker='o', markersize=5, color=COLOURS[0])
        panel.axvline(0, color='grey', linewidth=1)
        panel.set_yticks(range(len(others)), others)
        panel.set_ylim(len(others) - 0.5, -0.5)
        panel.grid(axis='x', alpha=0.3)
        panel.set_xlabel('PSNR minus gln, dB')
    return _png(figure)


@DEFAULT_STYLE
def sharpness(summary):
    """Mean sharpness against mean PSNR, in a panel per split; of `report.summary`."""
    return _scatter(summary, 'sharpness', "gradient energy, share of the truth's")


@DEFAULT_STYLE
def seconds(summary):
    """Seconds a face against mean PSNR, in a panel per split; of `report.summary`."""
    return _scatter(summary, 'seconds_per_face', 'seconds a face', logarithmic=True)


PLOTS = {'psnr_difference.png': differences, 'sharpness.png': sharpness, 'seconds.png': seconds}


def _scatter(summary, measure, title, logarithmic=False):
    figure, panels = _panels(summary, height=3.3)
    for panel, result in zip(panels, summary['results'].values()):
        for place, (method, score) in enumerate(result['methods'].items()):
            if score[measure] is None or score['psnr'] is None:
                continue
            marker, size, colour = ('*', 12, 'black') if method == GLN else (
                MARKERS[(place + place // 10) % 10], 7, COLOURS[place % 10])  # of more than ten, all differ
            panel.plot(score[measure], score['psnr'], linestyle='', marker=marker, markersize=size, color=colour,
                       label=method)
        if logarithmic:
            panel.set_xscale('log')
        panel.margins(0.1)
        panel.grid(alpha=0.3)
        panel.set_xlabel(title)
    panels[0].set_ylabel('PSNR, dB')
    known = {label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels())}
    figure.legend(known.values(), known.keys(), loc='outside right center', frameon=False)
    return _png(figure)


def _panels(summary, height, shared=False):
    """A figure with a panel per split, side by side, each under the split's name; `shared` axes are the same in all."""
    splits = list(summary['results'])
    figure = Figure(figsize=(1.4 + PANEL * len(splits), height), dpi=DOTS_PER_INCH, layout='constrained')
    panels = figure.subplots(1, len(splits), squeeze=False, sharex=shared, sharey=shared)[0]
    for panel, split in zip(panels, splits):
        panel.set_title(split, fontsize=11)
        panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    return figure, panels


def _png(figure):
    """The bytes of the figure; without the name of the program that made it, which would change with its version."""
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={'Software': None})
    return file.getvalue()
