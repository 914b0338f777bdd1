"""The only file that says pmap: places the state, splits batches, maps an update or a network over this host's devices.

A mapped update takes and returns a state that looks like a single device's; its gradients are averaged inside, over the
devices of all hosts.
"""

import math
import os

import jax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

from gln_jax.runtime import errors, processors

AXIS = 'batch'  # name of the mapped axis over which a batch is split

DEVICE_COUNT = '--xla_force_host_platform_device_count'

FACES_OF_A_DEVICE = 4
"""Fewer faces are no work for a device of its own, where there are more than two: each steps all parameters. An estimate."""

MEMORY_OF_A_DEVICE = 2**30
"""Bytes that a device needs: its copy of the state, its gradients, and a training step of GLN8 on FACES_OF_A_DEVICE faces."""

PATIENCE = 600  # seconds that a core waits for the others before XLA ends the process: as long as a machine may be suspended


def a_device_per_core(*batch_sizes):
    """Makes every core a device of its own, where the devices are CPUs and batches of all these sizes can be split so.

    XLA shares the operations of one device badly over threads: on two devices of one core each, GLN4 and GLN8 train 1.2
    to 1.4 times as fast, and the fast network restores 1.4 times as fast. To be called before anything else of JAX; leaves
    it as it is where XLA_FLAGS already says how many devices there are. Raises InputError where there are no devices of the
    kind that JAX_PLATFORMS names.
    """
    given = os.environ.get('XLA_FLAGS', '')
    count = _cpu_devices(batch_sizes, processors.cores(), processors.memory())
    if count > 1 and DEVICE_COUNT not in given:
        os.environ['XLA_FLAGS'] = (f'{given} {DEVICE_COUNT}={count} '
                                   f'--xla_cpu_collective_call_terminate_timeout_seconds={PATIENCE}').strip()
    processors.keep_freed_memory()
    _prepare()


def _cpu_devices(batch_sizes, cores, memory):
    """How many devices the cores become: as many as split each batch evenly, with faces and memory enough for each.

    `cores` and `memory` (bytes, or None) are those that this process may use.
    """
    most = min(cores, max(2, min(batch_sizes) // FACES_OF_A_DEVICE))
    if memory:
        most = min(most, memory // MEMORY_OF_A_DEVICE)
    return max(count for count in range(1, max(1, most) + 1) if math.gcd(*batch_sizes) % count == 0)


def _prepare():
    """Finds the devices, and leaves 64 bits aside: whatever JAX_ENABLE_X64 says, a checkpoint has the same types."""
    jax.config.update('jax_enable_x64', False)
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts where it has found a plugin and no device
        raise errors.InputError(f'JAX_PLATFORMS={os.environ.get("JAX_PLATFORMS", "")}: there are no such devices here, or JAX '
                                f'is not installed for them; name others, cpu say, or none ({error})') from error


def training_batch_sizes(config):
    """{field: faces a step} of the stages that a run has."""
    stages = {'reconstruction': config.reconstruction.steps, 'adversarial': config.adversarial.turns}
    return {f'config.{stage}.batch_size': config[stage].batch_size for stage, length in stages.items() if length}


def mapped(update, devices=None):
    """`update(state, hr)` over all devices, of batches as `split` makes them; the state's buffers are given up to the result."""
    def step(state, pixels):
        return update(state, pixels.astype(np.float32) / 255)

    return jax.pmap(step, axis_name=AXIS, in_axes=(None, 0), out_axes=(None, None), donate_argnums=0,
                    devices=devices)


def over_devices(function):
    """`function(parameters, batch)`, compiled, to a NumPy array, with the batch split over this host's devices.

    Where it does not divide evenly, one device computes all of it.
    """
    alone = jax.jit(function)
    together = jax.pmap(function, axis_name=AXIS, in_axes=(None, 0), devices=jax.local_devices())

    def apply(parameters, batch):
        if jax.local_device_count() == 1 or len(batch) % jax.local_device_count():
            return np.asarray(alone(parameters, batch))
        parts = np.asarray(together(parameters, split(batch)))
        return parts.reshape(-1, *parts.shape[2:])

    return apply


def connect():
    """Makes all devices of all hosts meet once, at a time when no host is busy with anything else.

    Devices that are CPUs would give up where, at their first common sum, one host is half a minute behind another.
    """
    _prepare()
    jax.block_until_ready(jax.pmap(lambda one: jax.lax.psum(one, AXIS), axis_name=AXIS)(
        np.ones(jax.local_device_count(), np.float32)))


def placed(state):
    """`state` as a mapped update returns it, and wants it first: whole on each of this host's devices."""
    return jax.device_put(state, NamedSharding(Mesh(jax.local_devices(), (AXIS,)), PartitionSpec()))


def of_all_hosts(state):
    """A placed state as arrays that are whole on each device of all hosts, which is what hosts save together."""
    mesh = Mesh(jax.devices(), (AXIS,))
    return multihost_utils.host_local_array_to_global_array(state, mesh, PartitionSpec())


def split(batch):
    """This host's images [n, H, W, 1] as [devices, n / devices, H, W, 1]."""
    return batch.reshape(jax.local_device_count(), -1, *batch.shape[1:])


def check_batch_size(batch_size, field):
    """Raises InputError where a global batch cannot be split evenly over all devices."""
    if batch_size % jax.device_count():
        raise errors.InputError(f'{field}: {batch_size} faces cannot be split over {jax.device_count()} devices; '
                                'choose a multiple')
