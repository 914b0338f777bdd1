"""Several hosts that train together: how they meet, wait for one another, agree, and part.

All hosts run the same command and do the same steps, each on its share of the faces. What only one may do, the first host
does alone: it prints, claims the workdir and records how the run came to be, validates, writes metrics.jsonl and TensorBoard
(training.train), makes the first state and says which checkpoint is restored (`from_first`, checkpoints.Checkpoints), and
scores in the end (train.py). `is_first` decides all of these.
"""

import contextlib
import os
import signal
import sys
import time
import traceback

import jax
from jax.experimental import multihost_utils
from jax._src.clusters import ClusterEnv
import numpy as np

from gln_jax.runtime import errors, supervision

WAIT = 600  # seconds that a host waits for all others to come, when a run begins
LOST_AFTER = 20  # seconds without a sign of life after which a host counts as lost, and all others end
SCORING = 24 * 3600  # seconds that the other hosts wait while the first one scores. One that is lost ends the wait at once


def is_first():
    """Whether this host is the one that does what is done once. It is, where there is no other."""
    return jax.process_index() == 0


def expected(processes=None):
    """How many processes are to train together: `processes`, or what JAX finds (TPU pods, Slurm, Open MPI), or 1.

    JAX's detection is not public; `jax.distributed.initialize` would find the same, and wait for them at once.
    """
    if processes is not None:
        return processes
    return ClusterEnv.auto_detect_unset_distributed_params('unused', None, 0, [0], None, None)[1] or 1


def join(coordinator=None, processes=None, process=None):
    """Waits for all processes and joins them; does nothing where there is one. To be called before all else of JAX.

    `coordinator` is 'address:port' of the first host, the same on all, `processes` how many there are in all, `process` which
    of them this one is, from 0; None is what JAX finds. Raises InputError where one of these is wrong.
    """
    count = expected(processes)
    if count == 1:
        return
    if supervision.is_supervised():
        supervision.die_with_parent()
    print(f'waiting for all of {count} processes, for up to {WAIT // 60} minutes', flush=True)
    try:
        jax.distributed.initialize(coordinator, processes, process, initialization_timeout=WAIT,
                                   heartbeat_timeout_seconds=LOST_AFTER, shutdown_timeout_seconds=SCORING)
    except (ValueError, RuntimeError) as error:
        raise errors.InputError(f'the processes cannot be joined: {error} (--coordinator={coordinator} '
                                f'--num_processes={processes} --process_id={process})') from error
    if not is_first():
        sys.stdout = open(os.devnull, 'w')


@contextlib.contextmanager
def together():
    """Around all that follows `join`: a host that fails goes at once, so that the others notice and end too.

    An ordinary exit would wait for them, and they for it. Where it is another host that is lost, this one may meet an
    exception before JAX finds out, and ends the process; that is waited for, so that `supervision` can report it.
    """
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, SystemExit) else 1
        if not jax.distributed.is_initialized() or code in (None, 0, supervision.TERMINATED):
            raise
        if not isinstance(error, SystemExit):
            time.sleep(2 * LOST_AFTER)
            traceback.print_exc()
        elif is_first():
            time.sleep(2)  # the others may be about to report the same error, and cannot once the first has gone
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(name):
    """Returns when all hosts have come to the place in the program that has this name."""
    multihost_utils.sync_global_devices(name)


def first_before_others(function, name):
    """`function()`, on the first host and then on all others at once.

    What prepares files does so once where the hosts share a disk, and once on each disk where they do not.
    """
    if not is_first():
        wait(name)
    result = function()
    if is_first():
        wait(name)
    return result


def from_first(function, shape):
    """What `function()`, called on the first host alone, gives, on all hosts: arrays shaped like the tree `shape`."""
    arrays = function() if is_first() else jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shape)
    return multihost_utils.broadcast_one_to_all(arrays)


def agreed(number):
    """The first host's `number`, an int, on all hosts; what the others give does not matter."""
    return int(from_first(lambda: np.int32(number), jax.ShapeDtypeStruct((), np.int32)))


@contextlib.contextmanager
def termination():
    """A function of the step, to be called once after each: the exit code to end there with, as SIGTERM or Ctrl-C came, or 0.

    SIGTERM to one host ends all, after the same step; where there are several, JAX catches it from `join` on, and Ctrl-C
    ends at once, as a second one does.
    """
    if jax.distributed.is_initialized():
        yield lambda step: supervision.TERMINATED if multihost_utils.reached_preemption_sync_point(step) else 0
        return

    def noticed(number):
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            print('saving after this step; Ctrl-C again ends at once', file=sys.stderr)

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as in the background of a script
        numbers.append(signal.SIGINT)
    with supervision.caught_signals(noticed, *numbers) as received:
        yield lambda step: 128 + received[0] if received else 0
