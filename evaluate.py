"""Scores a trained network on a set of faces, or compares it with other methods: `python evaluate.py --help`."""

import argparse
import sys
from pathlib import Path

from gln_jax.runtime import command_line, errors

DATA = ('drawn', 'lfw', 'celeb_a')
METHODS = ('nearest', 'bilinear', 'bicubic', 'pca', 'mzq', 'lsf', 'gln')
PROTOCOLS = ('paper', 'rgb', 'y', 'y-crop8')
MEASURES = ('psnr', 'ssim', 'lpips', 'identity')

EXAMPLE = """\
examples:
  python evaluate.py --ckpt=runs/x8
  python evaluate.py --ckpt=runs/x8 --data=my_faces --split=test --output=my_scores
  python evaluate.py --ckpt=runs/x8 --split=test/lfw,test/london --protocol=y
  python evaluate.py --ckpt=x8-fast --data=my_faces --measures=psnr,lpips,identity --by=age,gender
  python evaluate.py --ckpt=x8-fast --data=my_faces --methods=all,srcnn=runs/srcnn --output=report

Prints PSNR and SSIM of the network and of nearest, bilinear and bicubic interpolation, each with its 95 % interval,
and writes scores.json (means), scores.csv (a row per image and method) and faces.png (some faces side by side).
With --methods it compares methods instead, and writes a report: report.md, report.json, plots, and for each split
SPLIT.csv and faces-SPLIT.png. The same command continues one that was stopped.
"""


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        from gln_jax import weights
        from gln_jax.evaluation import one_network, scoring
        from gln_jax.models import factory
        from gln_jax.runtime import devices
        from gln_jax.data import faces as face_data
        devices.a_device_per_core(scoring.BATCH_SIZE)
        options.ckpt = options.ckpt or weights.best(scale=8)
        loaded = weights.load_generator(options.ckpt)
        if options.sharpness is not None:
            loaded = weights.sharpened(loaded, options.sharpness)
        config = _with_data(loaded.config, options)
        measures = [measure.strip() for measure in options.measures.split(',')]
        if unknown := set(measures) - set(MEASURES):
            raise errors.InputError(f'--measures: {", ".join(sorted(unknown))}: not known; there are {", ".join(MEASURES)}')
        further = [measure for measure in measures if measure in scoring.FURTHER]
        scoring.check_there(further)
        if options.by and options.methods is not None:
            raise errors.InputError('--by: is for the network alone; leave out --methods')
        groups = _groups(config, options.by)
        if options.methods is not None:
            from gln_jax.evaluation.comparison import compare, methods
        chosen = methods.named(options.methods, loaded) if options.methods is not None else None
        if chosen and options.mirrored:
            raise errors.InputError('--self-ensemble: is for the network alone; leave out --methods')
        splits = [split.strip() for split in options.split.split(',') if split.strip()]
        if not splits:
            raise errors.InputError("--split: name a split, 'test' say")
        label = Path(config.data.path).resolve().name if config.data.name == 'folder' else config.data.name
        face_data.check(config, *splits)
        sets = [(split, face_data.load(config, split)) for split in splits]  # all, before the first takes its minutes
        if chosen:
            output = _output(options, label, 'methods', alone=True)
            compare.compare(chosen, scoring.Task(config, options.protocol, further=further), sets, output, label, options.images)
            return
        upsampler = factory.upsampler(config, loaded.parameters)
        described, parameters = loaded.description, loaded.digest
        if options.mirrored:
            upsampler = factory.with_self_ensemble(upsampler)
            described, parameters = f'{described}, mirrored', f'{parameters}, mirrored'
        for split, faces in sets:
            output = _output(options, label, split, alone=len(splits) == 1)
            one_network.evaluate(one_network.Network(upsampler, config, described, parameters), faces,
                                 one_network.How(options.protocol, further, groups), output, f'{label} {split}', options.images)
            print(f'written: {", ".join(str(output / name) for name in one_network.FILES)}\n')


