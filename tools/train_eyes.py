"""Makes eye_regression.npz, the matrices of `eyes`, from aligned faces.

    python -m tools.train_eyes --faces=DIR [--output=FILE]

DIR is a folder of aligned 128x128 faces (`gln_jax.data.folder_contents` says which); its train split alone is used. The same
faces give the same matrices, to rounding. With 13,000 faces it takes 3 to 5 minutes and 2 GB of memory on one CPU core.
The file in the package was made of 28,542 faces of nine sources.
"""

import argparse
import io
import pathlib

import cv2
import numpy as np
import PIL.Image

from gln_jax import images
from gln_jax.data import folder_contents
from gln_jax.photos import eyes, face_windows
from gln_jax.runtime import command_line, errors, files

SEED = 0

RIDGE = 0.1
"""Weight of the penalty on a matrix, relative to the mean square of a feature. 0.003 and 0.03 gave larger errors on
val."""

EYE_DISTANCES = {16: (3.3, 6.8), 32: (6.2, 13.5), 64: (13.0, 26.0)}
"""Least and most pixels between the eyes that the cascade of each size learns from; a little more than it meets."""

VIEWS = 2
"""Pictures made of each face for each cascade, each turned, mirrored and reduced in another way."""

RIGHT_WITHIN = 0.15
WRONG_BEYOND = 0.4
"""Eye errors, in eye distances, that make a window an example of a face and of something else."""


