"""Restores the small faces of photographs, or aligned LR faces, with trained networks.

    python -m gln_jax.upsample -i photo.jpg -o results
    python -m gln_jax.upsample -i photo.jpg -o results --ckpt runs/x8
    python -m gln_jax.upsample -i photo.jpg -o results --ckpt runs/x8 --eyes 40.5,52,49,51.5
    python -m gln_jax.upsample -i photos -o results --ckpt x8.safetensors --eyes-csv eyes.csv
    python -m gln_jax.upsample -i faces -o results --ckpt runs/x8 --aligned
    python -m gln_jax.upsample -i photo.jpg -o results --sharpness 0.5

Without --ckpt and --scale each face gets the network for its size, 8x, 4x or 2x, and one of which interpolation keeps more
is left alone; a network that is named restores all faces below 128 pixels.
The results folder gets restored_imgs/ (the photographs, enlarged by the network's scale, restored faces in place),
restored_faces/ (each of them, aligned, 128x128), cmp/ (before, bicubic and restored side by side, the
whole and each face) and report.json. The same command goes on where it was interrupted.
A folder is worked through without its sub-folders; a file that fails is named and does not stop the others.
The detail that a network puts into a face is plausible, not evidence; it must not be used to identify anybody.
"""

import argparse
import os
import pathlib
import sys

from tqdm import tqdm

from gln_jax.runtime import command_line, errors


_DECIDING = ('ckpt', 'scale', 'aligned', 'detector', 'only_center_face', 'force', 'consistent', 'disagreement', 'sharpness',
             'suffix', 'ext')
"""The flags that results depend on: an interrupted run goes on with the same ones only."""


def main(arguments=None):
    options = _parser().parse_args(arguments)
    with errors.reported():
        from gln_jax.runtime import devices  # only now: --help comes at once
        # Of photographs it is one face after the other, in four variants at once where disagreement is measured.
        batch_size = 32 if options.aligned else 1 if options.disagreement is False else 4
        devices.a_device_per_core(batch_size)
        paths, is_folder = _inputs(pathlib.Path(options.input))
        _check(options, is_folder)
        _run(options, paths, is_folder, batch_size)


def _parser():
    parser = command_line.parser('gln_jax.upsample', __doc__)
    parser.add_argument('-i', '--input', type=command_line.path, required=True, help='a photograph, or a folder of them')
    parser.add_argument('-o', '--output', type=command_line.path, required=True,
                        help='folder for the results, made if need be')
    parser.add_argument('--ckpt', type=command_line.path,
                        help='the network: a workdir of train.py, one of its checkpoints, a weights file, or the name '
                        'of one that comes with the project (default: the best of these for the scale, by PSNR on '
                        'validation faces)')
    parser.add_argument('--scale', choices=('auto', '2', '4', '8'), default='auto',
                        help="'auto' (default) takes for each face the network of the scale for its size, with --aligned "
                        'that of 8x (for aligned 32x32 faces give 4); with a number, a --ckpt of another scale is refused')
    parser.add_argument('--aligned', action='store_true',
                        help='the input is aligned LR faces (16x16 pixels for 8x, 32x32 for 4x, 64x64 for 2x), each a file')
    faces = parser.add_argument_group('which faces')
    faces.add_argument('--eyes', action='append', metavar='X1,Y1,X2,Y2',
                       help="the eye centres of a face in the upright photograph's pixels, the left one in the image "
                       'first; once for each face; nothing is searched then')
    faces.add_argument('--eyes-csv', type=command_line.path, metavar='FILE',
                       help='eye centres for a folder, with the columns file, left_eye_x, left_eye_y, right_eye_x, '
                       'right_eye_y; files that it does not name are searched')
    faces.add_argument('--detector', type=command_line.path, metavar='FILE',
                       help='another YuNet, as an ONNX file, to find the faces')
    faces.add_argument('--only-center-face', action='store_true', help='only the face nearest to the middle')
    faces.add_argument('--force', action='store_true', help='restore all faces, however large')
    quality = parser.add_argument_group('how')
    quality.add_argument('--consistent', action=argparse.BooleanOptionalAction, default=True,
                         help='back-projection: what is restored gives the input again when it is reduced (default)')
    quality.add_argument('--sharpness', type=float, metavar='0..1',
                         help='weights between a reconstruction network (0) and the adversarial one that was trained on from it '
                         '(1): sharper, and less like the person (default: the network as it is)')
    quality.add_argument('--disagreement', action=argparse.BooleanOptionalAction, default=None,
                         help='measure how much mirroring and shifting the input changes the result, for three more '
                         'passes of the network (default: for photographs, not for --aligned)')
    files = parser.add_argument_group('what is written')
    files.add_argument('--suffix', default='', help="added to the names of results: '_gln' makes photo_gln.jpg")
    files.add_argument('--ext', choices=('auto', 'png', 'jpg', 'webp'), default='auto',
                       help="format of restored_imgs/; 'auto' (default) is the photograph's own, or png where that is "
                       'none of these; faces are always png')
    files.add_argument('--overwrite', action='store_true', help='replace results that are there already')
    files.add_argument('--json', action='store_true',
                       help='print the report to the standard output, all else to stderr')
    return parser


