"""Muon (Jordan et al. 2024), an optimiser whose steps of a matrix have singular values that are all alike.

The momentum of each kernel, as a matrix inputs x outputs, is made about orthogonal by five Newton-Schulz iterations, and
scaled to the size of Adam's steps (Liu et al. 2025). On two CPU cores that took a third of the fast network's training where
each device did it for all kernels (`optax.contrib.muon`). Here each device does it for its share of them.
"""

import jax
import jax.numpy as jnp
import optax

from gln_jax.runtime import devices

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of x, x x^T x and (x x^T)^2 x in an iteration: they pull singular values towards 1 fast, and then into 0.7 to 1.2."""

RMS = 0.2  # root mean square of a step at learning rate 1, which is about Adam's
SMALLEST = 8  # inputs and outputs that a kernel must have; what has fewer, and biases, is stepped by Adam

LARGEST = 8192
"""Inputs or outputs that it may have. GLN's layer to all pixels has 16,384 and is stepped by Adam, as output layers
commonly are beside Muon: GLN4 at 4x trains 1.5 times as fast so."""


NO_MATRIX = 'upsampling'  # the layer whose kernel is rows x columns of pixels, GLN's deconvolution, and is stepped by Adam


def muon(schedule):
    """The optax transformation, to be used under the mapped axis `devices.AXIS`; `schedule`: the learning rate."""
    of_matrices = optax.chain(optax.trace(MOMENTUM, nesterov=True), _orthogonalized(), optax.scale_by_learning_rate(schedule))
    return optax.partition({'matrix': of_matrices, 'other': optax.adam(schedule)}, _kinds)


def orthogonal(matrix):
    """About U V^T of a matrix's singular value decomposition U S V^T."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    matrix = matrix / (jnp.linalg.norm(matrix) + 1e-8)
    first, third, fifth = COEFFICIENTS
    for _ in range(STEPS):
        square = matrix @ matrix.T
        matrix = first * matrix + (third * square + fifth * square @ square) @ matrix
    return matrix


def _kinds(parameters):
    def kind(path, leaf):
        is_matrix = leaf.ndim > 1 and NO_MATRIX not in [key.key for key in path]
        sizes = _inputs_and_outputs(leaf) if is_matrix else (0, 0)
        return 'matrix' if min(sizes) >= SMALLEST and max(sizes) <= LARGEST else 'other'

    return jax.tree_util.tree_map_with_path(kind, parameters)


def _inputs_and_outputs(kernel):
    return kernel.size // kernel.shape[-1], kernel.shape[-1]


def _orthogonalized():
    def step(kernel):
        shape = _inputs_and_outputs(kernel)
        return RMS * max(shape) ** 0.5 * orthogonal(kernel.reshape(shape)).reshape(kernel.shape)

    @optax.stateless
    def shared(momenta, _):
        kernels, structure = jax.tree.flatten(momenta)
        here = jax.lax.axis_index(devices.AXIS)
        steps = [jax.lax.cond(here == owner, step, jnp.zeros_like, kernel)
                 for owner, kernel in zip(owners(kernels, jax.lax.axis_size(devices.AXIS)), kernels)]
        return jax.tree.unflatten(structure, jax.lax.psum(steps, devices.AXIS))

    return shared


def owners(kernels, count):
    """Which of so many devices makes each kernel orthogonal, so that all have about as much to do."""
    costs = [orthogonalization_cost(kernel) for kernel in kernels]
    chosen, loads = [0] * len(kernels), [0] * count
    for number in sorted(range(len(kernels)), key=costs.__getitem__, reverse=True):
        chosen[number] = loads.index(min(loads))
        loads[chosen[number]] += costs[number]
    return chosen


def orthogonalization_cost(kernel):
    """Multiply-adds of `orthogonal`, up to a factor."""
    shape = _inputs_and_outputs(kernel)
    return min(shape) ** 2 * max(shape)
