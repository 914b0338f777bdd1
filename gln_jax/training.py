"""The training loop: both stages, resume, checkpoints, and what ends a run early."""

import contextlib
import pathlib
import signal
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import (checkpoints, errors, files, images, metrics, networks, parallel, progress, provenance, schedule,
                     steps)
from gln_jax import config as settings
from gln_jax.data import faces as data
from gln_jax.data import pipeline

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a run that was told to end, and saved first."""


def train(config, workdir):
    """Trains what `config` says in `workdir`, from where that folder's last checkpoint stands.

    Raises:
        InputError: the config, the data or the workdir cannot be used.
        RunError: a loss is not finite.
        SystemExit: SIGTERM came; the state was saved first.
    """
    settings.check(config)
    parallel.check_batch_size(config.reconstruction.batch_size, 'config.reconstruction.batch_size')
    parallel.check_batch_size(config.adversarial.batch_size, 'config.adversarial.batch_size')
    workdir = pathlib.Path(workdir)
    _claim(workdir, config)
    provenance.record(workdir, data.load(config, 'train'))
    validate = _validation(config)
    total = schedule.total_steps(config)
    with (checkpoints.Checkpoints(workdir / checkpoints.LATEST, config) as latest,
          checkpoints.Checkpoints(workdir / checkpoints.RECONSTRUCTION, config) as reconstruction,
          _termination() as terminated):
        state = _restored_or_new(config, latest)
        step = int(state.step)
        with progress.Progress(config, workdir, step, validate) as log:
            updates, batches, before = _updates(config), None, None
            while step < total:
                if step == config.reconstruction.steps:
                    state = steps.begin_adversarial(config, state)
                if batches is None or step == config.reconstruction.steps:
                    if batches:
                        batches.close()
                    batches = pipeline.training_batches(config, schedule.batch_size_at(config, step), step)
                began = time.perf_counter()
                faces = next(batches)
                waited = time.perf_counter() - began
                state, values = updates[schedule.phase_at(config, step)](state, parallel.split(faces))
                jax.block_until_ready(before)  # one step ahead of the devices is enough to keep them busy
                before = values
                step += 1
                log.add(values, len(faces), waited)
                log.report(step, state)
                ends_stage_1 = step == config.reconstruction.steps
                if terminated() or ends_stage_1 or schedule.is_due(step, config.checkpoint.every_steps, total):
                    log.check_finite(step)
                    latest.save(step, state)
                    if ends_stage_1:
                        reconstruction.save(step, state)
                if terminated():
                    latest.wait()
                    print(f'terminated: saved step {step:,}; start the same command again to continue', file=sys.stderr)
                    sys.exit(TERMINATED)
            print(log.summary())


def _claim(workdir, config):
    """Makes `workdir` this run's, or finds that it is: nobody else's folder is written to, no other run continued."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise errors.InputError(f'{workdir}: is a file; name a folder, --workdir=DIR') from error
    path = workdir / 'config.json'
    if path.exists():
        differences = settings.differences(_config_in(path), config)
        if differences:
            raise errors.InputError(f'{workdir}: holds a run with another config ({"; ".join(differences)}); '
                                    'name another --workdir, or repeat its settings')
    elif any(workdir.iterdir()):
        raise errors.InputError(f'{workdir}: holds other files and no run of train.py; name another --workdir')
    files.write(path, settings.to_json(config) + '\n')


def _config_in(path):
    try:
        return settings.from_json(path.read_text())
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise errors.InputError(f'{path}: not a config of this version ({error}); name another --workdir') from error


def _restored_or_new(config, latest):
    new = steps.create_state(config)
    state = latest.restore_latest(new)
    if state is None:
        return new
    print(f'continuing from step {int(state.step):,}')
    return state


def _updates(config):
    return {
        schedule.RECONSTRUCTION: parallel.mapped(
            steps.generator_update(config, steps.reconstruction_optimizer(config), adversarial=False)),
        schedule.GENERATOR: parallel.mapped(
            steps.generator_update(config, steps.adversarial_optimizer(config), adversarial=True)),
        schedule.DISCRIMINATOR: parallel.mapped(
            steps.discriminator_update(config, steps.discriminator_optimizer(config))),
    }


def _validation(config):
    """The function of a state to (mean PSNR in dB, sample grid [H, W] in [0, 1]) on the validation faces."""
    faces = data.load(config, config.validation.split)
    count = min(len(faces), config.validation.faces)
    chosen = np.linspace(0, len(faces) - 1, count).astype(int)  # evenly, as a folder may be sorted by source
    hr = np.stack([faces.luminance(index) for index in chosen]) / np.float32(255)
    lr = images.degrade(hr, config.scale, config.degradation)
    upsample = jax.jit(networks.generator(config).apply)
    shown = np.linspace(0, count - 1, min(count, 8)).astype(int)
    fixed = [images.upsample(lr[shown], config.scale, method) for method in ('nearest', 'bicubic')]

    def validate(state):
        batches = [upsample({'params': state.average}, lr[start:start + 16]) for start in range(0, count, 16)]
        sr = np.clip(np.concatenate(batches), 0, 1)
        columns = [*fixed, sr[shown], hr[shown]]
        grid = jnp.concatenate([jnp.concatenate(list(column), axis=0) for column in columns], axis=1)
        return float(np.mean(metrics.psnr(sr, hr, 'paper'))), np.clip(np.asarray(grid)[..., 0], 0, 1)

    return validate


@contextlib.contextmanager
def _termination():
    """A function that says whether SIGTERM has come (a preemption); the signal then ends nothing by itself."""
    received = []
    previous = signal.signal(signal.SIGTERM, lambda *_: received.append(True))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous)
