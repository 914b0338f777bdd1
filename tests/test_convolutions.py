import chex
import jax
import pytest

from gln_jax.models import convolutions


@pytest.mark.parametrize('size, inputs, filters', [((5, 5), 2, 16), ((7, 7), 16, 64), ((7, 3), 64, 32), ((5, 3), 16, 1)])
def test_the_gradients_are_those_of_a_convolution(size, inputs, filters):
    """Whichever way they are computed: at once or in pieces, with maps and gradient changed about."""
    check(size, inputs, filters)


@pytest.mark.parametrize('piece', [240, 50, 1])
def test_the_gradients_are_those_of_a_convolution_in_pieces_of_any_size(piece, monkeypatch):
    """Two images of 12x10 and one left over; 5, 5 and 2 rows of each; row by row."""
    monkeypatch.setattr(convolutions, 'PIECE', piece)
    check((5, 3), 16, 32)


def check(size, inputs, filters):
    shapes = (3, 12, 10, inputs), (*size, inputs, filters), (3, 12, 10, filters)
    maps, kernel, gradient = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes))

    def plain(maps, kernel):
        return jax.lax.conv_general_dilated(maps, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))

    image, pullback = jax.vjp(convolutions.convolved, maps, kernel)
    expected, expected_pullback = jax.vjp(plain, maps, kernel)
    chex.assert_trees_all_close(image, expected, rtol=1e-4, atol=1e-4)
    chex.assert_trees_all_close(pullback(gradient), expected_pullback(gradient), rtol=1e-4, atol=1e-4)
