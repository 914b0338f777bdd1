"""The only file that says orbax: whole training states on disk, with the config inside.

A workdir holds `checkpoints/<step>`, the last few, and `reconstruction/<step>`, the end of stage 1. Orbax writes a
checkpoint under another name and renames it when it is complete, so that a killed run leaves whole ones only. What
cannot be read all the same is moved to `unreadable/`.
"""

import contextlib
import gc
import logging
import sys
import warnings

import jax
from orbax.checkpoint import v1 as ocp

from gln_jax import config as settings
from gln_jax.runtime import errors, files, hosts

LATEST, RECONSTRUCTION = 'checkpoints', 'reconstruction'
"""The two folders of a workdir: the last checkpoints, and the end of stage 1."""

ASIDE = 'unreadable'  # the folder beside them for checkpoints that a run went on without
NONE = -1  # in place of a step: there is no checkpoint


class Checkpoints:
    """The checkpoints of one run, in one folder of its workdir. Use it as a context: leaving waits for the last write."""

    def __init__(self, directory, config):
        _quieten()
        self._directory = directory
        self._config = config
        self._checkpointer = ocp.training.Checkpointer(
            files.path(directory),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=ocp.training.preservation_policies.LatestN(config.checkpoint.keep),
            cleanup_tmp_directories=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with errors.full_disk_as_such(self._directory), contextlib.suppress(*[Exception] * (kind is not None)):
            self._checkpointer.close()

    def save(self, step, state):
        """Begins to write `state` as `<step>`; a complete checkpoint of that step is left as it is."""
        with errors.full_disk_as_such(self._directory):
            if step not in [checkpoint.step for checkpoint in self._checkpointer.checkpoints]:
                self._checkpointer.save_checkpointables_async(
                    step, {'state': state, 'config': {'json': settings.to_json(self._config)}})

    def wait(self):
        """Returns when what `save` began is on the disk."""
        with errors.full_disk_as_such(self._directory):
            self._checkpointer.wait()

    def restore_latest(self, shape_after):
        """The newest readable state, or None where there is no checkpoint; unreadable newer ones are moved aside.

        `shape_after` gives the shape of the state after so many steps, as `steps.shape_after` does for a config. The
        first host finds out which state it is, and the others read the same.

        Raises:
            InputError: there are checkpoints and none of them can be read; they are left as they are.
        """
        steps = sorted((checkpoint.step for checkpoint in self._checkpointer.checkpoints), reverse=True)
        restored, step = self._newest_readable(steps, shape_after) if hosts.is_first() else (None, None)
        step = hosts.agreed(step)
        if steps and step == NONE:
            raise errors.InputError(f'{self._directory}: none of the checkpoints here can be read; bring one back from a '
                                    'copy, name another --workdir, or remove this folder to begin again')
        self._set_aside(steps[:steps.index(step) if step in steps else None])
        return load_state(self._path(step), shape_after(step)) if restored is None and step != NONE else restored

    def _newest_readable(self, steps, shape_after):
        for step in steps:
            try:
                return _load(self._path(step), {'state': _shapes(shape_after(step))})['state'], step
            except _Unreadable as error:
                print(f'warning: {self._path(step)}: unreadable ({error})', file=sys.stderr)
        return None, NONE

    def _set_aside(self, steps):
        """Moves checkpoints out of the way: what could not be read may be whole, on a file system that had a bad moment."""
        for step in steps if hosts.is_first() else ():
            folder = files.path(self._directory).parent / ASIDE
            folder.mkdir(parents=True, exist_ok=True)
            name = f'{files.path(self._directory).name}-{step}'
            taken = sum(there.name.startswith(f'{name}-') or there.name == name for there in folder.iterdir())
            aside = folder / (f'{name}-{taken + 1}' if taken else name)
            self._path(step).rename(aside)
            print(f'warning: {self._path(step)}: moved to {aside}', file=sys.stderr)
        hosts.wait('unreadable checkpoints are moved')
        if steps:
            self._checkpointer.reload()

    def _path(self, step):
        return files.path(self._directory) / str(step)


def find(path):
    """Folders of checkpoints: `path` alone where it is one, or those of a workdir or of one of its two folders.

    Of a workdir these are its last checkpoints, the newest first, and then the end of stage 1. InputError where there is none.
    """
    path = files.path(path)
    if _is_checkpoint(path):
        return [path]
    found = [checkpoint for folder in (path / LATEST, path / RECONSTRUCTION, path)
             for checkpoint in sorted(_complete_in(folder), key=lambda each: int(each.name), reverse=True)]
    if not found:
        raise errors.InputError(f'{path}: no checkpoint here; name a workdir of train.py, a checkpoint or a weights file')
    return found


def steps_in(workdir):
    """The steps of a workdir's last checkpoints, [] of a run that has none yet."""
    return [int(folder.name) for folder in _complete_in(files.path(workdir) / LATEST)]


def load_config(path):
    """The ConfigDict inside the checkpoint folder `path`. Raises InputError where it cannot be read."""
    _quieten()
    try:
        return settings.from_json(_load(path, {'config': None})['config']['json'])
    except (_Unreadable, KeyError, ValueError) as error:
        raise errors.InputError(f'{path}: not a readable checkpoint ({error})') from error


def load_state(path, state, partial=False):
    """The state in the checkpoint folder `path`, shaped like `state`: with `partial`, {field: arrays} of some fields alone.

    Raises InputError where it cannot be read.
    """
    _quieten()
    try:
        return _load(path, {'state': _shapes(state)}, partial)['state']
    except _Unreadable as error:
        raise errors.InputError(f'{path}: not a readable checkpoint ({error})') from error


class _Unreadable(Exception):
    pass


def _load(path, shapes, partial=False):
    """Each host reads for itself: what is asked for lies on its own devices alone."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(), active_processes={jax.process_index()},
        barrier_sync_key_prefix=f'host-{jax.process_index()}')
    reading = ocp.options.PyTreeOptions(loading=ocp.options.PyTreeOptions.Loading(partial_load=partial))
    with _silent_about_details(), ocp.Context(multiprocessing_options=alone, pytree_options=reading):
        try:
            return ocp.load_checkpointables(path, shapes)
        except MemoryError:  # says nothing about the file
            raise
        except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged file.
            problem = f'{type(error).__name__}: damaged, cut short or of another version'
    raise _Unreadable(problem)  # not from `error`, which would keep its unfinished tasks alive


def _shapes(state):
    """Where each array is to be placed is said here; else Orbax wants the devices that the checkpoint was made on."""
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), state)


def _is_checkpoint(path):
    return (path / 'state').is_dir() and (path / 'config').is_dir()


def _complete_in(folder):
    if not folder.is_dir():
        return []
    return [each for each in folder.iterdir() if each.name.isdigit() and _is_checkpoint(each)]


def _quieten():
    """Orbax logs each file, warns of what is normal on one host, and logs with tracebacks what it raises all the same."""
    logging.getLogger('absl').setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _silent_about_details():
    """A failed load leaves unfinished background tasks, which would print their tracebacks long after our one line."""
    asyncio_log, hook = logging.getLogger('asyncio'), sys.unraisablehook
    level = asyncio_log.level
    asyncio_log.setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda *_: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try:
                yield
            finally:
                gc.collect()  # they end here, and not later
    finally:
        sys.unraisablehook = hook
        asyncio_log.setLevel(level)
