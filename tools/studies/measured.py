"""What the failures study measured, and how it is read."""

from typing import NamedTuple

import numpy as np

ALL = 'all'
"""The name of all splits together."""


class Measured(NamedTuple):
    names: dict  # {split: (file, source, identity) of each face}
    psnr: dict  # {(split, key of a condition): {method: dB [n]}}
    yaw: dict  # {file: yaw}, of the files for which it is known
    colour: dict  # {split: {method: dB [n]}}
    expression: dict  # {split: {'names', 'psnr'}} of neutral and smiling faces in turn


def keys_of(measured):
    return list(dict.fromkeys(key for _, key in measured.psnr))


def psnr_of(measured, key, method, split=ALL):
    """dB [n] of a split's faces, or of those of all splits one after the other; `method` may be 'gain'."""
    if method == 'gain':
        return psnr_of(measured, key, 'gln', split) - psnr_of(measured, key, 'bicubic', split)
    return np.concatenate([measured.psnr[one, key][method] for one in measured.names if split in (ALL, one)])


def people_in(measured, split=ALL):
    return [identity or (one, place) for one, names in measured.names.items() if split in (ALL, one)
            for place, (_, _, identity) in enumerate(names)]


def means_of(measured):
    """Rows of means: split, condition, level, PSNR of both methods."""
    return [{'split': split, 'condition': key[0], 'level': key[1], 'images': len(psnr_of(measured, key, 'gln', split)),
             **{method: float(np.mean(psnr_of(measured, key, method, split))) for method in ('bicubic', 'gln', 'gain')}}
            for split in (*measured.names, ALL) for key in keys_of(measured)]
