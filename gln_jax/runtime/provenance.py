"""How a run came to be, kept in its workdir and in the weights files made from it: command, commit, data, machine."""

import collections
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys

import jax

import gln_jax
from gln_jax.runtime import files

PACKAGE = pathlib.Path(gln_jax.__file__).resolve().parent

FILE = 'provenance.json'


def record(workdir, faces, digest, initial=None, teacher=None, computing=None):
    """Writes FILE into `workdir`: of a run that begins, as the start counts of one that is continued.

    Args:
        faces: what it trains on, as returned by `data.faces.load`; their number by source is kept.
        digest: a name for the contents of these faces.
        initial: its initial generator, as returned by `weights.load_generator`, or None; its own record is kept, and name and
            digest of the reconstruction network that it is or comes from.
        teacher: the generator that it learns from, as `initial`; its name and a digest of its parameters are kept.
        computing: how it computes: 'compute_dtype', the number format of its matrix work, and 'convolutions', their form.
    """
    files.write(files.path(workdir) / FILE, json.dumps({
        'command': command(),
        'commit': commit(),
        'training_faces': counts(faces),
        'training_digest': digest,
        'devices': devices(),
        'versions': versions(),
        **(computing or {}),
        **({'started_from': initial.card.get('provenance', {}), 'partner': initial.partner} if initial else {}),
        **({'taught_by': {'network': teacher.description, 'parameters': teacher.digest}} if teacher else {}),
    }, indent=2) + '\n')


def counts(faces):
    """{source: number of faces}, the largest first."""
    return dict(collections.Counter(str(source) or 'all' for source in faces.sources).most_common())


def of(workdir):
    """What `record` wrote into `workdir`, {} where there is nothing."""
    path = files.path(workdir) / FILE
    return json.loads(path.read_text()) if path.exists() else {}


def command():
    """The command line of this process, as it can be typed again."""
    program, root = pathlib.Path(sys.argv[0]).resolve(), PACKAGE.parent
    if program.is_relative_to(PACKAGE):  # started by -m, which leaves the file's whole path
        room = '.'.join(program.relative_to(root).with_suffix('').parts).removesuffix('.__main__')
        return shlex.join(['python', '-m', room, *sys.argv[1:]])
    return shlex.join(['python', *sys.argv])


def commit():
    """The commit of this program, with '+' where files differ from it; '' outside of its own git checkout, or without git.

    An environment may lie inside somebody else's checkout, or its own: git would answer for a program that it does not hold.
    """
    if _git('rev-parse', '--show-toplevel') != str(PACKAGE.parent) or not _git('ls-files', '__init__.py'):
        return ''
    return _git('describe', '--always', '--abbrev=12', '--dirty=+', '--exclude=*')


def _git(*command):
    """What a git command prints in the folder of this program; '' where it fails or there is no git."""
    others = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}  # a hook's, of its repository
    try:
        return subprocess.run(['git', *command], cwd=PACKAGE, env=others, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ''


def devices():
    return f'{jax.device_count()} x {jax.devices()[0].device_kind}'


def versions():
    return {'python': platform.python_version(), 'jax': jax.__version__}
