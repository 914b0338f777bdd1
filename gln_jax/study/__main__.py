"""The paper's questions, answered by numbers.

    python -m gln_jax.study failures --ckpt=x8-fast --data=FACES --output=DIR

FACES is a folder of aligned faces (`gln_jax.data.folder` says which). Each study writes its section (Markdown), its
numbers (JSON), a row per image (CSV) and its plots into DIR. The same command continues a study that was killed.
"""

import argparse

from gln_jax import errors

SPLITS = 'test/london,test/lfw,test/ffhq256,test/team18f'


def main(arguments=None):
    """The command; see the top of this file."""
    options = _parser().parse_args(arguments)
    with errors.reported():
        from gln_jax import compilation  # only now: --help comes at once
        compilation.keep()
        if options.study == 'failures':
            from gln_jax.study import failures
            failures.run(options)


def _parser():
    parser = argparse.ArgumentParser(prog='python -m gln_jax.study', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    studies = parser.add_subparsers(dest='study', required=True, metavar='STUDY')
    failing = studies.add_parser('failures', help='what pose, misalignment, occlusion, light and wrong LR images cost')
    failing.add_argument('--ckpt', required=True, metavar='PATH', help='the network: a workdir, a checkpoint, a weights '
                         'file or a released name')
    for study in (failing,):
        study.add_argument('--data', required=True, metavar='DIR', help='folder of aligned faces')
        study.add_argument('--directory', default='', metavar='DIR',
                           help="where prepared data sets are kept (default: TFDS's)")
        study.add_argument('--output', required=True, metavar='DIR', help='folder for all that the study writes')
        study.add_argument('--split', type=_words, default=SPLITS, metavar='SPLIT[,SPLIT...]',
                           help=f'what is scored (default: {SPLITS})')
        study.add_argument('--images', type=_count, metavar='N', help='score N faces of each split, evenly spread '
                           '(default: all)')
    return parser


def _words(text):
    words = [word.strip() for word in text.split(',') if word.strip()]
    if not words:
        raise argparse.ArgumentTypeError('is empty')
    return list(dict.fromkeys(words))


def _count(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0')
    return int(text)


if __name__ == '__main__':
    main()
