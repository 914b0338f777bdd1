"""Convolutions in the Fourier domain, in tiles: what CPUs compute several times as fast as the direct form.

A convolution with a kernel of k weights becomes a product, number by number, after a transform of both. A discrete Fourier
transform (DFT) of T pixels evaluates a polynomial, whose coefficients they are, at the T roots of unity; the T coefficients
of a product of two polynomials are known from its values at any T points. So an image is cut into tiles of O x O results,
O = T - k + 1, each read with the k // 2 pixels around it ("overlap-save"), and all of a tile is three products by small
matrices along its rows and along its columns:

    result = A ((G kernel G') * (B tile B')) A'            summed over the channels, before A

Points are conjugate pairs on the unit circle, as a DFT's, whose complex product takes three real ones (Gauss), of re, im and
re + im; and real points, one product each: the more of them, the fewer products and the larger the error. `TILES` has for
each k what a search found. For c channels to f, multiply-adds a pixel:

    k   O   T   products along an axis   for each of the c   for each of the f   for each pair   directly
    3   8   10  R = 8 + 3 * 1 = 11                      33                  26             1.9          9
    7   16  22  R = 10 + 3 * 6 = 28                    106                  77             3.1         49

The largest error is 2e-6 of the largest number. Every step is a large matrix product without any transposition, and a row's
numbers stay in the processor's cache from the second transform to its inverse. docs/speed.md has the time of each step.

Sources: Mathieu, Henaff, LeCun 2013 (arXiv:1312.5851); Zlateski, Jia, Li, Durand 2018 (arXiv:1809.07851), which has tiles
on CPUs and Gauss's three products; the form with three matrices is Lavin and Gray's (arXiv:1509.09308).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Tile(NamedTuple):
    results: int  # O, along a side
    real_points: tuple  # each with its negative; beside them 0, infinity (the highest coefficient) and pairs on the circle


TILES = {3: Tile(8, (0.6, 1, 1.75)), 7: Tile(16, (0.6, 0.9, 1.1, 1.6))}
"""Of each kernel size k that there is. O divides the sides of maps, 16 to 128, so that no tile hangs over."""


def convolved(maps, kernel):
    """Maps [n, h, w, c] convolved with a kernel [k, k, c, f], k of TILES, stride 1, same padding: [n, h, w, f]."""
    to_spectrum, kernel_to_spectrum, from_spectrum = _matrices(len(kernel), maps.dtype)
    reach, results = len(kernel) // 2, len(from_spectrum)

    def by_columns(row):
        tiles, taps = row  # [O, n, rows, columns, c] and [k, c, f], of one number of the transform along the rows
        spectrum = _along(to_spectrum, _with_neighbours(tiles, reach))
        return _along(from_spectrum, _channel_products(spectrum, _along(kernel_to_spectrum, taps)))

    tiles = _along(to_spectrum, _with_neighbours(_tiled(maps, results), reach))  # [R, O, n, rows, columns, c]
    tiles = jax.lax.map(by_columns, (tiles, _along(kernel_to_spectrum, kernel)))
    return _untiled(_along(from_spectrum, tiles), *maps.shape[1:3])


def gradients(maps, kernel, gradient):
    """The gradients of maps and kernel, given that of the result, [n, h, w, f]: each step of `convolved` transposed.

    The spectra are computed once more: kept, they would be four times the maps.
    """
    to_spectrum, kernel_to_spectrum, from_spectrum = _matrices(len(kernel), maps.dtype)
    reach, results = len(kernel) // 2, len(from_spectrum)

    def by_columns(row):
        tiles, taps, gradient = row
        spectrum = _along(to_spectrum, _with_neighbours(tiles, reach))
        weights = _along(kernel_to_spectrum, taps)
        of_products = _along(from_spectrum.T, gradient)
        of_spectrum = _channel_products(of_products, weights.swapaxes(1, 2))
        of_weights = jax.lax.dot_general(_flat(spectrum), _flat(of_products), (((1,), (1,)), ((0,), (0,))),
                                         precision='highest')
        return _to_neighbours(_along(to_spectrum.T, of_spectrum), reach), _along(kernel_to_spectrum.T, of_weights)

    tiles = _along(to_spectrum, _with_neighbours(_tiled(maps, results), reach))
    of_tiles, of_taps = jax.lax.map(
        by_columns, (tiles, _along(kernel_to_spectrum, kernel), _along(from_spectrum.T, _tiled(gradient, results))))
    of_maps = _to_neighbours(_along(to_spectrum.T, of_tiles), reach)
    return _untiled(of_maps, *maps.shape[1:3]), _along(kernel_to_spectrum.T, of_taps)


def _matrices(size, dtype):
    """B [R, T], G [R, size] and A [O, R] of a kernel of `size` taps: A @ ((G @ taps) * (B @ pixels)) are its O results.

    A polynomial of O coefficients times one of `size`, by their values at T points, is A' and G, products, and B'; the
    convolution's sums of pixels are that transposed.
    """
    tile = TILES[size]
    length = tile.results + size - 1
    real_points = np.array([0, *tile.real_points, *(-point for point in tile.real_points)])
    count = (length - len(real_points) - 1) // 2
    pairs = np.exp(1j * np.pi * (np.arange(count) + 1.75) / (count + 2.5))  # away from 1 and -1, where the real points are

    def values(coefficients):
        powers = np.arange(coefficients)
        real, pair = np.power.outer(real_points, powers), np.power.outer(pairs, powers)
        return np.concatenate([real, [powers == coefficients - 1], pair.real, pair.imag, pair.real + pair.imag])

    # By the products P of re, Q of im, and S of re + im, a complex product is P - Q and S - P - Q.
    real, re, im = np.split(np.linalg.inv(values(length)[:length]), [-2 * count, -count], axis=1)
    to_spectrum = np.concatenate([real, re - im, -re - im, im], axis=1).T
    return tuple(np.asarray(matrix, dtype) for matrix in (to_spectrum, values(size), values(tile.results).T))


def _along(matrix, array):
    """The product of a matrix [m, n] and the first axis of an array [n, ...]."""
    return jnp.tensordot(matrix, array, 1, precision='highest')


def _channel_products(spectrum, weights):
    """[R, ..., c] times [R, c, f], for each of R: [R, ..., f]."""
    products = jax.lax.dot_general(_flat(spectrum), weights, (((2,), (1,)), ((0,), (0,))), precision='highest')
    return products.reshape(*spectrum.shape[:-1], -1)


def _flat(spectrum):
    """[R, n, rows, columns, c] -> [R, n * rows * columns, c]."""
    return spectrum.reshape(len(spectrum), -1, spectrum.shape[-1])


def _tiled(maps, results):
    """[n, h, w, c] -> [O, O, n, rows, columns, c], continued by zeros to whole tiles of O = `results`."""
    n, height, width, channels = maps.shape
    rows, columns = -(-height // results), -(-width // results)
    maps = jnp.pad(maps, ((0, 0), (0, rows * results - height), (0, columns * results - width), (0, 0)))
    return maps.reshape(n, rows, results, columns, results, channels).transpose(2, 4, 0, 1, 3, 5)


def _untiled(tiles, height, width):
    """The inverse of `_tiled`."""
    results, _, n, rows, columns, channels = tiles.shape
    maps = tiles.transpose(2, 3, 0, 4, 1, 5).reshape(n, rows * results, columns * results, channels)
    return maps[:, :height, :width]


def _with_neighbours(tiles, reach):
    """[O, ...] -> [reach + O + reach, ...]: each tile, and what its neighbours along axis 3 have beside it, or zeros."""
    return jnp.concatenate([_shifted(tiles[len(tiles) - reach:], 1), tiles, _shifted(tiles[:reach], -1)])


def _to_neighbours(tiles, reach):
    """`_with_neighbours` transposed: [reach + O + reach, ...] -> [O, ...], with sums where tiles overlap."""
    before, tiles, after = tiles[:reach], tiles[reach:-reach], tiles[-reach:]
    return jnp.concatenate([tiles[:reach] + _shifted(after, 1), tiles[reach:-reach], tiles[-reach:] + _shifted(before, -1)])


def _shifted(tiles, places):
    """What stands at i - places of axis 3 of [x, y, z, tiles, ...], at i; zeros at the end."""
    return jax.lax.pad(tiles, np.zeros((), tiles.dtype),
                       [(places, -places, 0) if axis == 3 else (0, 0, 0) for axis in range(tiles.ndim)])
