"""Measures what sharpness costs: PSNR, LPIPS and likeness along `--sharpness`, or of each checkpoint of a run.

    python -m tools.measure_sharpness --ckpt=x8-fast --unsharp=1,2,4 --data=FACES --split=test/london [--figure=docs/sharpness.jpg]
    python -m tools.measure_sharpness --ckpt=x8-fast,runs/x8_fast_gan --checkpoints --data=FACES --split=val

Prints a Markdown table of means with their 95 % intervals, and for each network the difference of PSNR and the ratio of LPIPS to
the first one. Unsharp masking of the first, by so many times its own detail, is there for comparison. With --checkpoints, every
checkpoint that a run has kept is measured: of those with the PSNR that one is ready to lose, the least LPIPS on val is the one to
keep. The figure shows some of the faces along it; only test/london and test/team18f may be shown.
"""

import functools

import numpy as np

from gln_jax import weights
from gln_jax.data import faces as face_data
from gln_jax.data.image_files import writing
from gln_jax.evaluation import one_network, scoring
from gln_jax.models import factory
from gln_jax.runtime import command_line, devices, errors, files, picture_grid
from tools.studies import fine_tuning, markdown


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.measure_sharpness', __doc__)
    parser.add_argument('--ckpt', required=True, help='networks, comma-separated: workdirs, checkpoints, weights files or names')
    parser.add_argument('--checkpoints', action='store_true', help='each checkpoint that is kept, in place of sharpness')
    parser.add_argument('--sharpness', default='0,0.25,0.5,0.75,1', help='default: %(default)s')
    parser.add_argument('--unsharp', default='', help='amounts of unsharp masking, comma-separated')
    command_line.add_faces(parser)
    parser.add_argument('--split', default='val', help='default: %(default)s')
    parser.add_argument('--measures', default='lpips,identity', help='beside PSNR (default: %(default)s)')
    parser.add_argument('--images', type=command_line.count, metavar='N', help='so many faces, evenly spread (default: all)')
    parser.add_argument('--figure', type=command_line.path, metavar='FILE', help='a JPEG file')
    parser.add_argument('--rows', type=command_line.count, default=3, help='faces in the figure (default: %(default)s)')
    options = parser.parse_args(arguments)
    with errors.reported():
        devices.a_device_per_core(scoring.BATCH_SIZE)
        measure(options)


def measure(options):
    """Prints the table and writes the figure."""
    further = tuple(filter(None, options.measures.split(',')))
    scoring.check_there(further)
    networks = along(options)
    config = next(iter(networks.values())).config.copy_and_resolve_references()
    for name, loaded in networks.items():
        weights.check_restores_alike(loaded, config, f'--ckpt: {name}')
    config.data.update(name='folder', path=options.data, directory=options.directory)
    faces = face_data.load(config, options.split)
    chosen = scoring.spread(len(faces), options.images)
    scores = scoring.score(restorers(networks, filter(None, options.unsharp.split(','))), faces,
                           scoring.Task(config, further=further), chosen,
                           scoring.spread(len(chosen), options.rows) if options.figure else ())
    means = {name: one_network.averaged(values, scores.people) for name, values in scores.values.items()}
    print(f'{options.split}, {len(chosen)} faces\n\n{table(means)}')
    if options.figure:
        files.write(options.figure, figure(scores, means, list(networks)))


def along(options):
    """{name: `weights.Loaded`} of the networks that are measured."""
    found = {}
    for ckpt in map(command_line.path, options.ckpt.split(',')):
        if options.checkpoints:
            each = fine_tuning.along(ckpt)
            found |= {f'{ckpt}, step {step:,}' if len(each) > 1 else ckpt: loaded for step, loaded in each.items()}
        else:
            loaded = weights.load_generator(ckpt)
            found |= {f'{ckpt}, {sharpness:g}': weights.sharpened(loaded, sharpness)
                      for sharpness in map(float, options.sharpness.split(','))}
    return found


def restorers(networks, amounts=()):
    """{name: restorer} of bicubic interpolation, the networks, and the first one's results by unsharp masking."""
    upsamplers = {}
    for name, loaded in networks.items():
        alike = next((upsamplers[other] for other in upsamplers if networks[other].config == loaded.config), None)
        upsamplers[name] = (functools.partial(alike.func, loaded.parameters) if alike else  # which is compiled already
                            factory.upsampler(loaded.config, loaded.parameters))
    first = next(iter(networks.values()))
    for amount in amounts:
        upsamplers[f'unsharp masking, {amount}'] = functools.partial(_unsharp, next(iter(upsamplers.values())), float(amount))
    return {'bicubic': scoring.interpolations(first.config.scale)['bicubic']} | {
        name: scoring.of_luminance(upsampler, first.config.scale) for name, upsampler in upsamplers.items()}


def _unsharp(upsampler, amount, lr):
    hr = np.asarray(upsampler(lr))
    return hr + np.float32(amount) * fine_tuning.detail(hr).astype(np.float32)


def table(means):
    """Markdown of {network: what `one_network.averaged` gives}; the second is what the others are compared with."""
    first = means[list(means)[1]]
    titles = {'psnr': 'PSNR, dB', 'lpips': 'LPIPS', 'identity_distance': 'distance to the truth', 'rank1': 'rank-1'}
    shown = [measure for measure in titles if first.get(measure) is not None]
    rows = []
    for name, mean in means.items():
        cells = [_with_interval(mean, measure) for measure in shown]
        change = [f'{mean["psnr"] - first["psnr"]:+.2f}', *([f'{mean["lpips"] / first["lpips"] - 1:+.0%}'] if 'lpips' in shown else [])]
        rows.append([name, *cells, *change])
    return markdown.table(['', *(titles[measure] for measure in shown), 'PSNR, change', *(['LPIPS, change'] if 'lpips' in shown else [])], rows)


def _with_interval(mean, measure):
    digits = 2 if measure in ('psnr', 'rank1') else 3
    interval = mean[f'{measure}_interval']
    return f'{mean[measure]:.{digits}f}' + (f' [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]' if interval else '')


def figure(scores, means, names):
    """The JPEG file of some faces: what was given, each network with its means below, the truth."""
    columns = ['lr', *names, 'truth']
    below = [', '.join(filter(None, [f'{means[name]["psnr"]:.2f} dB', f'LPIPS {means[name]["lpips"]:.3f}' if 'lpips' in means[name] else '',
                                      f'rank-1 {means[name]["rank1"]:.0%}' if means[name].get('rank1') is not None else '']))
             if name in means else '' for name in columns]
    places = sorted(scores.shown)
    rows = [[scores.shown[place][name] for name in columns] for place in places]
    captions = [below if place == places[-1] else [''] * len(columns) for place in places]
    return writing.encode(picture_grid.grid(['input', *names, 'truth'], rows, captions), 'jpg')


if __name__ == '__main__':
    main()
