"""What of the machine this process may use: cores and memory, within its affinity and its container's limits."""

import ctypes
import os
import pathlib

FILES = pathlib.Path('/')  # where proc and sys lie

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Of glibc's malloc.h: bytes kept at the end, pieces that are the system's own, pools."""

UNLIMITED = 2**60  # from so many bytes on, a limit of memory is none


def cores(files=FILES):
    """The number of cores that this process may use: of its affinity, or fewer by the CPU quota of its cgroup, at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return max(1, min(count, int(min(_quotas(files), default=count))))


def memory(files=FILES):
    """Bytes of memory that this process may use: the machine's, or fewer by the limit of its cgroup; None if unknown."""
    limits = [number for path in _cgroup(files, 'memory', 'memory.max', 'memory.limit_in_bytes')
              for number in _numbers(path) if number < UNLIMITED]
    try:
        total = (files / 'proc/meminfo').read_text().split('MemTotal:')[1].split()[0]
        limits.append(1024 * int(total))
    except (OSError, IndexError, ValueError):
        pass
    return min(limits, default=None)


def keep_freed_memory():
    """Has what is freed kept for the next request, where the C library is glibc; does nothing elsewhere.

    XLA takes memory for a program's intermediate results at each call. glibc gets large pieces from the system each time,
    page by page with zeros, which takes a quarter of a training step (docs/speed.md). All stays with the process.
    To be called before there are threads: all have one pool, as the others' pools go back to the system when they are empty.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_ARENA_MAX, 1)):
        mallopt(option, value)


def _quotas(files):
    """Cores' worth of time, of each cgroup around this process that has such a limit, in both versions of cgroups."""
    for path in _cgroup(files, 'cpu', 'cpu.max', 'cpu.cfs_quota_us'):
        numbers = _numbers(path)  # quota and period; of version 1 the period lies beside it
        if path.name == 'cpu.cfs_quota_us':
            numbers += _numbers(path.with_name('cpu.cfs_period_us'))
        if len(numbers) == 2 and min(numbers) > 0:
            yield numbers[0] / numbers[1]


def _cgroup(files, controller, name, name_in_version_1):
    """Paths of a limit's files, of this process's cgroup and those around it, up to the root that it sees."""
    try:
        lines = (files / 'proc/self/cgroup').read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(':', 2)
        if controllers and controller not in controllers.split(','):
            continue
        root, name_here = files / 'sys/fs/cgroup', name_in_version_1 if controllers else name
        # A container may see its own cgroup as the root, whatever /proc says its path is.
        for group in (pathlib.PurePosixPath(group), *pathlib.PurePosixPath(group).parents):
            for mount in {root / controllers, root / controller} if controllers else {root}:
                yield mount / group.relative_to('/') / name_here


def _numbers(path):
    """The whole numbers in a file; none where it is missing or says 'max'."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return []
