"""Similarity transforms between a photograph and the face template, and pictures warped along them.

A transform is a float64 matrix [2, 3] that takes a column (x, y, 1) of one picture's pixels to (x, y) of another's.
Pixel (0, 0) is centred at (0, 0). It turns, scales evenly and moves, never mirrors.
"""

import functools

import cv2
import numpy as np

from gln_jax import images

FINEST = 8  # a picture that shrinks more than this is first averaged over whole pixels, so that a warp's cost has a bound
MARGIN = 4  # pixels around those that a warp reads, for its interpolation kernel


def to_template(eyes):
    """The transform [2, 3] that takes eyes to `images.TEMPLATE_EYES`.

    `eyes` are their centres ((x, y), (x, y)) in pixels, the upright face's left one first. Raises ValueError where both are
    at one place, or a number is not finite.
    """
    # As complex numbers, a similarity transform is z -> turn * z + move.
    (left, right), (new_left, new_right) = ([complex(*eye) for eye in pair] for pair in (eyes, images.TEMPLATE_EYES))
    if not np.isfinite(right - left) or right == left:
        raise ValueError(f'eyes at {left.real:g},{left.imag:g} and {right.real:g},{right.imag:g} do not tell a face')
    turn = (new_right - new_left) / (right - left)
    move = new_left - turn * left
    return np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])


def enlargement(factor):
    """The transform [2, 3] from a picture's pixels to those of the same picture at `factor` times its size.

    A factor below 1 goes to a coarser grid: 1 / scale takes the pixels of an HR face to those of its LR face.
    """
    return np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2]])


def after(second, first):
    """The transform [2, 3] that is `first`, then `second`."""
    return second @ np.vstack([first, [0, 0, 1]])


def inverse(transform):
    """The transform [2, 3] of the other direction."""
    return np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2]


def moved(transform, points):
    """Points [n, 2] as (x, y), taken along a transform: float64 [n, 2]."""
    return np.asarray(points, float) @ transform[:, :2].T + transform[:, 2]


def magnification(transform):
    """Pixels after the transform for each pixel before it, along any line."""
    return float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))


def from_middle(eyes, picture):
    """Distance in pixels of a face, given by its `eyes` as in `to_template`, from the middle of `picture` [H, W, C]."""
    height, width = picture.shape[:2]
    return float(np.linalg.norm(np.mean(eyes, axis=0) - np.array([width - 1, height - 1]) / 2))


def corners(width, height):
    """The outer corners [4, 2] of a picture's pixels, going round."""
    return np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])


def warp(image, transform, size):
    """The picture float32 [height, width(, C)] that `transform` makes of `image`, free of aliasing.

    Where it enlarges, it interpolates (Lanczos, 8x8 pixels). Where it shrinks, it interpolates on a grid at least as fine as
    the image's and filters that by the bicubic kernel at the result's width, as `jax.image.resize` with antialias does along
    the axes. Beyond its border the image goes on mirrored. Values may leave its range by a little at sharp edges.

    Args:
        image: [H, W] or [H, W, C], uint8 or float32, in any unit.
        transform: [2, 3] from the image's pixels to the result's.
        size: (width, height) of the result in pixels.
    """
    image, transform = _part_that_is_needed(image, transform, size)
    image, transform = _averaged(image, transform)
    finer = max(1, int(np.ceil(1 / magnification(transform) - 1e-6)))
    if finer == 1:
        return _interpolated(image, transform, size, cv2.INTER_LANCZOS4)
    overhang = 2  # result pixels that the kernel reaches beyond the result
    shifted = np.array([[1, 0, overhang], [0, 1, overhang]])
    fine_size = [finer * (length + 2 * overhang) for length in size]
    fine = _interpolated(image, after(enlargement(finer), after(shifted, transform)), fine_size, cv2.INTER_CUBIC)
    columns, rows = (_reduction(length, finer, overhang) for length in size)
    return _filtered(rows, fine, columns)