def _parser():
    parser = argparse.ArgumentParser(description='Score a trained network on a set of faces.', epilog=EXAMPLE,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ckpt', type=command_line.path, metavar='PATH',
                        help='a workdir of train.py (its newest checkpoint), one checkpoint, a weights file, or one of '
                             f'those that come with the project: {", ".join(_released())} (default: the best of '
                             'these at 8x, by PSNR on validation faces)')
    parser.add_argument('--data', type=command_line.path, metavar='NAME|DIR',
                        help=f'a folder of aligned 128x128 faces, or one of {", ".join(DATA)}; '
                             'default: what the checkpoint was trained on, which for the weights that come with the '
                             'project must be given')
    parser.add_argument('--directory', type=command_line.path, default='', metavar='DIR',
                        help="where prepared data sets are kept (default: TFDS's; without --data, that of the training)")
    parser.add_argument('--split', default='test', metavar='SPLIT[,SPLIT...]',
                        help='the part of the data to score; several are scored one by one (default: test)')
    parser.add_argument('--methods', metavar='NAME[,NAME...]',
                        help=f'compare the network of --ckpt (gln) with these: {", ".join(METHODS)}; '
                             'all for all of them; NAME=CKPT for another trained network. What learns is fitted on the '
                             'split train')
    parser.add_argument('--protocol', default='paper', choices=PROTOCOLS,
                        help='which pixels and channel are compared, see gln_jax/metrics.py (default: paper)')
    parser.add_argument('--measures', default='psnr,ssim', metavar='NAME[,NAME...]',
                        help=f'of {", ".join(MEASURES)} (default: psnr,ssim, which are always measured). lpips and identity '
                             'need gln_jax[perceptual]')
    parser.add_argument('--by', metavar='COLUMN[,COLUMN...]',
                        help="score by group as well: columns of the folder's index.csv, age,gender say")
    parser.add_argument('--self-ensemble', '--mirrored', dest='mirrored', action='store_true',
                        help='restore each face and its mirror image, and score the mean of both: a little better, for '
                             'twice the work')
    parser.add_argument('--sharpness', type=float, metavar='0..1',
                        help='weights between a reconstruction network (0) and the adversarial one that was trained on from it '
                             '(1), of which --ckpt is one (default: --ckpt as it is)')
    parser.add_argument('--output', type=command_line.path, metavar='DIR',
                        help='folder for the files; of several splits, and without --methods, with a folder for each '
                             'inside (default: scores/DATA-SPLIT-PROTOCOL in the workdir, beside the weights file, or of a name '
                             'here; '
                             "with --methods, 'methods' stands for SPLIT)")
    parser.add_argument('--images', type=command_line.count, metavar='N',
                        help='score N faces, evenly spread (default: all)')
    return parser


def _released():
    """The names of the weights that come with the project."""
    return sorted(file.stem for file in Path(__file__).parent.glob('gln_jax/released/*.safetensors'))


def _with_data(config, options):
    """A copy of a checkpoint's config that reads the data that `--data` names; None leaves it as it is."""
    config, data = config.copy_and_resolve_references(), options.data
    if data in DATA:
        config.data.name = data
    elif data is not None:
        if not Path(data).is_dir():
            raise errors.InputError(f'--data: {data!r} is no folder; name one, or one of {", ".join(DATA)}')
        config.data.name, config.data.path = 'folder', data
    elif config.data.name == 'folder' and not Path(config.data.path).expanduser().is_dir():
        raise errors.InputError(f'{options.ckpt}: was trained on {config.data.path}, which is not here; name the faces to '
                                'score, --data=DIR')
    if data is not None or options.directory:  # and not where the machine of the training kept them
        config.data.directory = options.directory
    return config


def _groups(config, columns):
    if columns is None:
        return None
    if config.data.name != 'folder':
        raise errors.InputError(f'--by: needs a folder of faces with an index.csv, --data=DIR, and this is {config.data.name}')
    from gln_jax.data import folder_contents
    return folder_contents.groups(config.data.path, [column.strip().lower() for column in columns.split(',')])


def _output(options, label, split, alone):
    from etils import epath

    from gln_jax.runtime import files
    from gln_jax.training import checkpoints
    split = split.replace('/', '-')
    if options.output:
        return epath.Path(options.output) if alone else epath.Path(options.output, split)
    words = [label, split, options.protocol] + (['mirrored'] if options.mirrored else []) + (
        [f'sharpness-{options.sharpness:g}'] if options.sharpness is not None else []) + (
        [f'{options.images}-images'] if options.images else [])
    ckpt = files.path(options.ckpt)
    for workdir in (ckpt, *ckpt.parents[:2]):
        if any((workdir / folder).is_dir() for folder in (checkpoints.LATEST, checkpoints.RECONSTRUCTION)):
            inside = ckpt.relative_to(workdir).parts
            return workdir / 'scores' / '-'.join([*inside, *words])
    return ckpt.parent / 'scores' / '-'.join([ckpt.stem, *words])


if __name__ == '__main__':
    sys.exit(main())
