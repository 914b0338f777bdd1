"""Scores methods on faces: all restore the same LR images, and each result is compared with the truth.

How a face is scored: the LR image is made from the HR face by a degradation, in floats, not rounded to 8 bits. Every
method gets this same LR image, in colour. Outputs are clipped to [0, 1] and not rounded before they are scored;
`metrics` says what each protocol does after that. Under 'paper' the luminance is scored as the method gave it, not by
way of colours.
"""

import collections
import functools
import sys
import time
from typing import Any, Callable, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images, metrics
from gln_jax.evaluation import identity, perceptual
from gln_jax.runtime import errors

BATCH_SIZE = 16  # faces restored at once; a smaller batch is filled up, so that a method is compiled for one shape
SECONDS_BETWEEN_REPORTS = 5.0
SECONDS_EACH = 3.0  # of repetitions of what is timed, and at least two of them
INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic')
MEASURES = ('psnr', 'ssim', 'consistency', 'sharpness')
"""dB; SSIM; dB between the degraded result and the LR image; gradient energy as a share of the truth's (`metrics`)."""

FURTHER = {'lpips': ('lpips',), 'identity': ('identity_distance', 'rank1')}
"""Measures that take the packages of gln_jax[perceptual], by the names that ask for them: `perceptual`, `identity`. Both judge RGB."""

BESIDE = ('lr', 'truth')
"""What is pictured beside the methods, none of which can have such a name."""


class Task(NamedTuple):
    """What methods are asked to restore, and how that is measured."""

    config: Any  # its `face_size` is that of HR images; `scale` and `degradation` make LR images, and measure consistency
    protocol: str = 'paper'  # one of `metrics.PROTOCOLS`
    lr_of: Callable | None = None  # of HR faces [n, 128, 128, 3], YUV, that makes other LR images than the config's
    counted: np.ndarray | None = None  # bool [128, 128]; PSNR is then measured over these pixels alone
    further: tuple = ()  # of FURTHER, what is measured beside MEASURES


class Scores(NamedTuple):
    names: list  # (file, source, identity) of each face
    values: dict  # {method: {measure: float64 [n]}}
    shown: dict  # {place in names: {method, 'lr' or 'truth': uint8 RGB}} of the faces that were asked for

    @property
    def people(self):
        """Who is in each face, [n]; an empty identity is that of somebody who is in no other image."""
        return [identity or place for place, (_, _, identity) in enumerate(self.names)]


def check_there(further):
    """Raises InputError where a package that measures of FURTHER take is missing."""
    for measure in further:
        {'lpips': perceptual.file, 'identity': identity.file}[measure]()


def interpolations(scale):
    """{name: restorer} of nearest, bilinear and bicubic interpolation.

    A restorer maps LR images [n, 128/scale, 128/scale, 3] to HR images [n, 128, 128, 3], both YUV as returned by
    `images.rgb_to_yuv`; what it returns need not be clipped.
    """
    return {name: functools.partial(images.upsample, scale=scale, method=name) for name in INTERPOLATIONS}


def of_luminance(upsampler, scale):
    """The restorer that restores luminance by `upsampler`, LR [n, h, w, 1] to HR, and chroma by bicubic interpolation."""
    def restore(lr):
        return jnp.concatenate([upsampler(lr[..., :1]), images.upsample(lr[..., 1:], scale, 'bicubic')], axis=-1)
    return restore


