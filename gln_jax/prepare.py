"""Makes training faces of photographs: finds, aligns and sorts them out.

    python -m gln_jax.prepare -i photos -o faces128
    python -m gln_jax.prepare -i lfw -o faces128 --processes 8
    python train.py --config=configs/x8.py --config.data.name=folder --config.data.path=faces128

The output gets faces/ (128x128, the eyes at (45.5, 50) and (82.5, 50)), index.csv, which the data set 'folder' reads,
and rejected.csv, which says of each photograph or face that is not used why. 1 in 20 people is held out for val and 1
in 20 for test, by a hash of the name, where file or folder names say who it is (Name_Surname_0001.jpg,
Name_Surname/1.jpg), and 1 in 20 photographs where they do not. The same command continues what was killed.
"""

import collections
import pathlib

from gln_jax.runtime import command_line, errors


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        # After the flags, so that --help comes at once.
        from gln_jax.runtime import processors
        from gln_jax.photos import detection, face_crops, given_eyes, preparing
        directory, output = pathlib.Path(options.input), pathlib.Path(options.output)
        if output.resolve().is_relative_to(directory.resolve()):
            raise errors.InputError(f'{output}: lies in the folder of the photographs; name one outside of it')
        if options.detector:
            detection.check_detector(options.detector)  # before the output is begun with it
        filters = face_crops.Filters(options.min_size, options.min_detail, options.detector)
        settings = preparing.Settings(filters, options.duplicate_bits, options.identity,
                                      options.source or directory.resolve().name)
        eyes = given_eyes.read_eyes_csv(options.eyes_csv, preparing.photos_below(directory, output)) if options.eyes_csv else None
        index, rejected = preparing.prepare(directory, output, settings, eyes, options.processes or processors.cores())
        _tell(index, rejected, output / preparing.REJECTED)
        if not index:
            raise errors.RunError(f'no face was kept; {output / preparing.REJECTED} says why')
        print(f'train on them with --config.data.name=folder --config.data.path={output}')


def _tell(index, rejected, rejected_file):
    counts = collections.Counter(row['split'] for row in index)
    people = len({row['identity'] for row in index if row['identity']})
    print(f'{len(index)} faces ({", ".join(f"{split} {counts[split]}" for split in sorted(counts)) or "none"}), '
          f'{people} people known by name; {len(rejected)} rejected, see {rejected_file}')
    reasons = collections.Counter(row['reason'].partition(':')[0].partition(' of ')[0].partition(' (')[0]
                                  for row in rejected)
    for reason, count in reasons.most_common():
        print(f'  {count} {reason}')


def _parser():
    from gln_jax.data import identities
    parser = command_line.parser('gln_jax.prepare', __doc__)
    parser.add_argument('-i', '--input', type=command_line.path, required=True,
                        help='folder of photographs; sub-folders count too')
    parser.add_argument('-o', '--output', type=command_line.path, required=True,
                        help='folder for the faces; new, empty, or to be continued')
    parser.add_argument('--min-size', type=float, default=112, metavar='PIXELS',
                        help="pixels of the photograph that the aligned face's 128 have to span (default: %(default)s)")
    parser.add_argument('--min-detail', type=float, default=0.03, metavar='SHARE',
                        help='share of its contrast that a face has to lose by halving and doubling it; a blurred one '
                        'loses less (default: %(default)s)')
    parser.add_argument('--duplicate-bits', type=int, default=20, metavar='N',
                        help='two faces count as one photograph where at most N of the 143 bits of their perceptual '
                        'hashes differ; -1 keeps all (default: %(default)s)')
    parser.add_argument('--identity', choices=identities.MODES, default='auto',
                        help="what says who it is: 'auto' as above, 'folder' any folder, 'none' nothing (default: auto). "
                        'Where a photograph names its person, that is the face nearest to the middle, and no other '
                        'is taken')
    parser.add_argument('--source', help="the index's name for where the faces come from (default: the input folder's)")
    parser.add_argument('--eyes-csv', type=command_line.path, metavar='FILE',
                        help='known eyes, as in upsample, but with the paths of photographs below the folder; '
                        'these are not searched')
    parser.add_argument('--detector', type=command_line.path, metavar='FILE',
                        help='another YuNet, as an ONNX file, to find the faces')
    parser.add_argument('--processes', type=command_line.count, metavar='N',
                        help='how many photographs are worked on at once (default: as many as there are cores)')
    return parser


if __name__ == '__main__':
    main()
