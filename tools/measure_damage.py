"""Measures what networks gain over bicubic interpolation on LR faces of photographs: JPEG, noise, another reduction.

    python -m tools.measure_damage --ckpt=x8-fast,x8-photo --data=FACES [--split=val] [--images=60]

FACES is a folder of aligned faces (`gln_jax.data.folder_contents` says which). Their LR images are made in all the ways of
`studies.lr_images`. Each network restores them by the weights in its file, not knowing of any damage, and as `upsample`
does it with aligned faces: by the weights for the JPEG tables of the file, back-projected. What is printed is the mean gain
in PSNR of the luminance (protocol `paper`) over bicubic interpolation of the same LR image, in dB, of all splits together.
"""

import functools

import numpy as np
from tqdm import tqdm

from gln_jax import config as settings
from gln_jax import images, metrics
from gln_jax.data import faces as face_data
from gln_jax.evaluation import scoring
from gln_jax.photos import consistency, face_upsampling
from gln_jax.runtime import command_line, errors
from tools.studies import lr_images, markdown

CLEAN = 'clean'
BLINDLY, AS_UPSAMPLE = 'blindly', 'as `upsample`'

BATCH_SIZE = 20


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.measure_damage', __doc__)
    parser.add_argument('--ckpt', required=True, metavar='NAMES',
                        help='networks, comma-separated: workdirs, checkpoints, weights files or names')
    command_line.add_faces(parser)
    parser.add_argument('--split', default='test/london,test/lfw,test/ffhq256,test/team18f', help='default: %(default)s')
    parser.add_argument('--images', type=command_line.count, metavar='N', help='faces of each split (default: all)')
    options = parser.parse_args(arguments)
    with errors.reported():
        upsamplers = {name: face_upsampling.load(command_line.path(name), batch_size=BATCH_SIZE)
                      for name in options.ckpt.split(',')}
        config = settings.default()
        config.data.update(name='folder', path=options.data, directory=options.directory)
        sets = [face_data.load(config, split) for split in options.split.split(',')]
        faces = [each[number] for each in sets for number in scoring.spread(len(each), options.images)]
        print(f'{options.split}, {len(faces)} faces\n')
        print(table({name: gains(upsampler, faces) for name, upsampler in upsamplers.items()}))


def gains(upsampler, faces):
    """{(way, how the LR image was made): dB [n] above bicubic interpolation of it}, the ways being BLINDLY and AS_UPSAMPLE.

    Args:
        upsampler: a FaceUpsampler.
        faces: a sequence of n faces with `.image`, uint8 RGB [128, 128, 3].
    """
    scale = upsampler.scale
    made = {CLEAN: functools.partial(images.degrade, scale=scale, degradation=upsampler.degradation),
            **lr_images.wrong(upsampler)}
    found = {(way, name): [] for way in (BLINDLY, AS_UPSAMPLE) for name in made}
    for start in tqdm(range(0, len(faces), BATCH_SIZE), unit=' batches', disable=None):
        rgb = np.stack([face.image for face in faces[start:start + BATCH_SIZE]]) / np.float32(255)
        yuv = images.rgb_to_yuv(rgb)
        psnr = functools.partial(metrics.psnr, truth=np.asarray(yuv[..., :1]))
        for name, make in made.items():
            lr = np.asarray(make(yuv))
            steps = lr_images.jpeg_steps(name)
            slack = np.repeat(consistency.slack(steps, upsampler.lr_size, upsampler.lr_size)[None], len(lr), axis=0)
            known = face_upsampling.restore(upsampler.for_jpeg(steps), np.asarray(images.yuv_to_rgb(lr)), True, slack=slack)
            bicubic = psnr(np.clip(images.upsample(lr[..., :1], scale, 'bicubic'), 0, 1))
            found[BLINDLY, name].append(psnr(upsampler(lr[..., :1])) - bicubic)
            found[AS_UPSAMPLE, name].append(psnr(known.luminance[..., None]) - bicubic)
    return {key: np.concatenate(parts) for key, parts in found.items()}


def table(gained):
    """Markdown of {network: what `gains` returned}, a row for each network and way."""
    names = list(dict.fromkeys(name for each in gained.values() for _, name in each))
    rows = [[f'`{network}`', way, *(markdown.mean(each[way, name], sign='+') if (way, name) in each else '' for name in names)]
            for network, each in gained.items() for way in (BLINDLY, AS_UPSAMPLE)]
    return markdown.table(['network', 'used', *names], rows)


if __name__ == '__main__':
    main()
