"""Canvas of the drawn faces: grids, curves, soft masks, paint and smooth noise, with NumPy and OpenCV.

Positions and lengths are in pixels of the finished 128x128 face, (0, 0) at the centre of its top left pixel, x to the
right and y down. The canvas has `SUPERSAMPLING` times as many pixels each way. Colours are RGB in [0, 1].
"""

import functools
from typing import NamedTuple

import cv2
import numpy as np

SIZE = 128
SUPERSAMPLING = 2
CANVAS = SIZE * SUPERSAMPLING

_POSITIONS = ((np.arange(CANVAS, dtype=np.float32) + 0.5) / SUPERSAMPLING - 0.5)
X = _POSITIONS[None, :]
"""x of every canvas column, [1, CANVAS]."""
Y = _POSITIONS[:, None]
"""y of every canvas row, [CANVAS, 1]."""

_FRACTION_BITS = 4  # OpenCV draws at positions given in sixteenths of a canvas pixel


class Mask(NamedTuple):
    """How much of each canvas pixel something covers, in [0, 1], known inside one window and 0 outside it."""
    values: np.ndarray  # [window height, window width] float32
    rows: slice
    columns: slice

    def times(self, other):
        """The mask cut by another mask of the same window."""
        return self._replace(values=self.values * other.values)

    def grids(self):
        """x [1, window width] and y [window height, 1] of the window."""
        return X[:, self.columns], Y[self.rows]


def everywhere(values):
    """A mask over a whole picture, from values of its height and width."""
    return Mask(values.astype(np.float32, copy=False), slice(None), slice(None))


def curve(points, steps=8):
    """A smooth line (Catmull-Rom) through `points` [N, 2], `steps` vertices for each gap: [(N - 1) * steps + 1, 2]."""
    points = np.asarray(points, np.float32)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    before, start, end, after = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    vertices = 0.5 * (2 * start + (end - before) * t + (2 * before - 5 * start + 4 * end - after) * t ** 2
                      + (3 * start - before - 3 * end + after) * t ** 3)
    return np.concatenate([vertices.reshape(-1, 2), points[-1:]])


def filled(outline, softness=0.3):
    """Mask of the polygon `outline` [N, 2], its edge blurred by `softness` pixels (standard deviation)."""
    return _drawn(outline, softness, lambda canvas, points: cv2.fillPoly(
        canvas, points, 255, cv2.LINE_AA, _FRACTION_BITS), [outline])


def stroked(lines, width, softness=0.25):
    """Mask of polylines, a list of [N, 2], each `width` pixels wide (at least one canvas pixel)."""
    thickness = max(1, round(width * SUPERSAMPLING))
    return _drawn(np.concatenate(lines), softness + width, lambda canvas, points: cv2.polylines(
        canvas, points, False, 255, thickness, cv2.LINE_AA, _FRACTION_BITS), lines, softness)


def _drawn(extent, reach, draw, lines, softness=None):
    softness = reach if softness is None else softness
    margin = 3 * reach + 1
    low = np.clip(np.floor((extent.min(0) - margin) * SUPERSAMPLING), 0, CANVAS - 1).astype(int)
    high = np.clip(np.ceil((extent.max(0) + margin) * SUPERSAMPLING), low + 1, CANVAS).astype(int)
    window = np.zeros(tuple(high - low)[::-1], np.uint8)
    scale = 1 << _FRACTION_BITS
    draw(window, [np.round(((line + 0.5) * SUPERSAMPLING - 0.5 - low) * scale).astype(np.int32) for line in lines])
    values = window.astype(np.float32) / 255
    return Mask(blurred(values, softness), slice(low[1], high[1]), slice(low[0], high[0]))


def ellipse(centre, radii, softness=0.3):
    """Mask of an upright ellipse with `radii` (x, y) in pixels."""
    angles = np.linspace(0, 2 * np.pi, 25, dtype=np.float32)
    return filled(np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], 1), softness)


def blurred(values, sigma):
    """Gaussian blur by `sigma` pixels; wide blurs are made on a reduced copy, which takes a tenth of the time."""
    sigma = sigma * SUPERSAMPLING
    if sigma < 0.1:
        return values
    if sigma < 8 or min(values.shape[:2]) < 64:
        return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    small = cv2.resize(values, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, values.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def paint(picture, mask, colour, strength=1.0):
    """Blends `picture` in place towards `colour`: RGB, or a whole picture of the canvas's size."""
    part = picture[mask.rows, mask.columns]
    cover = mask.values * np.float32(strength)
    colour = np.asarray(colour, np.float32)
    if colour.ndim == 3:
        part += (colour[mask.rows, mask.columns] - part) * coloured(cover, (1, 1, 1))
    else:
        part *= coloured(1 - cover, (1, 1, 1))
        part += coloured(cover, colour)


def tint(picture, mask, factors, strength=1.0):
    """Multiplies `picture` in place by `factors` (a number or RGB) where the mask is 1; the shading stays visible."""
    change = np.broadcast_to(np.asarray(factors, np.float32), 3) - 1
    picture[mask.rows, mask.columns] *= 1 + coloured(mask.values * np.float32(strength), change)


def coloured(values, colour):
    """`colour` (RGB) times `values` [height, width]: [height, width, 3]; much faster than broadcasting."""
    return cv2.merge([values * np.float32(channel) for channel in colour])


def bump(x, y, width, height):
    """A Gaussian hill of height 1 on the canvas; `width` and `height` are its standard deviations."""
    return np.exp(-0.5 * ((X - np.float32(x)) / width) ** 2) * np.exp(-0.5 * ((Y - np.float32(y)) / height) ** 2)


def step(values, low, high):
    """0 below `low`, 1 above `high`, smooth between (smoothstep)."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def coverage(distance):
    """Antialiased share of a pixel inside a shape, from the distance in pixels to its edge, positive inside."""
    return np.clip(distance * SUPERSAMPLING + 0.5, 0, 1)


@functools.cache
def _noise(sigma):
    noise = np.random.default_rng(0).standard_normal((2 * CANVAS, 2 * CANVAS)).astype(np.float32)
    reach = int(4 * sigma * SUPERSAMPLING) + 1
    noise = blurred(np.pad(noise, reach, 'wrap'), sigma)[reach:-reach, reach:-reach]
    return (noise - noise.mean()) / noise.std()


def noise(rng, sigma):
    """Smooth noise [CANVAS, CANVAS] with mean 0 and standard deviation 1, its grains about `sigma` pixels wide."""
    top, left = rng.integers(0, CANVAS, 2)
    return _noise(sigma)[top:top + CANVAS, left:left + CANVAS]


def strands(rng, across, along):
    """Noise [CANVAS, CANVAS] drawn out into strands: it changes fast with `across`, slowly with `along`, in pixels."""
    shift = rng.uniform(0, 2 * CANVAS, 2).astype(np.float32)
    columns = np.ascontiguousarray(np.broadcast_to(across * 2 + shift[0], (CANVAS, CANVAS)), np.float32)
    rows = np.ascontiguousarray(np.broadcast_to(along * 0.12 + shift[1], (CANVAS, CANVAS)), np.float32)
    fine = cv2.remap(_noise(0.6), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    coarse = cv2.remap(_noise(2.5), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return 0.45 * fine + 0.75 * coarse
