"""Whose a workdir is: a run's, of one config, one training set and one process at a time, and nobody else's."""

import contextlib

from gln_jax import config as settings
from gln_jax.runtime import claims, errors, files, hosts, provenance

CONFIG = 'config.json'


def check_is_free(workdir, config):
    """Makes the folder and finds it empty or this run's: nobody else's is written to, no other run continued."""
    claims.made(workdir, 'the run, --workdir=DIR')
    path = workdir / CONFIG
    if path.exists():
        differences = settings.differences(_config_in(path), config)
        if differences:
            raise errors.InputError(f'{workdir}: holds a run with another config ({"; ".join(differences)}); '
                                    'name another --workdir, or repeat its settings')
    elif workdir.exists() and any(workdir.iterdir()):
        raise errors.InputError(f'{workdir}: holds other files and no run of train.py; name another --workdir')


def check_goes_on_as_it_began(workdir, training_faces, digest, has_initial, teacher):
    """Raises InputError where what a run learns from is no more what it was: its bits would be others."""
    before = provenance.of(workdir)
    if has_initial and before and 'started_from' not in before:
        raise errors.InputError(f'--init: the run in {workdir} began without it; leave it out, or name another --workdir')
    elsewhere = f'or name another --workdir and go on from this one by --init={workdir}'
    faces = provenance.counts(training_faces)
    if before.get('training_faces', faces) != faces:
        raise errors.InputError(f'{workdir}: this run began with other training faces ({before["training_faces"]}, now '
                                f'{faces}); bring them back, {elsewhere}')
    if before.get('training_digest', digest) != digest:
        raise errors.InputError(f'{workdir}: this run began with other training faces: as many of each source, but other pictures '
                                f'or in another order; bring them back, {elsewhere}')
    if teacher and before.get('taught_by', {}).get('parameters', teacher.digest) != teacher.digest:
        raise errors.InputError(f'{workdir}: this run began with other parameters of its teacher, {teacher.description}; bring '
                                f'them back, {elsewhere}')


@contextlib.contextmanager
def claimed(workdir, config):
    """Makes `workdir` this run's, and this process's alone for as long as the context lasts.

    InputError: another process trains here, another run claimed it since `check_is_free`, or hosts do not share it.
    """
    with _alone_in(workdir):
        path = workdir / CONFIG
        if hosts.is_first():
            check_is_free(workdir, config)
            files.write(path, settings.to_json(config) + '\n')
        hosts.wait('workdir is claimed')
        if not path.exists():
            raise errors.InputError(f'{workdir}: is not on a disk that all hosts share; name a --workdir that is')
        yield


@contextlib.contextmanager
def _alone_in(workdir):
    """Raises InputError where another process on this disk trains in the folder: they would replace each other's files."""
    if files.is_in_bucket(workdir) or not hosts.is_first():
        yield
        return
    with claims.alone_in(workdir, 'is training here; wait for its end'):
        yield


def _config_in(path):
    try:
        return settings.from_json(path.read_text())
    except ValueError as error:
        raise errors.InputError(f'{path}: not a config of this version ({error}); name another --workdir') from error
