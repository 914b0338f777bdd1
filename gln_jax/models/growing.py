"""The initial weights of a network that begins with a trained part of itself."""

import jax.numpy as jnp


def from_part(fresh, part):
    """A generator's `fresh` parameters with those of a trained `part` of it in their place.

    The part is GLN's global network alone, a GLN with fewer layers, or a fast network of fewer blocks.
    """
    deeper = {'local': deepened(fresh['local'], part['local'])} if 'local' in part else {}
    return fresh | part | deeper


def deepened(fresh, part):
    """Parameters of a local network that gives what one of fewer layers, `part`, gives (Chen et al. 2016, "Net2Net").

    Both are {'Conv_0': {'kernel': [height, width, inputs, filters], 'bias': [filters]}, ...}, as the larger one's on
    return. It takes the part's layers in order; a layer of another size than the next of these passes its input on, as a
    ReLU leaves that as it is, or where it is too narrow for that, holds that next one all the same. Filters that the part
    has not are those of `fresh`, and no filter of the part sees them at first.
    """
    of_part = [part[name] for name in _in_order(part)]
    layers, channels = {}, None  # channels: so many of the layer's inputs carry what the part gives
    for name in _in_order(fresh):
        size = fresh[name]['kernel'].shape
        if of_part[0]['kernel'].shape[::3] == size[::3] or size[3] < channels:
            layer = of_part.pop(0)
        else:
            layer = {'kernel': jnp.eye(channels)[None, None], 'bias': jnp.zeros(channels)}
        channels = len(layer['bias'])
        layers[name] = _with_filters_beside(layer, fresh[name])
    return layers


def _in_order(layers):
    return sorted(layers, key=lambda name: int(name.removeprefix('Conv_')))


def _with_filters_beside(layer, fresh):
    """`layer`, its kernel amid zeros where `fresh` has a larger one, with the filters that only `fresh` has beside its own."""
    height, width, inputs, filters = layer['kernel'].shape
    top, left = [(whole - part) // 2 for whole, part in zip(fresh['kernel'].shape, (height, width))]
    kernel = fresh['kernel'].at[..., :filters].set(0)
    kernel = kernel.at[top:top + height, left:left + width, :inputs, :filters].set(layer['kernel'])
    return {'kernel': kernel, 'bias': fresh['bias'].at[:filters].set(layer['bias'])}
