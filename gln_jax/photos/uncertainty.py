"""Warnings on restored faces that are likely wrong: a network's own figures, against those on validation faces."""

import dataclasses
from typing import NamedTuple

import numpy as np

UNSURE = 'large pose, occlusion, harsh contrast or something seldom seen: detail here is likely invented'
"""Of the faces with most doubt, many had harsh light, hats, glasses or wide smiles; few were turned."""

TINY = ('spans {pixels:.0f} pixels only, fewer than the {lr_size} that the network takes: most of the detail here is '
        'invented')

MOST_CONSISTENCY = 100.0  # dB; rounding makes what is above it
LEAST_DISAGREEMENT = 0.01  # grey levels; the same below it


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a network's figures are on the validation faces; `tools.measure_uncertainty` makes it, and weights files carry it.

    `means` and `deviations` are those of `figures`. A face with more doubt than `most_doubt` gets a warning;
    `most_doubt_by_consistency` is for faces whose disagreement was not measured. `data` says which faces these were.
    """

    means: tuple
    deviations: tuple
    most_doubt: float
    most_doubt_by_consistency: float
    data: str

    def doubt(self, consistency, disagreement=None):
        """How much less sure the network is of a face than of the mean validation face, in standard deviations.

        `consistency` is that of the network's output before any back-projection, in dB; `disagreement` a
        `face_upsampling.Disagreement`, None counts the consistency alone.
        """
        known = figures(consistency, disagreement)
        return float(np.mean((known - self.means[:len(known)]) / self.deviations[:len(known)]))

    def is_doubtful(self, consistency, disagreement=None):
        """Whether the doubt is above its limit."""
        limit = self.most_doubt_by_consistency if disagreement is None else self.most_doubt
        return self.doubt(consistency, disagreement) > limit


def figures(consistency, disagreement=None):
    """The figures that are counted, each larger for faces that are worse: a float64 array of 1 or, with
    disagreement, 3."""
    found = [-min(consistency, MOST_CONSISTENCY)]
    if disagreement is not None:
        found += np.log(np.maximum(disagreement, LEAST_DISAGREEMENT)).tolist()
    return np.array(found)


def from_dict(values):
    """The Calibration of `dataclasses.asdict`'s dict, as JSON gives it back. Raises TypeError where it is none."""
    return Calibration(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


class Trust(NamedTuple):
    """What is known of how far a restored face can be trusted."""

    consistency: float  # dB, as returned by `consistency.consistency`
    network_consistency: float  # the same before back-projection
    disagreement: tuple | None  # a face_upsampling.Disagreement, where it was measured
    doubt: float | None  # as returned by `Calibration.doubt`, where the network has a calibration
    warnings: tuple  # sentences for a person, mostly none


def judged(upsampler, restored, source_pixels=None):
    """The Trust in each of the `face_upsampling.RestoredFaces` of a `face_upsampling.FaceUpsampler`, as a list.

    `source_pixels` is what each face spans in its photograph, None where that is not known.
    """
    return [_judged(upsampler, source_pixels, *known)
            for known in zip(restored.consistency, restored.network_consistency, restored.disagreement)]


def _judged(upsampler, source_pixels, consistency, network_consistency, disagreement):
    warnings, doubt = [], None
    if source_pixels is not None and source_pixels < upsampler.fewest_pixels:
        warnings.append(TINY.format(pixels=source_pixels, lr_size=upsampler.lr_size))
    if upsampler.calibration is not None:
        doubt = upsampler.calibration.doubt(network_consistency, disagreement)
        if upsampler.calibration.is_doubtful(network_consistency, disagreement):
            warnings.append(UNSURE)
    return Trust(consistency, network_consistency, disagreement, doubt, tuple(warnings))
