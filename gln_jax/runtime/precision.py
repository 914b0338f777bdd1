"""The number format of the matrix work: bfloat16 halves what moves through memory and is what matrix units are built for.

Parameters, optimiser, EMA and losses stay float32. A network is computed in bfloat16 by rounding its
parameters and its input to it (mixed precision, Micikevicius et al. 2018; bfloat16 has float32's range, so that no
loss needs scaling), and gradients come back through the rounding as float32.

GPUs and TPUs multiply float32 in fewer bits unless they are asked otherwise, as is done here for what is to be float32.
"""

import jax
import jax.numpy as jnp

DTYPES = ('auto', 'float32', 'bfloat16')


def of(config):
    """The dtype that `config.compute_dtype` names; 'auto' is bfloat16 but on CPUs, which have no units for it."""
    if config.compute_dtype == 'auto':
        return jnp.float32 if jax.default_backend() == 'cpu' else jnp.bfloat16
    return jnp.dtype(config.compute_dtype)


def bits(dtype):
    """What to ask JAX's matrix products for, so that those of `dtype` count all its bits."""
    return 'highest' if jnp.dtype(dtype) == jnp.float32 else 'default'


def applied(module, dtype):
    """The function (parameters, images) -> `module`'s result in float32, computed in `dtype`."""
    def apply(parameters, images):
        parameters, images = jax.tree.map(lambda array: array.astype(dtype), (parameters, images))
        with jax.default_matmul_precision(bits(dtype)):
            return module.apply({'params': parameters}, images).astype(jnp.float32)

    return apply
