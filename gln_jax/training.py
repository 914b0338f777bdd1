"""The training loop: both stages, resume, checkpoints, and what ends a run early."""

import contextlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import (checkpoints, errors, files, hosts, images, metrics, networks, parallel, precision, progress, provenance,
                     schedule, steps, weights, workdirs)
from gln_jax import config as settings
from gln_jax.data import faces as data
from gln_jax.data import pipeline


def train(config, workdir, init=None, to_be_scored=False):
    """Trains what `config` says in `workdir`, from where that folder's last checkpoint stands.

    Args:
        config: settings as of `config.default()`.
        workdir: the run's folder, made if need be; on several hosts one that all share.
        init: what a run that has no checkpoint yet starts its generator from, as of `weights.load_generator`; None is
            random weights. A run that goes on needs it no more.
        to_be_scored: whether `config.validation.test_split` must be there, as it is scored afterwards.
    Raises:
        InputError: the config, the data or the workdir cannot be used; or a run would not go on as it began.
        RunError: a loss is not finite.
        SystemExit: SIGTERM or Ctrl-C came; the state was saved first.
    """
    settings.check(config)
    parallel.connect()
    hosts.wait('devices have met')
    for field, size in parallel.training_batch_sizes(config).items():
        parallel.check_batch_size(size, field)
    workdir = files.path(workdir)
    begun = checkpoints.steps_in(workdir)
    initial = None if begun else _initial(config, init)
    teacher = _teacher(config) if min(begun, default=0) < config.reconstruction.steps else None
    if hosts.is_first():
        workdirs.check_is_free(workdir, config)
    training_faces = _training_faces(config)
    if begun:
        workdirs.check_goes_on_as_it_began(workdir, training_faces, init, teacher)
    if to_be_scored:
        data.load(config, config.validation.test_split)  # a wrong name is told now, and not when training has ended
    validate = _validation(config) if hosts.is_first() else None
    total = schedule.total_steps(config)
    with (workdirs.claimed(workdir, config),  # only now, when all else was found to be in order: it fixes the config
          checkpoints.Checkpoints(workdir / checkpoints.LATEST, config) as latest,
          checkpoints.Checkpoints(workdir / checkpoints.RECONSTRUCTION, config) as reconstruction,
          hosts.termination() as ends_at):
        state = latest.restore_latest(lambda step: steps.shape_after(config, step))
        if state is None:
            if begun:  # with a checkpoint that was cut short: a bucket shows it as one
                initial, teacher = _initial(config, init), _teacher(config)
            state = _new_state(config, initial)
            if hosts.is_first():
                provenance.record(workdir, training_faces, initial, teacher)
        else:
            print(f'continuing from step {int(state.step):,}')
        state = parallel.placed(state)
        step = int(state.step)
        with (progress.Progress(config, workdir, step, validate) if validate else progress.Quiet() as log,
              contextlib.ExitStack() as reading):  # ends what reads batches, also when an error comes
            updates, batches, before = mapped_updates(config, teacher=_restores(teacher)), None, None
            while step < total:
                if step == config.reconstruction.steps:
                    state = parallel.placed(steps.begin_adversarial(config, state))
                if batches is None or step == config.reconstruction.steps:
                    reading.close()
                    batches = pipeline.training_batches(training_faces, config, schedule.batch_size_at(config, step), step,
                                                        jax.process_index(), jax.process_count())
                    reading.callback(batches.close)
                began = time.perf_counter()
                faces = next(batches)
                waited = time.perf_counter() - began
                state, values = updates[schedule.phase_at(config, step)](state, parallel.split(faces))
                jax.block_until_ready(before)  # one step ahead of the devices is enough to keep them busy
                before = values
                step += 1
                log.add(values, schedule.batch_size_at(config, step - 1), waited)
                log.report(step, state)
                ends_stage_1, exit_code = step == config.reconstruction.steps, ends_at(step)
                if exit_code or ends_stage_1 or schedule.is_due(step, config.checkpoint.every_steps, total):
                    log.check_finite(step)
                    log.keep()
                    saved = parallel.of_all_hosts(state)
                    if ends_stage_1:  # before the latest, with which a run continues behind this place
                        latest.wait()  # hosts that save meet under the number of the step, so one checkpoint at a time
                        reconstruction.save(step, saved)
                        reconstruction.wait()
                    latest.save(step, saved)
                if exit_code:
                    latest.wait()
                    if hosts.is_first():
                        print(f'terminated: saved step {step:,}; start the same command again to continue',
                              file=sys.stderr)
                    sys.exit(exit_code)
            print(log.summary())


