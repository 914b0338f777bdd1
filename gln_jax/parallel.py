"""The only file that says pmap: places the state, splits batches, maps an update over this host's devices.

A mapped update takes and returns a state that looks like a single device's; its gradients are averaged inside, over the
devices of all hosts.
"""

import jax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

from gln_jax import errors, steps


def mapped(update, devices=None):
    """`update(state, hr)` over all devices; the state's buffers are given up to the result.

    Returns:
        (state, batches) -> (state, metrics) for `batches` as `split` makes them.
    """
    def step(state, pixels):
        return update(state, pixels.astype(np.float32) / 255)

    return jax.pmap(step, axis_name=steps.AXIS, in_axes=(None, 0), out_axes=(None, None), donate_argnums=0,
                    devices=devices)


def connect():
    """Makes all devices of all hosts meet once, at a time when no host is busy with anything else.

    Devices that are CPUs would give up where, at their first common sum, one host is half a minute behind another.
    """
    jax.block_until_ready(jax.pmap(lambda one: jax.lax.psum(one, steps.AXIS), axis_name=steps.AXIS)(
        np.ones(jax.local_device_count(), np.float32)))


def placed(state):
    """`state` as a mapped update returns it, and wants it first: whole on each of this host's devices."""
    return jax.device_put(state, NamedSharding(Mesh(jax.local_devices(), (steps.AXIS,)), PartitionSpec()))


def of_all_hosts(state):
    """A placed state as arrays that are whole on each device of all hosts, which is what hosts save together."""
    mesh = Mesh(jax.devices(), (steps.AXIS,))
    return multihost_utils.host_local_array_to_global_array(state, mesh, PartitionSpec())


def split(batch):
    """This host's uint8 faces [n, H, W, 1] as [devices, n / devices, H, W, 1]."""
    return batch.reshape(jax.local_device_count(), -1, *batch.shape[1:])


def check_batch_size(batch_size, field):
    """Raises InputError where a global batch cannot be split evenly over all devices."""
    if batch_size % jax.device_count():
        raise errors.InputError(f'{field}: {batch_size} faces cannot be split over {jax.device_count()} devices; '
                                'choose a multiple')
