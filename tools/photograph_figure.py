"""Makes a picture of the whole way: tiny photograph, face found in it, LR face, restored face, photograph with it in
place.

    python -m tools.photograph_figure --ckpt=x8.safetensors --output=way.png PHOTO PHOTO ...

Each photograph is reduced such that the aligned face spans --crop pixels; all that follows sees the reduced one alone.
The last column is the photograph before that. One row each, of the face nearest to the middle.
"""


import cv2
import numpy as np
from PIL import Image

from gln_jax import images
from gln_jax.data import alignment
from gln_jax.data.image_files import reading
from gln_jax.photos import detection, face_upsampling, restoring
from gln_jax.runtime import command_line, errors, files, picture_grid
from tools import measure_detection

CELL = 192  # pixels along each picture
COLUMNS = ('photograph', 'LR face', 'bicubic', 'restored', 'pasted back', 'before reduction')
OUTLINE = (255, 220, 0)


def main(arguments=None):
    """The command; see the top of this file."""
    parser = command_line.parser('tools.photograph_figure', __doc__)
    parser.add_argument('photos', nargs='+', metavar='PHOTO')
    parser.add_argument('--ckpt', type=command_line.path, required=True,
                        help='the network: a workdir, a checkpoint or a weights file')
    parser.add_argument('--output', type=command_line.path, required=True, metavar='FILE',
                        help='the PNG file to write; replaced if it is there')
    parser.add_argument('--crop', type=command_line.count, default=16, metavar='PIXELS',
                        help='default: %(default)s')
    options = parser.parse_args(arguments)
    with errors.reported():
        if files.path(options.output).is_dir():
            raise errors.InputError(f'--output: {options.output} is a folder; name a file')
        photos = [reading.read(path).pixels for path in options.photos]
        upsampler = face_upsampling.load(options.ckpt)
        rows, captions = zip(*(row(photo, name, options.crop, upsampler)
                               for photo, name in zip(photos, options.photos)))
        files.write(options.output, picture_grid.png(picture_grid.grid(COLUMNS, rows, captions, enlarge=1)))
        print(f'wrote {options.output}')


def row(photo, name, crop, upsampler):
    """One photograph's way: six uint8 RGB [CELL, CELL, 3], and a caption for each.

    Args:
        photo: uint8 [H, W, C], as in `reading.Picture`.
        name: what errors call it.
        crop: pixels that the aligned face spans in the reduced photograph.
        upsampler: a `face_upsampling.FaceUpsampler`.

    Raises:
        InputError: no face is found in the photograph, or in the reduced one.
    """
    photo = reading.rgb(photo)
    known = detection.detect(photo)
    if not known:
        raise errors.InputError(f'{name}: no face was found')
    eyes = min((face.eyes for face in known), key=lambda eyes: alignment.from_middle(eyes, photo))
    reduced, _ = measure_detection.reduced(photo, np.array([complex(*eye) for eye in eyes]), crop)
    result = restoring.restore(reduced, None, upsampler, only_center_face=True)
    if not (result.faces and result.faces[0].restored is not None):
        raise errors.InputError(f'{name}: reduced to {reduced.shape[1]}x{reduced.shape[0]} pixels, no face to restore '
                                'was found')
    face, = result.faces
    height, width = reduced.shape[:2]
    shown = (_outlined(reduced, face), *(_resized(face.lr, kernel) for kernel in (Image.Resampling.NEAREST,
                                                                                  Image.Resampling.BICUBIC)),
             _resized(face.restored, Image.Resampling.BICUBIC), _resized(result.image, Image.Resampling.BICUBIC),
             _resized(photo, Image.Resampling.BICUBIC))
    lr_size = face.lr.shape[0]
    return shown, (f'{width}x{height} pixels', f'{lr_size}x{lr_size}', '', f'{images.FACE_SIZE}x{images.FACE_SIZE}',
                   f'{result.image.shape[1]}x{result.image.shape[0]}', f'{photo.shape[1]}x{photo.shape[0]}')


def _resized(picture, kernel):
    """The square in the middle of a picture."""
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return np.asarray(Image.fromarray(picture[top:top + side, left:left + side]).resize((CELL, CELL), kernel))


def _outlined(reduced, face):
    """The reduced photograph with the square that was aligned, and dots on the eyes that were found."""
    shown = _resized(reduced, Image.Resampling.NEAREST).copy()
    side = min(reduced.shape[:2])
    corner = (reduced.shape[1] - side) // 2, (reduced.shape[0] - side) // 2
    corners = alignment.moved(alignment.inverse(alignment.to_template(face.eyes)),
                              alignment.corners(images.FACE_SIZE, images.FACE_SIZE))
    corners, eyes = (np.round((np.asarray(points) - corner + 0.5) * CELL / side - 0.5).astype(int)
                     for points in (corners, face.eyes))
    cv2.polylines(shown, [corners], True, OUTLINE, 1, cv2.LINE_AA)
    for eye in eyes:
        cv2.circle(shown, eye.tolist(), 2, OUTLINE, -1, cv2.LINE_AA)
    return shown


if __name__ == '__main__':
    main()
