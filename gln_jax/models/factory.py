"""The networks that a config names, and the function that restores with one."""

import functools
import math

import jax
import jax.numpy as jnp

from gln_jax.models import bccnn, discriminators, fast, gln, srcnn
from gln_jax.runtime import devices, precision

PARTS = {'gln3': ('gn',), 'gln4': ('gn',), 'gln6': ('gn', 'gln4'), 'gln8': ('gn', 'gln4', 'gln6')}
"""Networks whose parameters a network may begin with, besides its own (`growing.from_part`)."""


def generator(config):
    """The Flax module that `config.network` and `config.scale` name: LR [n, h, w, 1] -> HR [n, h*scale, w*scale, 1]."""
    if config.network == 'fast':
        return fast.FastGlobalLocalNetwork(config.scale, **config.fast)
    if config.network == 'srcnn':
        return srcnn.Srcnn(config.scale)
    if config.network == 'bccnn':
        return bccnn.Bccnn(config.scale)
    if config.network == 'gn':
        return gln.GlobalNetwork(config.scale)
    if config.network == 'gn_only':
        return gln.GlobalNetworkOnly(config.scale)
    if config.network == 'ln_only':
        return gln.LocalNetworkOnly(config.scale)
    return gln.GlobalLocalNetwork(config.scale, 'ln' + config.network.removeprefix('gln'))


def discriminator(config):
    """The Flax module that `config.adversarial.discriminator` names: HR [n, 128, 128, 1] -> logits [n, 2] or [n, h, w, 2]."""
    return discriminators.PatchDiscriminator() if config.adversarial.discriminator == 'patch' else discriminators.Discriminator()


def upsampler(config, parameters):
    """The compiled function of LR luminance [n, h, w, 1] in [0, 1] to HR luminance [n, h*scale, w*scale, 1], not clipped.

    Both are float32; a batch is split over this host's devices where it can be.
    """
    return functools.partial(devices.over_devices(precision.applied(generator(config), jnp.float32)), parameters)


def with_self_ensemble(upsampler):
    """`upsampler` twice: the mean of what it makes of an image, and, mirrored back, of its mirror image.

    A face is about as likely as its mirror image, so that their errors partly cancel (Timofte et al. 2016, "enhanced
    prediction"). The eyes of the template lie about column 64 and the middle of an image is at 63.5: mirrored, they are one
    pixel off the template, as they are in half of the training's faces.
    """
    return lambda lr: (upsampler(lr) + upsampler(lr[:, :, ::-1])[:, :, ::-1]) / 2


def parameter_count(parameters):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(parameters))
