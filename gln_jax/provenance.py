"""How a run came to be, kept in its workdir and in the weights files made from it: command, commit, data, machine."""

import collections
import json
import pathlib
import platform
import shlex
import subprocess
import sys

import jax

from gln_jax import files

FILE = 'provenance.json'


def record(workdir, faces, initial=None):
    """Writes FILE into `workdir` if it is not there yet: of a run that was continued, the start counts.

    Args:
        workdir: the run's folder.
        faces: what it trains on, as of `data.faces.load`; their number by source is kept.
        initial: the generator that it starts from, as of `weights.load_generator`, or None; its own record is kept.
    """
    path = files.path(workdir) / FILE
    if not path.exists():
        files.write(path, json.dumps({
            'command': shlex.join(['python', *sys.argv]),
            'commit': _commit(),
            'training_faces': dict(collections.Counter(source or 'all' for source in faces.sources).most_common()),
            'devices': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
            'versions': {'python': platform.python_version(), 'jax': jax.__version__},
            **({'started_from': initial.card.get('provenance', {})} if initial else {}),
        }, indent=2) + '\n')


def of(workdir):
    """What `record` wrote into `workdir`, {} where there is nothing."""
    path = files.path(workdir) / FILE
    return json.loads(path.read_text()) if path.exists() else {}


def _commit():
    """The commit of this program, with '+' where files differ from it; '' outside a git checkout."""
    described = subprocess.run(['git', 'describe', '--always', '--abbrev=12', '--dirty=+', '--exclude=*'],
                               cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
    return described.stdout.strip()