def align(image, eyes):
    """The face uint8 RGB [128, 128, 3] of an image uint8 RGB [H, W, 3], by `warp`; `eyes`, errors as in `to_template`."""
    face = warp(image, to_template(eyes), (images.FACE_SIZE, images.FACE_SIZE))
    return np.clip(np.round(face), 0, 255).astype(np.uint8)


def lr_face(image, transform, scale, degradation):
    """The LR face float32 [128 / scale, 128 / scale, C] that a network for `scale` and `degradation` is to be given.

    A face that is sharp on the 128x128 grid gets the degradation as it is. One that has fewer pixels is blurred already, by
    what its own pixels took in, and gets only what is missing. One no finer than the LR grid is interpolated on it. `image`
    is [H, W, C], uint8 or float32, in any unit; `transform` is what `to_template` gives for its eyes.
    """
    size = images.FACE_SIZE // scale
    pitch = magnification(transform)  # HR pixels from one of the image's pixels to the next
    if pitch <= 1 + 1e-6:
        hr = warp(image, transform, (images.FACE_SIZE, images.FACE_SIZE))
        return np.asarray(images.degrade(hr, scale, degradation))
    if pitch >= scale * (1 - 1e-6) or degradation == 'bicubic':
        return warp(image, after(enlargement(1 / scale), transform), (size, size))
    # In units of their own pixels, a picture at any pitch counts as equally sharp: at pitch 1 the whole blur is
    # missing, at pitch `scale` none, and variances add up in between.
    missing_blur = images.BLUR_SIGMA[scale] * np.sqrt(1 - (pitch**2 - 1) / (scale**2 - 1))
    weights = images.gaussian_reduction(images.FACE_SIZE, scale, max(missing_blur, 0.1))
    hr = warp(image, transform, (images.FACE_SIZE, images.FACE_SIZE))
    return _filtered(weights, hr, weights)


def _part_that_is_needed(image, transform, size):
    """The part of the image, float32, that the result depends on, and the transform from its pixels."""
    height, width = image.shape[:2]
    needed = moved(inverse(transform), corners(*size))
    margin = MARGIN * max(1, 1 / magnification(transform))
    low, high = needed.min(axis=0) - margin, needed.max(axis=0) + margin + 1
    left, right = np.clip([low[0], high[0]], [0, 1], [width - 1, width]).astype(int)
    top, bottom = np.clip([low[1], high[1]], [0, 1], [height - 1, height]).astype(int)
    part = np.asarray(image[top:bottom, left:right], np.float32)
    return part, after(transform, np.array([[1, 0, left], [0, 1, top]], float))


def _averaged(image, transform):
    """An image that shrinks more than FINEST times, averaged over whole pixels to a size four times the result's."""
    shrink = 1 / magnification(transform)
    if shrink <= FINEST:
        return image, transform
    height, width = image.shape[:2]
    block = int(shrink // (FINEST / 2))
    new_width, new_height = -(-width // block), -(-height // block)
    across, down = width / new_width, height / new_height
    to_image = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2]])
    averaged = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return averaged.reshape(new_height, new_width, *image.shape[2:]), after(transform, to_image)


def _interpolated(image, transform, size, kernel):
    width, height = size
    warped = cv2.warpAffine(image, transform, (width, height), flags=kernel, borderMode=cv2.BORDER_REFLECT_101)
    return warped.reshape(height, width, *image.shape[2:])  # OpenCV drops a last axis of length 1


def _filtered(rows, image, columns):
    """The image [H, W(, C)], its columns multiplied by `rows` [height, H] and its rows by `columns` [width, W]."""
    height, width = image.shape[:2]
    channels = image.shape[2:]
    image = (rows @ image.reshape(height, -1)).reshape(len(rows), width, -1)
    return np.matmul(columns, image).reshape(len(rows), len(columns), *channels)


@functools.cache
def _reduction(size, finer, overhang):
    """The bicubic kernel (Keys, a = -0.5) at each of `size` pixels, on a grid `finer` times as fine [size, more]."""
    fine_centres = (np.arange(finer * (size + 2 * overhang)) - (finer - 1) / 2) / finer - overhang
    weights = images.bicubic_kernel(np.abs(fine_centres - np.arange(size)[:, None]))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