def score(restorers, faces, task, chosen=None, shown=(), progress=True):
    """`Scores` of all methods on faces.

    Args:
        restorers: {method: restorer}, see `interpolations`.
        faces: a sequence of faces with `.image` (uint8 RGB [128, 128, 3]), `.file`, `.source` and `.identity`.
        task: a `Task`.
        chosen: numbers of the faces that are scored; None is all.
        shown: which of those chosen, from 0, are wanted as pictures.
        progress: print to stderr how far it is, every few seconds.
    Raises:
        errors.InputError: a package that `task.further` takes is missing.
        errors.RunError: a method returned something that is not finite.
    """
    config = task.config
    lr_of = task.lr_of or functools.partial(images.degrade, scale=config.scale, degradation=config.degradation)
    names, collected, pictured = [], {method: collections.defaultdict(list) for method in restorers}, {}
    described = collections.defaultdict(list)  # {method or 'truth': descriptors}
    chosen = range(len(faces)) if chosen is None else chosen
    report = _progress(len(chosen)) if progress else lambda done: None
    for start in range(0, len(chosen), BATCH_SIZE):
        batch = [faces[number] for number in chosen[start:start + BATCH_SIZE]]
        names += [(face.file, face.source, face.identity) for face in batch]
        filled = np.stack([face.image for face in batch] + [batch[-1].image] * (BATCH_SIZE - len(batch)))
        truth = images.rgb_to_yuv(images.of_size(jnp.asarray(filled, jnp.float32) / 255, config.face_size))
        lr = lr_of(truth)
        restored = {method: restore(lr) for method, restore in restorers.items()}
        for method, hr in restored.items():
            for measure, values in _measured(method, hr, truth, lr, batch, task).items():
                collected[method][measure].append(values[:len(batch)])
            if 'lpips' in task.further:
                collected[method]['lpips'].append(perceptual.distance(*map(images.yuv_to_rgb, (hr, truth)))[:len(batch)])
        for method, yuv in [*restored.items(), ('truth', truth)] if 'identity' in task.further else ():
            described[method].append(identity.descriptors(images.to_bytes(images.yuv_to_rgb(yuv[:len(batch)]))))
        for place in set(shown).intersection(range(start, start + len(batch))):
            row = {**restored, 'lr': images.upsample(lr, config.scale, 'nearest'), 'truth': truth}
            pictured[place] = {name: images.to_bytes(images.yuv_to_rgb(row[name][place - start])) for name in row}
        report(len(names))
    scores = Scores(names, {method: {measure: np.concatenate(parts) for measure, parts in measures.items()}
                            for method, measures in collected.items()}, pictured)
    truth = described.pop('truth', None)
    for method, parts in described.items():
        scores.values[method].update(identity.compared(np.concatenate(parts), np.concatenate(truth), scores.people))
    return scores


def spread(count, wanted):
    """Up to `wanted` of the numbers 0 to count - 1, evenly spread and in order; None is all."""
    wanted = count if wanted is None else min(count, wanted)
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def _measured(method, restored, truth, lr, batch, task):
    """{measure: [BATCH_SIZE]} of a batch, with what it was filled up with."""
    broken = np.flatnonzero(~np.isfinite(np.asarray(restored)).all(axis=(1, 2, 3)))
    if len(broken):
        face = batch[min(broken[0], len(batch) - 1)]
        raise errors.RunError(f'{method} gave values that are not finite for {face.file}; '
                              'are these the weights of a training that diverged?')
    compared = (lambda yuv: yuv[..., :1]) if task.protocol == 'paper' else images.yuv_to_rgb
    ours, theirs = (np.asarray(compared(each)) for each in (restored, truth))
    luminance = jnp.clip(restored[..., :1], 0, 1)
    with np.errstate(divide='ignore', invalid='ignore'):  # of a face that is flat
        sharpness = metrics.gradient_energy(luminance) / metrics.gradient_energy(truth[..., :1])
    return {
        'psnr': _psnr(ours, theirs, task),
        'ssim': metrics.ssim(ours, theirs, task.protocol),
        'consistency': metrics.psnr(images.degrade(luminance, task.config.scale, task.config.degradation), lr[..., :1]),
        'sharpness': sharpness,
    }


def _psnr(restored, truth, task):
    """`metrics.psnr`, over the pixels `counted` alone where these are given; the protocol's border is none then."""
    if task.counted is None:
        return metrics.psnr(restored, truth, task.protocol)
    share = np.mean(task.counted)  # the others are made equal to the truth, and taken out of the mean again
    return metrics.psnr(np.where(task.counted[..., None], restored, truth), truth, task.protocol) + 10 * np.log10(share)


def _progress(total):
    start = reported = time.monotonic()

    def report(done):
        nonlocal reported
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_REPORTS:
            reported = now
            print(f'{done} of {total} faces, {(now - start) * (total - done) / done:.0f} s left', file=sys.stderr)
    return report


def seconds(function):
    """Seconds that `function` takes at best, after a first call, which compiles."""
    jax.block_until_ready(function())
    best, began, repetitions = np.inf, time.perf_counter(), 0
    while repetitions < 2 or time.perf_counter() - began < SECONDS_EACH:
        start = time.perf_counter()
        jax.block_until_ready(function())
        best, repetitions = min(best, time.perf_counter() - start), repetitions + 1
    return best
