"""Measures the whole way of `upsample` on photographs: how near a restored face comes to the original, beside bicubic.

    python -m tools.measure_photographs --photos=DIR [--every=N] [--ckpt=NAMES]

DIR holds photographs with one known face each, and eyes.csv with its eyes (`given_eyes.read_eyes_csv`). Each photograph is
reduced, antialiased, until its aligned face spans 16, 24 and 32 pixels, and kept as JPEG of several qualities and as PNG.
From these files the face is restored as `upsample` does it, its eyes given, and made by bicubic interpolation. Both are
compared with the face of the original photograph: mean PSNR of the luminance (protocol `paper`) in dB.
"""

import io
import pathlib

import numpy as np
import PIL.Image
from tqdm import tqdm

from gln_jax import images, metrics
from gln_jax.data import alignment
from gln_jax.data.image_files import reading
from gln_jax.photos import face_upsampling, restoring
from gln_jax.runtime import command_line, errors
from tools.measure_detection import read_photos, reduced

SPANS = (16, 24, 32)
"""Pixels of the reduced photograph that the aligned face's side spans."""

QUALITIES = (95, 80, 60, None)
"""Of JPEG; None is PNG."""


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.measure_photographs', __doc__)
    parser.add_argument('--photos', type=command_line.path, required=True, metavar='DIR')
    parser.add_argument('--every', default=1, type=command_line.count, metavar='N', help='measure every Nth photograph only')
    parser.add_argument('--ckpt', help='networks, comma-separated, of which each face gets the one for its size; default: '
                        'those of `upsample`')
    options = parser.parse_args(arguments)
    with errors.reported():
        upsamplers = (tuple(face_upsampling.load(name, batch_size=1) for name in options.ckpt.split(','))
                      if options.ckpt else face_upsampling.load_each_scale(batch_size=1))
        photos = read_photos(pathlib.Path(options.photos))[::options.every]
        print(f'{len(photos)} photographs\n')
        print('\n'.join(table(photos, upsamplers)))


def table(photos, upsamplers):
    """Lines of a Markdown table, a row for each of SPANS and QUALITIES. photos: [(file, uint8 RGB, complex eyes [2])]."""
    lines = ['| pixels | kept as | bicubic, dB | restored, dB | gain, dB |', '|---|---|---|---|---|']
    for span in tqdm(SPANS, unit=' sizes', disable=None):
        for quality in QUALITIES:
            bicubic, restored = np.mean([both(image, eyes, span, quality, upsamplers) for _, image, eyes in photos], axis=0)
            kept_as = f'JPEG {quality}' if quality else 'PNG'
            lines.append(f'| {span} | {kept_as} | {bicubic:.2f} | {restored:.2f} | {restored - bicubic:+.2f} |')
    return lines


def both(image, eyes, span, quality, upsamplers):
    """(PSNR of the face by bicubic interpolation, of the restored face) of one photograph, uint8 RGB [H, W, 3]."""
    truth = images.luminance(alignment.align(image, _points(eyes)) / np.float32(255))
    small, eyes = reduced(image, eyes, span)
    picture = through_file(small, quality)
    face, = restoring.restore(picture.pixels, [_points(eyes)], upsamplers, disagreement=False, force=True,
                              jpeg_steps=picture.jpeg_steps).faces
    made = interpolated(picture.pixels, _points(eyes)), face.restored
    return [float(metrics.psnr(images.luminance(each / np.float32(255))[None], truth[None], 'paper')[0]) for each in made]


def through_file(image, quality):
    """The `reading.Picture` of a file that an image was kept in."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, *(['JPEG'] if quality else ['PNG']), **({'quality': quality} if quality else {}))
    file.seek(0)
    return reading.decode(file, 'photograph')


def interpolated(image, eyes):
    """The aligned face, uint8 RGB [128, 128, 3], of a photograph enlarged by bicubic interpolation."""
    transform = alignment.to_template(eyes)
    factor = max(1, int(np.ceil(2 * alignment.magnification(transform))))
    enlarged = PIL.Image.fromarray(image).resize((factor * image.shape[1], factor * image.shape[0]), PIL.Image.Resampling.BICUBIC)
    to_face = alignment.after(transform, alignment.inverse(alignment.enlargement(factor)))
    face = alignment.warp(np.asarray(enlarged), to_face, (images.FACE_SIZE, images.FACE_SIZE))
    return np.clip(np.round(face), 0, 255).astype(np.uint8)


def _points(eyes):
    return tuple((float(eye.real), float(eye.imag)) for eye in eyes)


if __name__ == '__main__':
    main()
