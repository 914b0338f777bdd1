"""Scores a network and the interpolations that it has to beat on a set of faces, and writes the scores down.

How a face is scored: the LR image is made from the HR face by the degradation that the network was trained for, in
floats, not rounded to 8 bits. Every method gets this same LR image, in colour. The network restores the luminance;
chroma is interpolated bicubically. Outputs are clipped to [0, 1] and not rounded before they are scored; `metrics` says
what each protocol does after that. Under 'paper' the luminance is scored as the network gave it, not by way of colours.
"""

import csv
import functools
import io
import json
import sys
import time
from pathlib import Path

from etils import epath
import jax.numpy as jnp
import numpy as np

from gln_jax import errors, files, images, metrics, pictures

BATCH_SIZE = 16  # faces restored at once; a smaller batch is filled up, so that the network is compiled for one shape
PICTURED_FACES = 6
PICTURED = {'nearest': 'input', 'bicubic': 'bicubic', 'gln': 'GLN', 'truth': 'truth'}  # columns and their titles
SECONDS_BETWEEN_REPORTS = 5.0
FILES = SCORES, TABLE, PICTURE = 'scores.json', 'scores.csv', 'faces.png'


def methods(upsampler, scale):
    """{name: function} of all that is compared; another baseline is another line here.

    A function maps LR images [n, 128/scale, 128/scale, 3] to HR images [n, 128, 128, 3], both YUV as of
    `images.rgb_to_yuv`; what it returns need not be clipped.
    """
    restorers = {name: functools.partial(images.upsample, scale=scale, method=name)
                 for name in ('nearest', 'bilinear', 'bicubic')}
    restorers['gln'] = functools.partial(_with_bicubic_chroma, upsampler, scale)
    return restorers


def _with_bicubic_chroma(upsampler, scale, lr):
    return jnp.concatenate([upsampler(lr[..., :1]), images.upsample(lr[..., 1:], scale, 'bicubic')], axis=-1)


def evaluate(upsampler, config, faces, protocol='paper', output=None, data='', checkpoint='', limit=None,
             progress=True):
    """Scores all methods on all faces, prints the table, and writes scores.json, scores.csv and faces.png.

    Args:
        upsampler: function of LR luminance [n, 128/scale, 128/scale, 1] in [0, 1] to HR luminance [n, 128, 128, 1].
        config: its `scale` and `degradation` say how LR images are made.
        faces: a sequence of faces with `.image` (uint8 RGB [128, 128, 3]), `.file`, `.source` and `.identity`; an empty
            identity is that of somebody who is in no other image.
        protocol: one of `metrics.PROTOCOLS`.
        output: the folder for the three files, made if need be; None writes none. Those of an earlier evaluation are
            replaced, each whole or not at all.
        data, checkpoint: what was evaluated, in words, for the table and for scores.json.
        limit: score only so many faces, spread evenly over the sequence; None is all of them.
        progress: tell on stderr how far it is, every few seconds.

    Returns:
        What scores.json holds: {'protocol', 'scale', 'degradation', 'images', 'identities', 'data', 'checkpoint',
        'methods': {name: {'psnr', 'psnr_interval', 'ssim', 'ssim_interval'}}}. PSNR (dB) and SSIM are means over
        images, the intervals [low, high] at 95 % by `metrics.bootstrap_interval` over identities. An interval is None
        where there is only one identity; a PSNR is None where it is infinite: an image was restored without any error.

    Raises:
        errors.InputError: the protocol is unknown, there are no faces, or `output` cannot be used.
        errors.RunError: a method returned something that is not finite.
    """
    if protocol not in metrics.PROTOCOLS:
        raise errors.InputError(f'protocol {protocol!r} is not known; choose one of {", ".join(metrics.PROTOCOLS)}')
    if not len(faces):
        raise errors.InputError(f'{data or "the data"}: there are no faces to score')
    output = None if output is None else prepared_output(output)
    chosen = _spread(len(faces), limit)
    names, scores, shown = _scored(methods(upsampler, config.scale), config, faces, chosen, protocol, progress)
    summary = {'protocol': protocol, 'scale': config.scale, 'degradation': config.degradation, 'images': len(chosen),
               'identities': len(set(_people(names))), 'data': data, 'checkpoint': checkpoint,
               'methods': {method: _averaged(*values, _people(names)) for method, values in scores.items()}}
    if output is not None:  # scores.json goes first: it is what tells a later evaluation that the folder is one of ours
        files.write(output / SCORES, json.dumps(summary, indent=2, allow_nan=False) + '\n')
        files.write(output / TABLE, _as_csv(names, scores))
        files.write(output / PICTURE, pictures.png(_side_by_side(shown, names, scores, summary)))
    print(table(summary))
    return summary


def prepared_output(output):
    """The folder as a Path, made if need be. Raises InputError where our files would replace somebody else's."""
    output = epath.Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise errors.InputError(f'{output}: is, or lies below, a file; name a folder for the scores') from None
    present = [name for name in FILES if (output / name).exists()]
    if present and not _is_ours(output / SCORES):
        raise errors.InputError(f'{output / present[0]}: was not written by an evaluation and would be replaced; '
                                'name another folder for the scores')
    return output


