"""A study in words: its Markdown, tables, numbers with their intervals, the credit of the faces."""

from pathlib import Path

import numpy as np

from gln_jax import images, metrics
from gln_jax.runtime import provenance
from gln_jax.runtime import origin

CREDITS = {'london': 'Face Research Lab London Set, DeBruine and Jones 2017, '
                     'doi 10.6084/m9.figshare.5047666.v5, CC BY 4.0',
           'team18f': 'staff portraits of 18F, CC0'}
"""Of the sources of faces whose pictures may be shown."""


def text(title, asked, facts, parts):
    """The Markdown of a study: heading, what was asked, {fact: value} as a list, and the parts, a paragraph each."""
    listed = '\n'.join(f'- {name}: {value}' for name, value in facts.items() if value)
    return '\n\n'.join([f'## {title}', asked, listed, *filter(None, parts)]) + '\n'


def facts(config, data, protocol, commits):
    """What every study says of itself, {fact: value}: command, commits of its scores, data, protocol, machine."""
    size = images.FACE_SIZE // config.scale
    versions = ', '.join(f'{name} {version}' for name, version in provenance.versions().items())
    return {'command': f'`{provenance.command()}`', 'commit': ', '.join(f'`{commit}`' for commit in commits if commit),
            'data': data,
            'protocol': f'{protocol}; {config.scale}x, {size}x{size} to {images.FACE_SIZE}x{images.FACE_SIZE}, '
                        f'{config.degradation} degradation',
            'machine': f'{origin.processor()}, {provenance.devices()}, {versions}',
            'brackets': f'95 % bootstrap intervals of the mean, over people, from {metrics.FEWEST_PEOPLE} of them on'}


def described(names, data):
    """The words for {split: a name for each face} of the folder `data`."""
    return f'{Path(data).resolve().name}: ' + ', '.join(f'{split} ({len(each)})' for split, each in names.items())


def table(titles, rows):
    """A Markdown table of strings."""
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in [titles, ['---'] * len(titles), *rows])


def mean(values, digits=2, sign=''):
    """'24.31', or '+1.20' with the sign '+'."""
    return f'{round(np.mean(values), digits) + 0.0:{sign}.{digits}f}'  # of what rounds to zero, without its minus


def mean_and_interval(values, people, digits=2, sign=''):
    """'+1.20 [+1.05, +1.36]' of a value per image [n], with who is in each; no brackets where there is no interval."""
    interval = metrics.bootstrap_interval(values, groups=people)
    if interval is None:
        return mean(values, digits, sign)
    low, high = (mean(edge, digits, sign) for edge in interval)
    return f'{mean(values, digits, sign)} [{low}, {high}]'


def credit(sources):
    """The line that has to stand by pictures of faces of these sources."""
    shown = [f'{source}: {CREDITS[source]}' for source in sources if source in CREDITS]
    kept = [source for source in sources if source not in CREDITS]
    if kept:
        shown.append(f'{", ".join(kept)}: under terms of their own, mind them before a picture is passed on')
    return f'(Faces: {"; ".join(shown)}.)'
