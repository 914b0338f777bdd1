"""Puts a restored face into its photograph, so that no border shows."""

import cv2
import numpy as np

from gln_jax import images
from gln_jax.data import alignment

FEATHER = 16  # HR pixels over which the face gives way to the photograph, from the border of the 128x128 face inwards

MATCHED_SIGMA = 8.0
"""Standard deviation in HR pixels of the blur below which the face takes over the photograph's brightness."""

LUMINANCE_WEIGHTS = np.array(images.LUMINANCE_WEIGHTS, np.float32)


def paste(canvas, luminance, transform):
    """Puts a face's luminance into a picture, in place. The picture's chroma stays: a grey one stays grey to the bit.

    The face's lowest frequencies are replaced by those of the picture below it, then it is warped, and blended in by a
    mask that falls to zero before the face's border. What lies outside the mask is not touched.

    Args:
        canvas: uint8 [H, W, 3] or [H, W, 1].
        luminance: float32 [128, 128] in [0, 1], the aligned face.
        transform: [2, 3] from the canvas's pixels to those of the face.
    """
    height, width = canvas.shape[:2]
    size = images.FACE_SIZE
    low, high = extent(transform)
    left, top = np.clip(np.floor(low), 0, [width, height]).astype(int)
    right, bottom = np.clip(np.ceil(high) + 1, 0, [width, height]).astype(int)
    if left >= right or top >= bottom:
        return
    below = alignment.warp(canvas, transform, (size, size)) / 255
    lowest = cv2.GaussianBlur(_luminance(below) - luminance, (0, 0), MATCHED_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    matched = 255 * (luminance + lowest)
    to_part = alignment.after(np.array([[1.0, 0, -left], [0, 1, -top]]), alignment.inverse(transform))
    warped = alignment.warp(np.stack([matched, mask()], axis=-1), to_part, (right - left, bottom - top))
    inside = cv2.warpAffine(np.ones((size, size), np.uint8), to_part, (int(right - left), int(bottom - top)),
                            flags=cv2.INTER_NEAREST)
    part = canvas[top:bottom, left:right].astype(np.float32)
    weight = inside * np.clip(warped[..., 1], 0, 1)
    change = weight * (warped[..., 0] - 255 * _luminance(part / 255))
    canvas[top:bottom, left:right] = np.clip(np.round(part + change[..., None]), 0, 255).astype(np.uint8)


def extent(transform):
    """The upright rectangle ((x, y), (x, y)) that holds the aligned face, in pixels of what it was aligned from."""
    found = alignment.moved(alignment.inverse(transform), alignment.corners(images.FACE_SIZE, images.FACE_SIZE))
    return found.min(axis=0), found.max(axis=0)


def mask():
    """The face's share in the blend: float32 [128, 128] in [0, 1], smooth, one in the middle and zero at the border."""
    to_border = (np.minimum(np.arange(images.FACE_SIZE), np.arange(images.FACE_SIZE)[::-1]) - 2) / FEATHER
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(to_border, 0, 1))
    return np.outer(ramp, ramp).astype(np.float32)


def _luminance(picture):
    return picture[..., 0] if picture.shape[-1] == 1 else picture @ LUMINANCE_WEIGHTS
