"""The paper's generator (section 3, figure 2): the global network, the local one, and their join.

Images are luminance in [0, 1], shape [batch, height, width, 1]. The paper names no initial weights. Here a local
network first gives the sum of its input maps, by a path of ones through its first channels, with He's normal weights (He et
al. 2015) beside it: a GLN's first output is nearly the bilinear image, LN-Only's is the bilinear image, and they learn
what is missing. GN-Only is random at first. The fast network and the baselines' networks name their own.
"""

import flax.linen as nn
import jax.numpy as jnp

from gln_jax import images
from gln_jax.models import layers

DETAIL_WIDTHS = {4: (512, 256, 512), 8: (256, 256, 256)}  # units of the detail stream's hidden layers, for each scale

LOCAL_LAYERS = {
    'ln4': ((5, 16), (7, 64), (5, 16), (5, 1)),
    'ln6': ((5, 16), (7, 32), (7, 64), (7, 32), (5, 16), (5, 1)),
    'ln8': ((5, 16), (7, 32), (7, 64), (7, 64), (7, 64), (7, 32), (5, 16), (5, 1)),
    'ln3': ((5, 8), (5, 16), (5, 1)),  # not in the paper: small enough for the quickstart
}
"""(kernel size, filters) of each convolution of the local networks."""


class GlobalLocalNetwork(nn.Module):
    """GLN: the global network's two maps, joined by a local network."""

    scale: int
    local: str = 'ln8'

    @nn.compact
    def __call__(self, lr):
        maps = jnp.concatenate(_global_maps(self.scale, lr), axis=-1)
        return LocalNetwork(LOCAL_LAYERS[self.local], name='local')(maps)


class GlobalNetwork(nn.Module):
    """The global network's two maps, summed: what a GLN gives whose local network only passes them on.

    On a CPU it trains a hundred times as fast as GLN4, which can begin with its weights (`train.py --init`).
    """

    scale: int

    @nn.compact
    def __call__(self, lr):
        return sum(_global_maps(self.scale, lr))


def _global_maps(scale, lr):
    """The two maps of the global network, [n, h*scale, w*scale, 1] each, made inside the module that calls."""
    return layers.Deconvolution(scale, name='upsampling')(lr), Detail(scale, last_layer_gain=0.01, name='detail')(lr)


class GlobalNetworkOnly(nn.Module):
    """The ablation GN-Only: the fully connected stream gives the HR image itself."""

    scale: int

    @nn.compact
    def __call__(self, lr):
        return Detail(self.scale, name='detail')(lr)


class LocalNetworkOnly(nn.Module):
    """The ablation LN-Only: GLN8's local network on the bilinearly upsampled image."""

    scale: int

    @nn.compact
    def __call__(self, lr):
        return LocalNetwork(LOCAL_LAYERS['ln8'], name='local')(images.upsample(lr, self.scale, 'bilinear'))


class Detail(nn.Module):
    """The global detail stream: fully connected layers from all LR pixels to a signed map of all HR pixels."""

    scale: int
    last_layer_gain: float = 1.0

    @nn.compact
    def __call__(self, lr):
        n, height, width, _ = lr.shape
        code = lr.reshape(n, height * width)
        for units in DETAIL_WIDTHS[self.scale]:
            code = nn.relu(nn.Dense(units, kernel_init=nn.initializers.he_normal())(code))
        small_normal = nn.initializers.variance_scaling(self.last_layer_gain, 'fan_in', 'normal')
        detail = nn.Dense(height * width * self.scale**2, kernel_init=small_normal)(code)
        return detail.reshape(n, height * self.scale, width * self.scale, 1)


class LocalNetwork(nn.Module):
    """Convolutions at full resolution, stride 1, same padding, ReLU between them, the last one linear."""

    convolutions: tuple  # (kernel size, filters) of each

    @nn.compact
    def __call__(self, maps):
        for kernel_size, filters in self.convolutions[:-1]:
            maps = layers.Conv(kernel_size, filters, layers.pass_on_and_he_normal, nn.relu)(maps)
        return layers.Conv(*self.convolutions[-1], layers.pass_on)(maps)
