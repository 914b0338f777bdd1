"""Opens a run: all checks before anything is written, and the state of a run that has no checkpoint yet."""

from typing import Any, Callable, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gln_jax import config as settings
from gln_jax.data import faces as face_data
from gln_jax.data import pipeline
from gln_jax.models import convolutions, factory
from gln_jax.runtime import devices, errors, hosts, precision, provenance
from gln_jax.training import checkpoints, steps, workdirs


class Run(NamedTuple):
    config: ConfigDict
    workdir: Any  # as returned by `files.path`
    faces: Any  # to train on, as returned by `data.faces.load`
    digest: str  # of these faces
    initial: Any  # the initial `weights.Loaded`; None: random weights, or it has a checkpoint
    teacher: Any  # the `weights.Loaded` that stage 1 learns from; None: no teacher, or stage 1 has ended

    @property
    def teacher_restores(self) -> Callable:
        """The teacher's function of LR to HR images, as the mean with the mirror image; None of no teacher."""
        if self.teacher is None:
            return None
        restore = precision.applied(factory.generator(self.teacher.config), jnp.float32)
        return factory.with_self_ensemble(lambda lr: restore(self.teacher.parameters, lr))


def checked(config, workdir, initial, teacher, to_be_scored):
    """The `Run` of these arguments of `run.train`, before anything is written to `workdir`; raises its InputErrors."""
    settings.check(config)
    if config.reconstruction.teacher and not teacher:
        raise ValueError('teacher: the config names one; give the function that loads it (weights.for_training)')
    devices.connect()
    hosts.wait('devices have met')
    for field, size in devices.training_batch_sizes(config).items():
        devices.check_batch_size(size, field)
    saved = checkpoints.steps_in(workdir)
    run = Run(config, workdir, None, '', None if saved else _initial(config, initial),
              teacher() if teacher and min(saved, default=0) < config.reconstruction.steps else None)
    if hosts.is_first():
        workdirs.check_is_free(workdir, config)
    face_data.check(config, 'train', config.validation.split, *([config.validation.test_split] if to_be_scored else []))
    faces, digest = _training_faces(config)
    run = run._replace(faces=faces, digest=digest)
    if saved:
        workdirs.check_goes_on_as_it_began(workdir, faces, digest, initial is not None, run.teacher)
        run = _in_the_dtype_that_it_began_with(run)
    if to_be_scored:
        face_data.load(config, config.validation.test_split)  # a wrong name is an error now, and not when training has ended
    return run


def begun(run, initial, teacher):
    """The state before the first step, and the `Run` with all that it begins with; its record goes into the workdir."""
    if checkpoints.steps_in(run.workdir):  # with a checkpoint that was cut short: a bucket shows it as one
        run = run._replace(initial=_initial(run.config, initial), teacher=teacher and teacher())
    create = jax.jit(lambda parameters: steps.create_state(run.config, parameters))  # one program in place of fifty
    parameters = run.initial.parameters if run.initial else {}
    state = hosts.from_first(lambda: create(parameters), steps.shape_after(run.config, 0))
    if hosts.is_first():
        provenance.record(run.workdir, run.faces, run.digest, run.initial, run.teacher,
                          {'compute_dtype': _dtype(run.config), 'convolutions': _convolutions(run, state)})
    return state, run


def continued(run, state):
    """What is said of a run that goes on from `state`: its step, and whether its convolutions take another form now."""
    before, now = provenance.of(run.workdir).get('convolutions', 'direct'), _convolutions(run, state)
    changed = f'; it began with convolutions in the {before} form and goes on with the {now} one, equal up to rounding'
    return f'continuing from step {int(state.step):,}' + (changed if before != now else '')


def _convolutions(run, state):
    return convolutions.form_here(state.generator, precision.of(run.config))


def _in_the_dtype_that_it_began_with(run):
    """'auto' is another number format on a CPU than on an accelerator, and a run that moved would go on in another one."""
    began, here = provenance.of(run.workdir).get('compute_dtype'), _dtype(run.config)
    if began in (None, here):
        return run
    if hosts.is_first():
        print(f'computing in {began}, as this run began, and not in {here}, which is usual on these devices')
    config = run.config.copy_and_resolve_references()
    config.compute_dtype = began
    return run._replace(config=config)


def _dtype(config):
    return jnp.dtype(precision.of(config)).name


def _initial(config, initial):
    if not initial and not config.reconstruction.steps:
        raise errors.InputError('config.reconstruction.steps: stage 2 alone needs a trained generator; name it, --init=...')
    return initial() if initial else None


def _training_faces(config):
    """(what `data.faces.load` gives, its digest), prepared where that is still to do. InputError where hosts' data differ."""
    def prepared():
        faces = face_data.load(config, 'train')
        pipeline.numbers_by_weight(faces, settings.source_weights(config))
        pipeline.luminance_reader(faces, config)
        return faces, pipeline.digest(faces)

    faces, digest = hosts.first_before_others(prepared, 'faces are prepared')
    if len(faces) != (on_first := hosts.agreed(len(faces))):
        raise errors.InputError(f'config.data: there are {len(faces):,} faces in train here, and {on_first:,} on the '
                                'first host; give all hosts the same data')
    if int(digest[:7], 16) != hosts.agreed(int(digest[:7], 16)):
        raise errors.InputError('config.data: the faces in train are as many as on the first host, but others; give all hosts '
                                'the same data')
    return faces, digest