def _training_faces(config):
    """What `data.load` gives, prepared where that has not been done. InputError where hosts have different data."""
    def prepared():
        faces = data.load(config, 'train')
        pipeline.numbers_by_weight(faces, settings.source_weights(config))
        pipeline.luminance_reader(faces, config)
        return faces

    faces = hosts.first_before_others(prepared, 'faces are prepared')
    if len(faces) != (on_first := hosts.agreed(len(faces))):
        raise errors.InputError(f'config.data: there are {len(faces):,} faces in train here, and {on_first:,} on the '
                                'first host; give all hosts the same data')
    return faces


def _new_state(config, initial):
    new = lambda: steps.create_state(config, initial.parameters if initial else None)
    return hosts.from_first(new, steps.shape_after(config, 0))


def _initial(config, init):
    """The generator that a run starts from, as of `weights.load_for`; None is random weights."""
    if not init and not config.reconstruction.steps:
        raise errors.InputError('config.reconstruction.steps: stage 2 alone needs a trained generator; name it, --init=...')
    return weights.load_for(config, init) if init else None


def _teacher(config):
    """The generator that `config.reconstruction.teacher` names, as of `weights.load_generator`; None for no name."""
    if not config.reconstruction.teacher:
        return None
    loaded = weights.load_generator(config.reconstruction.teacher)
    weights.check_restores_alike(loaded, config, 'config.reconstruction.teacher')
    return loaded


def _restores(teacher):
    """The teacher's function of LR to HR images, with the mirror image's help; None of no teacher."""
    if teacher is None:
        return None
    restore = precision.applied(networks.generator(teacher.config), jnp.float32)
    return networks.with_mirror_image(lambda lr: restore(teacher.parameters, lr))


def mapped_updates(config, devices=None, teacher=None):
    """The step of each phase of `schedule`, {phase: (state, batches) -> (state, metrics)}, over all devices or those named.

    `teacher` is as of `steps.generator_update`.
    """
    updates = {
        schedule.RECONSTRUCTION: steps.generator_update(
            config, steps.reconstruction_optimizer(config), adversarial=False, teacher=teacher),
        schedule.GENERATOR: steps.generator_update(config, steps.adversarial_optimizer(config), adversarial=True),
        schedule.DISCRIMINATOR: steps.discriminator_update(config, steps.discriminator_optimizer(config)),
    }
    return {phase: parallel.mapped(update, devices) for phase, update in updates.items()}


def _validation(config):
    """The function of a state to (mean PSNR in dB, sample grid [H, W] in [0, 1]) on the validation faces."""
    hr, lr = validation_faces(config)
    count = len(hr)
    upsample = parallel.over_devices(precision.applied(networks.generator(config), jnp.float32))
    shown = np.linspace(0, count - 1, min(count, 8)).astype(int)
    fixed = [images.upsample(lr[shown], config.scale, method) for method in ('nearest', 'bicubic')]

    def validate(state):
        batches = [upsample(state.average, lr[start:start + 16]) for start in range(0, count, 16)]
        sr = np.clip(np.concatenate(batches), 0, 1)
        columns = [*fixed, sr[shown], hr[shown]]
        grid = jnp.concatenate([jnp.concatenate(list(column), axis=0) for column in columns], axis=1)
        return float(np.mean(metrics.psnr(sr, hr, 'paper'))), np.clip(np.asarray(grid)[..., 0], 0, 1)

    return validate


def validation_faces(config):
    """(HR, LR) images of `config.validation`, [n, 128, 128, 1] and [n, 128 / scale, 128 / scale, 1] in [0, 1]."""
    faces = data.load(config, config.validation.split)
    chosen = np.linspace(0, len(faces) - 1, min(len(faces), config.validation.faces)).astype(int)  # of all sources
    hr = np.stack([faces.luminance(index) for index in chosen]) / np.float32(255)
    return hr, images.degrade(hr, config.scale, config.degradation)
