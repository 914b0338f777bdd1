"""Which faces are held out of training where the data set itself does not say."""

import hashlib

HELD_OUT = 1 / 20  # share of the names for 'val', and the same for 'test'


def splits(names):
    """{name: 'train', 'val' or 'test'}, by a hash of the name alone: a name keeps its split when others come or go.

    Only where a split would be empty it does not: from 3 names on, each has at least one.
    """
    places = {name: _place(name) for name in names}
    split_of = {name: 'val' if place < HELD_OUT else 'test' if place >= 1 - HELD_OUT else 'train'
                for name, place in places.items()}
    if len(places) >= 3:
        first, second, *_, last = sorted(places, key=places.get)
        split_of[first], split_of[last] = 'val', 'test'
        if 'train' not in split_of.values():
            split_of[second] = 'train'
    return split_of


def _place(name):
    """A number in [0, 1) that looks random and depends on the name only."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48
