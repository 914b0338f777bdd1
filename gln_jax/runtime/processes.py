"""Worker processes, which end with the process that started them."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import threading

import cv2

from gln_jax.runtime import errors

AT_ONCE = 4096

_first_user = []


def check_is_no_fork():
    """Raises RunError in a process that was forked from one that called this: without JAX's threads it would hang."""
    if not _first_user:
        _first_user.append(os.getpid())
    if _first_user[0] != os.getpid():
        raise errors.RunError('this process was forked from one that has used gln_jax, and would wait for ever for threads '
                              "that are not in it; use multiprocessing.get_context('spawn')")


def pool(processes):
    """A `ProcessPoolExecutor` of so many processes."""
    start = multiprocessing.get_context('forkserver')  # a fork would copy JAX's threads in the middle of their work
    return concurrent.futures.ProcessPoolExecutor(processes, start, _begin)


@contextlib.contextmanager
def mapped(function, items, processes):
    """The results of `function` for all items (a list), in order, made by so many processes; RunError if one is killed."""
    if processes == 1:
        yield map(function, items)
        return
    workers = pool(processes)
    try:
        # Not all at once: what is made faster than it is used would fill the memory.
        yield (result for start in range(0, len(items), AT_ONCE)
               for result in workers.map(function, items[start:start + AT_ONCE], chunksize=4))
    except concurrent.futures.BrokenExecutor as error:
        raise errors.RunError('a process was killed, most likely for want of memory; the same command with fewer processes '
                              '(--processes, or taskset) continues') from error
    finally:
        workers.shutdown(cancel_futures=True)


def _begin():
    cv2.setNumThreads(1)  # each process has its own core
    die_with_parent()


def die_with_parent():
    """Lets this worker end when its parent does, however that happens: it would wait for ever for one that was killed."""
    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
