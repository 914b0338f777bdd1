"""A training run: opened or continued, both stages trained, checkpoints kept."""

import sys
import time

import jax

from gln_jax.data import pipeline
from gln_jax.runtime import devices, files, hosts
from gln_jax.training import checkpoints, opening, optimizers, progress, schedule, steps, validation, workdirs


def train(config, workdir, initial=None, teacher=None, to_be_scored=False):
    """Trains what `config` says in `workdir`, from where that folder's last checkpoint stands.

    Args:
        config: settings as returned by `config.default()`.
        workdir: the run's folder, made if need be; on several hosts one that all share.
        initial: the function that loads the initial generator of a run without a checkpoint, a `weights.Loaded`;
            None is random weights. `weights.for_training` gives it and the next.
        teacher: the function that loads the generator that `config.reconstruction.teacher` names, or None.
        to_be_scored: whether `config.validation.test_split` must be there, as it is scored afterwards.
    Raises:
        InputError: the config, the data or the workdir cannot be used; or a run would not go on as it began.
        RunError: a loss is not finite.
        SystemExit: SIGTERM or Ctrl-C came; the state was saved first.
    """
    workdir = files.path(workdir)
    run = opening.checked(config, workdir, initial, teacher, to_be_scored)
    validate = validation.function(config) if hosts.is_first() else None
    with (workdirs.claimed(workdir, config),  # only now, when all else was found to be in order: it fixes the config
          checkpoints.Checkpoints(workdir / checkpoints.LATEST, config) as latest,
          checkpoints.Checkpoints(workdir / checkpoints.RECONSTRUCTION, config) as end_of_stage_1,
          hosts.termination() as ends_at):
        state = latest.restore_latest(lambda step: steps.shape_after(config, step))
        if state is None:
            state, run = opening.begun(run, initial, teacher)
        else:
            print(opening.continued(run, state))
        with progress.Progress(config, workdir, int(state.step), validate) if validate else progress.Quiet() as log:
            _loop(run, devices.placed(state), log, ends_at, latest, end_of_stage_1)
            print(log.summary())


def _loop(run, state, log, ends_at, latest, end_of_stage_1):
    """Trains from `state` to the last step; saves to two `Checkpoints`. SystemExit where `ends_at(step)` is an exit code."""
    config, step, total = run.config, int(state.step), schedule.total_steps(run.config)
    updates, before = mapped_updates(config, teacher=run.teacher_restores), None
    with _Batches(run) as batches:
        while step < total:
            if step == config.reconstruction.steps:
                state = devices.placed(steps.begin_adversarial(config, state))
            faces, waited = batches.next(step)
            state, values = updates[schedule.phase_at(config, step)](state, devices.split(faces))
            jax.block_until_ready(before)  # one step ahead of the devices is enough to keep them busy
            before = values
            step += 1
            log.add(values, schedule.batch_size_at(config, step - 1), waited)
            log.report(step, state)
            stage_1_ends, exit_code = step == config.reconstruction.steps, ends_at(step)
            if exit_code or stage_1_ends or schedule.is_due(step, config.checkpoint.every_steps, total):
                log.check_finite(step)
                log.keep()
                _save(step, devices.of_all_hosts(state), latest, end_of_stage_1 if stage_1_ends else None)
            if exit_code:
                latest.wait()
                if hosts.is_first():
                    print(f'terminated: saved step {step:,}; start the same command again to continue', file=sys.stderr)
                sys.exit(exit_code)


def _save(step, state, latest, end_of_stage_1):
    if end_of_stage_1:  # before the latest, with which a run continues behind this place
        latest.wait()  # hosts that save meet under the number of the step, so one checkpoint at a time
        end_of_stage_1.save(step, state)
        end_of_stage_1.wait()
    latest.save(step, state)


class _Batches:
    """The batches of a run, from any step on; as a context, its reader is closed when it is left."""

    def __init__(self, run):
        self._run, self._reader = run, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._reader:
            self._reader.close()

    def next(self, step):
        """The batch of a step, uint8 luminance [batch / hosts, 128, 128, 1], and the seconds spent waiting for it."""
        config = self._run.config
        if self._reader is None or step == config.reconstruction.steps:  # stage 2 has batches of its own size
            self.__exit__()
            self._reader = pipeline.training_batches(self._run.faces, config, schedule.batch_size_at(config, step), step,
                                                     jax.process_index(), jax.process_count())
        began = time.perf_counter()
        return next(self._reader), time.perf_counter() - began


def mapped_updates(config, over=None, teacher=None):
    """The step of each phase of `schedule`, {phase: (state, batches) -> (state, metrics)}.

    They are mapped over all devices, or `over` those named; `teacher` is as in `steps.generator_update`.
    """
    updates = {
        schedule.RECONSTRUCTION: steps.generator_update(
            config, optimizers.reconstruction_optimizer(config), adversarial=False, teacher=teacher),
        schedule.GENERATOR: steps.generator_update(config, optimizers.adversarial_optimizer(config), adversarial=True),
        schedule.DISCRIMINATOR: steps.discriminator_update(config, optimizers.discriminator_optimizer(config)),
    }
    return {phase: devices.mapped(update, over) for phase, update in updates.items()}
