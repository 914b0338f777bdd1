"""Cores and memory by affinity and by the limits of control groups, of files as Linux shows them."""

import os

import pytest

from gln_jax.runtime import processors


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: set(range(8)), raising=False)


@pytest.fixture
def system(tmp_path):
    def with_files(**contents):
        for path, text in contents.items():
            path = tmp_path / path.replace('__', '/')
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path
    return with_files


def test_affinity_alone(system):
    assert processors.cores(system()) == 8
    assert processors.memory(system()) is None


@pytest.mark.parametrize('quota, cores', [('max 100000', 8), ('400000 100000', 4), ('150000 100000', 1), ('50000 100000', 1),
                                          ('1600000 100000', 8), ('200000 50000', 4)])
def test_the_quota_of_version_2(system, quota, cores):
    files = {'proc__self__cgroup': '0::/job/one\n', 'sys__fs__cgroup__job__cpu.max': quota}
    assert processors.cores(system(**files)) == cores, 'of a group around its own'


def test_the_smallest_quota_counts(system):
    assert processors.cores(system(**{
        'proc__self__cgroup': '0::/job/one\n', 'sys__fs__cgroup__job__one__cpu.max': 'max 100000',
        'sys__fs__cgroup__job__cpu.max': '300000 100000', 'sys__fs__cgroup__cpu.max': '500000 100000'})) == 3


@pytest.mark.parametrize('folder', ['cpu,cpuacct/docker/a1', 'cpu/docker/a1', 'cpu,cpuacct', 'cpu'])
@pytest.mark.parametrize('quota, cores', [('-1', 8), ('250000', 2)])
def test_the_quota_of_version_1(system, folder, quota, cores):
    """Inside a container, its own group may be the root."""
    folder = 'sys/fs/cgroup/' + folder
    files = {'proc__self__cgroup': '5:memory:/docker/a1\n4:cpu,cpuacct:/docker/a1\n1:name=systemd:/docker/a1\n',
             f'{folder}/cpu.cfs_quota_us': quota, f'{folder}/cpu.cfs_period_us': '100000'}
    assert processors.cores(system(**files)) == cores


@pytest.mark.parametrize('files, limit', [
    ({}, 2**34),
    ({'sys__fs__cgroup__job__memory.max': '1073741824'}, 2**30),
    ({'sys__fs__cgroup__job__memory.max': 'max'}, 2**34),
    ({'sys__fs__cgroup__memory__job__memory.limit_in_bytes': '536870912'}, 2**29),
    ({'sys__fs__cgroup__memory__job__memory.limit_in_bytes': '9223372036854771712'}, 2**34)])
def test_memory(system, files, limit):
    assert processors.memory(system(**files, **{
        'proc__self__cgroup': '4:memory:/job\n0::/job\n', 'proc__meminfo': 'MemTotal:       16777216 kB\nMemFree: 1 kB\n'})) == limit


def test_freed_memory_can_be_kept():
    processors.keep_freed_memory()