def table(summary):
    """The lines that the terminal shows, of what `evaluate` returns."""
    lr_size = images.FACE_SIZE // summary['scale']
    lines = [f'{summary["data"] or "faces"}: {summary["images"]} images of {summary["identities"]} people; '
             f'{summary["scale"]}x, {lr_size}x{lr_size} to {images.FACE_SIZE}x{images.FACE_SIZE}, '
             f'{summary["degradation"]} degradation; protocol {summary["protocol"]}']
    if summary['checkpoint']:
        lines.append(f'gln: {summary["checkpoint"]}')
    lines.append(f'{"method":<10} {"PSNR (dB)":>9} {"95 % interval":>18} {"SSIM":>9} {"95 % interval":>18}')
    for method, score in summary['methods'].items():
        psnr = 'inf' if score['psnr'] is None else f'{score["psnr"]:.2f}'
        lines.append(f'{method:<10} {psnr:>9} {_interval_text(score["psnr_interval"], 2):>18} '
                     f'{score["ssim"]:>9.4f} {_interval_text(score["ssim_interval"], 4):>18}')
    return '\n'.join(lines)


def _scored(restorers, config, faces, chosen, protocol, progress):
    """(names, scores, shown) of the chosen faces.

    `names` has (file, source, identity) of each, `scores` {method: (psnr, ssim)} with arrays [n], and `shown` the uint8
    pictures of the few that faces.png shows, {position in names: [one for each of PICTURED]}.
    """
    names, collected, shown = [], {method: [] for method in restorers}, {}
    to_show = set(_spread(len(chosen), PICTURED_FACES))
    compared = _luminance_of_yuv if protocol == 'paper' else images.yuv_to_rgb
    report = _progress(len(chosen)) if progress else lambda done: None
    for start in range(0, len(chosen), BATCH_SIZE):
        batch = [faces[i] for i in chosen[start:start + BATCH_SIZE]]
        names += [(face.file, face.source, face.identity) for face in batch]
        filled = np.stack([face.image for face in batch] + [batch[-1].image] * (BATCH_SIZE - len(batch)))
        truth = images.rgb_to_yuv(jnp.asarray(filled, jnp.float32) / 255)
        lr = images.degrade(truth, config.scale, config.degradation)
        restored = {method: restore(lr) for method, restore in restorers.items()}
        for method, hr in restored.items():
            collected[method].append(_scores_of(method, compared(hr), compared(truth), batch, protocol))
        for position in to_show.intersection(range(start, start + len(batch))):
            row = {**restored, 'truth': truth}
            shown[position] = [pictures.to_bytes(images.yuv_to_rgb(row[name][position - start])) for name in PICTURED]
        report(len(names))
    return names, {method: tuple(map(np.concatenate, zip(*parts))) for method, parts in collected.items()}, shown


def _luminance_of_yuv(yuv):
    return yuv[..., :1]


def _scores_of(method, restored, truth, batch, protocol):
    """PSNR and SSIM of the faces of a batch, without what it was filled up with."""
    restored, truth = np.asarray(restored), np.asarray(truth)
    broken = np.flatnonzero(~np.isfinite(restored).all(axis=(1, 2, 3)))
    if len(broken):
        face = batch[min(broken[0], len(batch) - 1)]
        raise errors.RunError(f'{method} gave values that are not finite for {face.file}; '
                              'are these the weights of a training that diverged?')
    return tuple(score(restored, truth, protocol)[:len(batch)] for score in (metrics.psnr, metrics.ssim))


def _averaged(psnr, ssim, people):
    mean_psnr = float(np.mean(psnr))
    return {'psnr': mean_psnr if np.isfinite(mean_psnr) else None,
            'psnr_interval': metrics.bootstrap_interval(psnr, groups=people),
            'ssim': float(np.mean(ssim)),
            'ssim_interval': metrics.bootstrap_interval(ssim, groups=people)}


def _people(names):
    return [identity or position for position, (_, _, identity) in enumerate(names)]


def _spread(count, wanted):
    """Up to `wanted` of the numbers 0 to count - 1, evenly spread and in order."""
    wanted = count if wanted is None else min(count, wanted)
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def _progress(total):
    start = reported = time.monotonic()

    def report(done):
        nonlocal reported
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_REPORTS:
            reported = now
            print(f'{done} of {total} faces, {(now - start) * (total - done) / done:.0f} s left', file=sys.stderr)
    return report


def _interval_text(interval, digits):
    return 'none' if interval is None else f'[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]'


def _as_csv(names, scores):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(('file', 'source', 'identity', 'method', 'psnr', 'ssim'))
    for position, name in enumerate(names):
        for method, (psnr, ssim) in scores.items():
            writer.writerow((*name, method, f'{psnr[position]:.4f}', f'{ssim[position]:.6f}'))
    return file.getvalue()


def _side_by_side(shown, names, scores, summary):
    lr_size = images.FACE_SIZE // summary['scale']
    captions = [[f'{lr_size}x{lr_size} pixels',
                 *(f'{scores[method][0][i]:.2f} dB, SSIM {scores[method][1][i]:.3f}' for method in ('bicubic', 'gln')),
                 Path(names[i][0]).stem] for i in sorted(shown)]
    heading = [summary['data'], f'{summary["scale"]}x', f'{summary["degradation"]} degradation',
               f'protocol {summary["protocol"]}']
    return pictures.grid(list(PICTURED.values()), [shown[i] for i in sorted(shown)], captions,
                         ', '.join(filter(None, heading)))


def _is_ours(scores_file):
    try:
        scores = json.loads(scores_file.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(scores, dict) and {'protocol', 'methods'} <= scores.keys()
