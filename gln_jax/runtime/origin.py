"""What tables of scores say of where they come from: commits and processor."""

import pathlib
import platform
import sys

from gln_jax.runtime import processors, provenance


def with_this_commit(commits, where):
    """`commits`, at which scores in the folder `where` were made, and the current one; a warning where that is another."""
    here = provenance.commit()
    if commits and here not in commits:
        print(f'warning: {where}: what is there was scored at commit {", ".join(each or "unknown" for each in commits)}, and '
              f'this is {here or "unknown"}: two versions of the code in one table, which will name both; a new folder has one',
              file=sys.stderr)
    return list(dict.fromkeys([*commits, here]))


def processor():
    """The processor's name and the number of cores that this process may use, '2 cores of AMD EPYC' say."""
    try:
        lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
        name = next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f'{(cores := processors.cores())} core{"s" if cores > 1 else ""} of {name}'