def main(arguments=None):
    """The command; see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faces', type=command_line.path, required=True, metavar='DIR', help='folder of aligned faces')
    parser.add_argument('--sizes', default=','.join(map(str, eyes.SIZES)), metavar='N,N', help='sizes to train; the '
                        'matrices of others stay as they are in --output (default: all)')
    parser.add_argument('--output', type=command_line.path, default=eyes.FILE, metavar='FILE', help='default: %(default)s')
    options = parser.parse_args(arguments)
    with errors.reported():
        faces = read_faces(pathlib.Path(options.faces))
        sizes = [size for size in eyes.SIZES if str(size) in options.sizes.split(',')]
        matrices = {} if len(sizes) == len(eyes.SIZES) else dict(np.load(options.output))
        for size in sizes:
            matrices |= train(faces, size)
        content = io.BytesIO()
        np.savez_compressed(content, **{name: matrix.astype(np.float16) for name, matrix in matrices.items()})
        files.write(options.output, content.getvalue())
        print(f'written: {options.output}')


def read_faces(directory):
    """The train split of a folder of aligned faces: a list of uint8 [128, 128] luminance.

    Raises:
        InputError: no such folder, no face in its train split, or one that cannot be read or has another size.
    """
    faces = []
    for entry in folder_contents.contents(directory).entries:
        if entry.split == 'train':
            faces.append(read_face(directory / entry.file))
    if not faces:
        raise errors.InputError(f'{directory}: no face is of the train split')
    return faces


def read_face(path):
    """The luminance of an aligned face, uint8 [128, 128]. Raises InputError where that is no such picture."""
    face = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if face is None or face.shape != (images.FACE_SIZE, images.FACE_SIZE):
        raise errors.InputError(f'{path}: no picture of {images.FACE_SIZE}x{images.FACE_SIZE}')
    return face


def train(faces, size):
    """The matrices of one size of face, {name: float32 [face_windows.FEATURES, 4]}, and [face_windows.FEATURES] for
    likeness.

    Args:
        faces: a list of uint8 [128, 128] luminance, aligned.
        size: a key of `eyes.SIZES`.
    """
    rng = np.random.default_rng([SEED, size])
    pictures, truth = zip(*(view(face, EYE_DISTANCES[size], rng) for _ in range(VIEWS) for face in faces))
    truth = np.array(truth)
    upright = rng.random(len(truth)) < 0.5  # as a detector starts that knows of no roll
    found = np.array([rough_guess(_upright(pair) if is_upright else pair, rng)
                      for pair, is_upright in zip(truth, upright)])
    matrices = {}
    for step in range(eyes.STEPS):
        features = _features(pictures, found)
        off = (truth - found) / (found[:, 1:] - found[:, :1])
        target = np.stack([off[:, 0].real, off[:, 0].imag, off[:, 1].real, off[:, 1].imag], axis=1)
        matrix = ridge_regression(features, target.astype(np.float32))
        found = eyes.regress(matrix, features, found)
        matrices[f'step{step}_of_{size}'] = matrix
        median, tenth = np.quantile(error(found, truth), [0.5, 0.9])
        print(f'crops of {size} pixels, step {step}: error {median:.3f} median, {tenth:.3f} 90th percentile',
              flush=True)
    matrices[f'likeness_of_{size}'] = _likeness(pictures, truth, found, matrices, size, rng)
    return matrices


def view(face, eye_distances, rng):
    """A face as a photo might show it: turned, mirrored at random and reduced.

    Args:
        face: uint8 [128, 128].
        eye_distances: least and most pixels between the eyes.
        rng: a NumPy Generator.

    Returns:
        float32 [n, n] in [0, 255], and complex [2], its eyes in pixels.
    """
    length = images.FACE_SIZE
    centre = (length - 1) / 2 * (1 + 1j)
    turn = rng.uniform(0.95, 1.05) * np.exp(1j * np.radians(np.clip(rng.normal(0, 10), -35, 35)))
    move = centre - turn * centre + rng.uniform(-3, 3) + 1j * rng.uniform(-3, 3)
    truth = face_windows.TEMPLATE_EYES
    if rng.random() < 0.5:
        face = np.ascontiguousarray(face[:, ::-1])
        truth = (length - 1 - truth.conj())[::-1]
    matrix = np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
    face = cv2.warpAffine(face, matrix, (length, length), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    truth = turn * truth + move
    distance = np.exp(rng.uniform(*np.log(eye_distances)))
    reduced = max(8, round(length * distance / abs(truth[1] - truth[0])))
    if rng.random() < 0.5:
        face = np.asarray(PIL.Image.fromarray(face).resize((reduced, reduced), PIL.Image.Resampling.BICUBIC))
    else:
        face = cv2.resize(face, (reduced, reduced), interpolation=cv2.INTER_AREA)
    pixel_centre = 0.5 + 0.5j
    return face.astype(np.float32), (truth + pixel_centre) * reduced / length - pixel_centre


def rough_guess(pair, rng):
    """Eyes (complex [2]) moved, scaled and turned at random, about twice as far as a detector is off."""
    move = rng.normal(0, 0.13, 2).clip(-0.4, 0.4) @ [1, 1j]
    turn = np.exp(rng.normal(0, 0.13) + 1j * np.radians(rng.normal(0, 9)))
    return _spread(pair.mean() + (pair[1] - pair[0]) * move, (pair[1] - pair[0]) * turn)


def ridge_regression(features, target, weights=None):
    """The matrix, float32 [f, ...], that takes features [n, f] to target [n, ...] with the least weighted square
    error."""
    weighted = features if weights is None else features * weights[:, None]
    squares = weighted.T @ features
    squares[np.diag_indices_from(squares)] += RIDGE * squares.diagonal().mean()
    return np.linalg.solve(squares, weighted.T @ target).astype(np.float32)


def _likeness(pictures, truth, found, matrices, size, rng):
    """Tells windows where the cascade found the eyes from wrong ones: where it was led astray, and where it began
    then."""
    astray = np.array([_wrong_place(pair, len(picture), rng) for pair, picture in zip(truth, pictures)])
    ended = astray
    for step in range(eyes.STEPS):
        ended = eyes.regress(matrices[f'step{step}_of_{size}'], _features(pictures, ended), ended)
    is_wrong = (error(ended, truth) > WRONG_BEYOND) & (np.abs(ended[:, 1] - ended[:, 0]) > 1)
    right = _features(pictures, found)[error(found, truth) < RIGHT_WITHIN]
    wrong = np.concatenate([_features(pictures, astray), _features(pictures, ended)[is_wrong]])
    target = np.repeat(np.float32([1, -1]), [len(right), len(wrong)])
    weights = np.repeat(np.float32([0.5 / len(right), 0.5 / len(wrong)]), [len(right), len(wrong)])
    return ridge_regression(np.concatenate([right, wrong]), target, weights)


def _wrong_place(pair, length, rng):
    """Eyes somewhere in a picture or over its border, well off the true ones, and smaller or larger."""
    distance = abs(pair[1] - pair[0])
    while True:
        centre = rng.uniform(-0.1, 1.1, 2) @ [length, 1j * length]
        scale = np.exp(rng.uniform(np.log(0.35), np.log(1.6)))
        if abs(centre - pair.mean()) > 0.6 * distance or scale < 0.6:
            return _spread(centre, distance * scale * np.exp(1j * rng.normal(0, 0.3)))


def _features(pictures, found):
    return np.concatenate([eyes.features_at(pictures[start:start + 512], found[start:start + 512])
                           for start in range(0, len(found), 512)])  # the histograms of all at once would take 20 GB


def _upright(pair):
    return _spread(pair.mean(), abs(pair[1] - pair[0]))


def _spread(centre, difference):
    return np.array([centre - difference / 2, centre + difference / 2])


def error(found, truth):
    """The larger error of the two eyes, in true eye distances."""
    return np.abs(found - truth).max(axis=1) / np.abs(truth[:, 1] - truth[:, 0])


if __name__ == '__main__':
    main()
