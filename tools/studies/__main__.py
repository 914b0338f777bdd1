"""The paper's questions, answered by numbers.

    python -m tools.studies failures --ckpt=x8-fast --data=FACES --output=DIR
    python -m tools.studies ablation --workdir=runs/ablation --faces-seen=1600 --data=FACES --output=DIR
    python -m tools.studies lambda --init=x8-fast --workdir=runs/lambda --turns=40 --data=FACES --output=DIR
    python -m tools.studies fine-tuning --init=x8-fast --runs=paper=runs/a,patch=runs/b --data=FACES --output=DIR

FACES is a folder of aligned faces (`gln_jax.data.folder_contents` says which). Each study writes its section (Markdown), its
numbers (JSON), a row per image (CSV) and its plots into DIR. The same command continues a study that was killed, its
trainings included; these lie in a folder each in --workdir.
"""

import argparse
import re

from gln_jax.runtime import command_line, errors

NETWORKS = 'gn_only', 'ln_only', 'gln4', 'gln6', 'gln8'
"""In the paper's order of PSNR, from the lowest to the highest."""

OTHER_NETWORKS = 'gln3', 'fast_small', 'fast', 'fast_large'

SPLITS = 'test/london,test/lfw,test/ffhq256,test/team18f'


def main(arguments=None):
    """The command; see the top of this file."""
    options = _parser().parse_args(arguments)
    with errors.reported():
        from gln_jax.runtime import compilation  # only now: --help comes at once
        compilation.keep()
        if options.study == 'failures':
            from tools.studies import failures as study
        elif options.study == 'ablation':
            from tools.studies import ablation as study
        elif options.study == 'lambda':
            from tools.studies import adversarial_weight as study
        else:
            from tools.studies import fine_tuning as study
        study.run(options)


def _parser():
    parser = command_line.parser('tools.studies', __doc__)
    studies = parser.add_subparsers(dest='study', required=True, metavar='STUDY')
    failing = studies.add_parser('failures', help='what pose, misalignment, occlusion, light and wrong LR images cost')
    failing.add_argument('--ckpt', type=command_line.path, required=True, metavar='PATH',
                         help='the network: a workdir, a checkpoint, a weights file or a released name; several, '
                         'comma-separated, stand side by side on LR images of all kinds, the first is studied further')
    ablating = studies.add_parser('ablation', help="the paper's networks and their parts, trained alike")
    ablating.add_argument('--scale', type=int, choices=(4, 8), default=8, help='(default: 8)')
    ablating.add_argument('--faces-seen', type=command_line.count, default=1600, metavar='N',
                          help='faces that each network is trained on (default: 1600)')
    ablating.add_argument('--equal', choices=('faces', 'arithmetic'), default='faces',
                          help='arithmetic: --faces-seen is for the costliest network, and the others see as many more '
                          'faces as they take fewer multiply-adds (default: faces)')
    ablating.add_argument('--networks', type=_networks, default=','.join(NETWORKS), metavar='NAME[,NAME...]',
                          help='in rising order of the PSNR that is expected, as the last is what others are compared with, of '
                               f'{", ".join((*NETWORKS, *OTHER_NETWORKS))} (default: the first five)')
    weighing = studies.add_parser('lambda', help='what adversarial fine-tuning costs and gives, for several lambdas')
    weighing.add_argument('--init', required=True, metavar='PATH',
                          help='the stage-1 network: a workdir, a checkpoint, a weights file or a released name')
    weighing.add_argument('--config', default='configs/x8_fast.py', metavar='FILE',
                          help='config file of that network (default: configs/x8_fast.py)')
    weighing.add_argument('--weights', type=_lambdas, default='0,8e3,auto/10,auto,auto*10', metavar='LAMBDA[,...]',
                          help="numbers in the paper's unit, or auto, or parts and multiples of it "
                          '(default: 0,8e3,auto/10,auto,auto*10)')
    weighing.add_argument('--turns', type=command_line.count, default=40, metavar='N',
                          help='cycles of stage 2 (default: 40)')
    tuning = studies.add_parser('fine-tuning', help='PSNR against sharpness along runs of train.py that started alike')
    tuning.add_argument('--init', required=True, metavar='PATH', help='the network that they started from')
    tuning.add_argument('--runs', required=True, type=_runs, metavar='NAME=RUN[,...]',
                        help='workdirs, of which each checkpoint that they keep is scored (--config.checkpoint.keep), or weights')
    for study in (ablating, weighing):
        study.add_argument('--workdir', type=command_line.path, required=True, metavar='DIR',
                           help='folder for the runs, a folder each')
        study.add_argument('--source-weights', default='uspol:3,ffhq256:3', metavar='SOURCE:WEIGHT[,...]',
                           help="how often a face is drawn, by source; '' is all alike, for faces without these sources (default: "
                                'uspol:3,ffhq256:3)')
    for study in (failing, ablating, weighing, tuning):
        command_line.add_faces(study)
        study.add_argument('--output', type=command_line.path, required=True, metavar='DIR',
                           help='folder for all that the study writes')
        study.add_argument('--split', type=_words, default=SPLITS, metavar='SPLIT[,SPLIT...]',
                           help=f'what is scored (default: {SPLITS})')
        study.add_argument('--images', type=command_line.count, metavar='N',
                           help='score N faces of each split, evenly spread (default: all)')
    return parser


def _words(text):
    words = [word.strip() for word in text.split(',') if word.strip()]
    if not words:
        raise argparse.ArgumentTypeError('is empty')
    return list(dict.fromkeys(words))


def _runs(text):
    named = [word.split('=', 1) if '=' in word else ('', word) for word in _words(text)]
    if not all(name and workdir for name, workdir in named):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=RUN, or several of these with commas between')
    if len(dict(named)) < len(named):
        raise argparse.ArgumentTypeError(f'{text!r} has a name twice; name each run otherwise')
    return dict(named)


def _networks(text):
    words = _words(text)
    unknown = [word for word in words if word not in (*NETWORKS, *OTHER_NETWORKS)]
    if unknown:
        raise argparse.ArgumentTypeError(f'{unknown[0]!r} is none of {", ".join((*NETWORKS, *OTHER_NETWORKS))}')
    return words


def _lambdas(text):
    words = _words(text)
    for word in words:
        if not re.fullmatch(r'auto([*/]\d*[1-9]\d*)?|\d+\.?\d*(e[+-]?\d+)?', word):
            raise argparse.ArgumentTypeError(f'{word!r} is no number, auto, auto/10 or auto*10')
    return words


if __name__ == '__main__':
    main()
