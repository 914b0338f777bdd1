"""Measures up to which size in a photograph a network restores more of a face than interpolation keeps.

    python -m tools.measure_sizes --data=FACES [--split=val] [--images=96] [--sizes=22,45] [--qualities=0,80]

FACES is a folder of aligned faces (`gln_jax.data.folder_contents` says which). Each is reduced to squares of several sizes,
antialiased, as a photograph would show it, and, at a quality above 0, kept as a JPEG file. From these it is made again by
bicubic interpolation, and by each network in the way of `upsample`: the luminance is reduced further, or interpolated, to what
the network takes, restored and back-projected. What is printed is the mean PSNR of the luminance (protocol `paper`) in dB.
"""

import io

import numpy as np
from PIL import Image
from tqdm import tqdm

from gln_jax import images, metrics, weights
from gln_jax import config as settings
from gln_jax.data import alignment
from gln_jax.data import faces as face_data
from gln_jax.data.image_files import reading
from gln_jax.evaluation import scoring
from gln_jax.photos import consistency, face_upsampling
from gln_jax.runtime import command_line, errors

SIZES = (16, 18, 20, 22, 24, 28, 32, 36, 40, 44, 48, 56, 64, 96)
"""Pixels along the sides of the squares."""

BATCH_SIZE = 32


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.measure_sizes', __doc__)
    parser.add_argument('--ckpt', help='networks, comma-separated: workdirs, checkpoints, weights files or names '
                        '(default: those of `upsample`)')
    command_line.add_faces(parser)
    parser.add_argument('--split', default='val', help='comma-separated (default: %(default)s)')
    parser.add_argument('--images', type=command_line.count, metavar='N', help='faces of each split (default: all)')
    parser.add_argument('--sizes', default=','.join(map(str, SIZES)), help='comma-separated (default: %(default)s)')
    parser.add_argument('--qualities', default='0', help='of JPEG, comma-separated, a table for each; 0 is no JPEG')
    options = parser.parse_args(arguments)
    with errors.reported():
        names = (list(map(command_line.path, options.ckpt.split(','))) if options.ckpt else
                 [weights.best_for_photographs(scale) for scale in face_upsampling.SCALES])
        upsamplers = [face_upsampling.load(name, batch_size=BATCH_SIZE) for name in names]
        config = settings.default()
        config.data.update(name='folder', path=options.data, directory=options.directory)
        sets = [face_data.load(config, split) for split in options.split.split(',')]
        truth = np.stack([faces.luminance(number) for faces in sets
                          for number in scoring.spread(len(faces), options.images)]) / np.float32(255)
        print(f'{options.split}, {len(truth)} faces\n')
        for quality in map(int, options.qualities.split(',')):
            print(f'\n{f"JPEG {quality}" if quality else "no JPEG"}\n')
            print('\n'.join(table(truth, dict(zip(names, upsamplers)), quality, list(map(int, options.sizes.split(','))))))


def table(truth, upsamplers, quality=0, sizes=SIZES):
    """Lines of a Markdown table, a row for each size.

    Args:
        truth: luminance of faces, float32 [n, 128, 128, 1] in [0, 1].
        upsamplers: {name: FaceUpsampler}.
        quality: of the JPEG files in which the reduced faces are kept; 0 is none.
    """
    lines = [f'| pixels | bicubic | {" | ".join(upsamplers)} |', '|---' * (2 + len(upsamplers)) + '|']
    for size in tqdm(sizes, unit=' sizes', disable=None):
        reduced = images.to_bytes(_resized(truth, size))
        reduced, steps = _through_jpeg(reduced, quality) if quality else (reduced, None)
        reduced = reduced / np.float32(255)
        made = [_resized(reduced, images.FACE_SIZE), *(_restored(reduced, each, steps) for each in upsamplers.values())]
        psnrs = [np.mean(metrics.psnr(np.clip(each, 0, 1), truth, 'paper')) for each in made]
        lines.append(f'| {size} | {" | ".join(f"{psnr:.2f}" for psnr in psnrs)} |')
    return lines


def _through_jpeg(faces, quality):
    """(faces uint8 [n, h, w, 1] as JPEG gives them back, its steps of quantisation)."""
    pictures = []
    for face in faces:
        file = io.BytesIO()
        Image.fromarray(face[..., 0]).save(file, 'JPEG', quality=quality)
        file.seek(0)
        pictures.append(reading.decode(file, 'face'))
    return np.stack([picture.pixels for picture in pictures]), pictures[0].jpeg_steps


def _restored(reduced, upsampler, jpeg_steps):
    to_face = alignment.enlargement(images.FACE_SIZE / reduced.shape[1])
    fit = upsampler.scale, upsampler.degradation
    lr = np.stack([np.clip(alignment.lr_face(face, to_face, *fit), 0, 1).reshape(upsampler.lr_size, upsampler.lr_size, 1)
                   for face in reduced])
    slack = consistency.slack(jpeg_steps, upsampler.lr_size, reduced.shape[1])
    hr = upsampler.for_jpeg(jpeg_steps)(lr)
    return np.asarray(consistency.back_projected(hr, lr, *fit, np.repeat(slack[None], len(lr), axis=0)))


def _resized(faces, size):
    """Faces [n, h, w, 1] as [n, size, size, 1] by Pillow's bicubic interpolation, antialiased where they shrink."""
    return np.stack([np.asarray(Image.fromarray(face[..., 0]).resize((size, size), Image.Resampling.BICUBIC))
                     for face in faces])[..., None]


if __name__ == '__main__':
    main()