def _check(options, is_folder):
    """Raises InputError where a flag would do nothing."""
    of_photos = {'--eyes': options.eyes, '--eyes-csv': options.eyes_csv, '--detector': options.detector,
                 '--only-center-face': options.only_center_face, '--force': options.force,
                 '--ext': options.ext != 'auto'}
    idle = [flag for flag, is_given in of_photos.items() if is_given]
    if options.aligned and idle:
        raise errors.InputError(f'--aligned: leave out {", ".join(idle)}, which {"is" if len(idle) == 1 else "are"} for '
                                'photographs')
    if options.eyes and options.eyes_csv:
        raise errors.InputError('--eyes, --eyes-csv: give one of them')
    if options.eyes and is_folder:
        raise errors.InputError('--eyes is for one photograph; for a folder give --eyes-csv')


def _inputs(path):
    """(the picture files, whether `path` is a folder)."""
    from gln_jax.data.image_files import formats
    if not path.exists():
        raise errors.InputError(f'{path}: no such file or folder')
    if not path.is_dir():
        return [path], False
    return [path / name for name in formats.files_in(path, deep=False)], True


def _run(options, paths, is_folder, batch_size):
    from gln_jax.photos import detection, output_folder, results  # after the flags, so that --help comes at once
    if options.detector:
        detection.check_detector(options.detector)
    if '/' in options.suffix or '\\' in options.suffix:
        raise errors.InputError(f'--suffix {options.suffix}: is a part of file names, without / or \\')
    eyes = _eyes_by_file(options, paths)
    destination = output_folder.OutputFolder(options.output, options.overwrite)
    deciding = {f'--{name.replace("_", "-")}': str(getattr(options, name)) for name in _DECIDING}
    with destination.claimed({'-i': os.path.abspath(options.input)} | deciding):
        destination.check(results.REPORT)
        if not is_folder and not options.aligned:
            from gln_jax.data.image_files import reading
            reading.read(paths[0])  # before the network is loaded, which takes longer
        upsamplers = _upsamplers(options, batch_size)
        entries, failed = _work(options, paths, eyes, upsamplers, destination, is_folder)
        report = results.write_report(destination, upsamplers, entries)
        destination.finish()
    if options.json:
        print(report, end='')
    if is_folder:
        faces = sum(1 for entry in entries for face in entry.get('faces', []) if 'face' in face)
        print(f'{len(paths) - len(failed)} of {len(paths)} files done, {faces} faces restored, '
              f'results in {options.output}', file=sys.stderr if options.json else sys.stdout)
    if failed:
        shown = ', '.join(path.name for path in failed[:5]) + (', ...' if len(failed) > 5 else '')
        raise errors.RunError(f'{len(failed)} of {len(paths)} files failed: {shown}')


def _upsamplers(options, batch_size):
    from gln_jax.photos import face_upsampling
    scale = None if options.scale == 'auto' else int(options.scale)
    if options.aligned or options.ckpt or scale:
        return face_upsampling.load(options.ckpt, scale, batch_size, options.sharpness),
    return face_upsampling.load_each_scale(batch_size, options.sharpness)


def _work(options, paths, eyes, upsamplers, destination, is_folder):
    """(entries in the report, paths that failed), of all files; what an interrupted run had done is not done again."""
    from gln_jax.photos import aligned_faces, photograph_files, results
    names = results.names_of(paths)
    keys = {path: _key(path, eyes, upsamplers) for path in paths}
    entries = {path: destination.entry_of(path.name, keys[path]) for path in paths}
    todo = [path for path in paths if entries[path] is None]
    if len(todo) < len(paths):
        print(f'{len(paths) - len(todo)} of {len(paths)} files were done by a run that was interrupted', file=sys.stderr)
    if options.aligned:
        work = aligned_faces.restored(todo, names, *upsamplers, destination, options.suffix, options.consistent,
                                      bool(options.disagreement))
    else:
        work = photograph_files.restored(todo, names, upsamplers, destination, options, eyes)
    failed = []
    with tqdm(total=len(paths), initial=len(paths) - len(todo), unit=' files', disable=not is_folder, file=sys.stderr) as bar:
        for path, entry in work:
            bar.update()
            entries[path] = {'file': str(path)} | entry
            if 'error' in entry:
                if not is_folder:
                    raise errors.InputError(entry['error'])
                failed.append(path)
                bar.write(entry['error'], file=sys.stderr)
                continue
            destination.note_done(path.name, keys[path], entries[path])
            for line in photograph_files.lines_about(path, entry, is_folder):
                bar.write(line, file=sys.stderr if options.json else sys.stdout)
    return list(entries.values()), failed


def _key(path, eyes, upsamplers):
    """What the result for a file depends on besides the flags."""
    try:
        status = path.stat()
    except OSError:  # the error comes when this file is read
        return None
    networks = [upsampler.description for upsampler in upsamplers]
    return [status.st_size, status.st_mtime_ns, eyes.get(path.name), networks]


def _eyes_by_file(options, paths):
    """{file name: list of eye pairs}, of the files whose eyes the user gave."""
    if not (options.eyes or options.eyes_csv):
        return {}
    from gln_jax.photos import given_eyes
    if options.eyes:
        return {paths[0].name: [given_eyes.parse_eyes(text) for text in options.eyes]}
    return given_eyes.read_eyes_csv(options.eyes_csv, [path.name for path in paths])


if __name__ == '__main__':
    main()
