"""Initializers of convolutions that pass an image on: GLN's local networks, and SRCNN in `models.srcnn`."""

import flax.linen as nn
import jax.numpy as jnp


def pass_on(key, shape, dtype=jnp.float32):
    """A kernel [height, width, inputs, filters] whose filter 0 passes on the image, with zeros elsewhere.

    The image is what stands in channel 0, or the sum of both channels where there are only the two maps.
    """
    del key
    height, width, inputs, _ = shape
    return jnp.zeros(shape, dtype).at[height // 2, width // 2, :2 if inputs == 2 else 1, 0].set(1)


def pass_on_and_he_normal(key, shape, dtype=jnp.float32):
    """As `pass_on` for filter 0; the other filters as in He et al. 2015."""
    he_normal = nn.initializers.he_normal()(key, shape, dtype)
    return pass_on(key, shape, dtype).at[..., 1:].set(he_normal[..., 1:])
