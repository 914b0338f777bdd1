"""What a run logs while it trains: a line on the terminal, metrics.jsonl, TensorBoard scalars and sample grids."""

import contextlib
import json
import math
import time

import jax
import numpy as np
import tensorboardX

from gln_jax.runtime import errors, files
from gln_jax.training import bucket_logs, schedule

METRICS = 'metrics.jsonl'


class Quiet:
    """In place of `Progress`, for a host that writes no logs: it only sees that all metrics are finite."""

    def __init__(self):
        self._pending = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def add(self, metrics, faces, waited):
        """Notes one step: its metrics (scalars on the device), its faces, and the seconds spent waiting for them."""
        self._pending.append(metrics)

    def report(self, step, state):
        """Writes what is due after `step` steps. Raises RunError where a loss or a gradient is not finite."""

    def keep(self):
        """Brings logs that lie in a bucket up to date; to be called when a checkpoint is saved."""

    def check_finite(self, step):
        """Raises RunError where a metric of the steps since the last report is not finite."""
        _check_finite(step, _means(self._pending))
        self._pending.clear()

    def summary(self):
        """One line on the whole of what this process trained."""
        return ''


class Progress(Quiet):
    """Collects the metrics of each step and reports their means every `config.log.every_seconds`.

    Use it as a context: leaving closes the logs. `validate` gives (PSNR in dB, sample grid [H, W] in [0, 1]) of a state.
    """

    def __init__(self, config, workdir, first_step, validate):
        super().__init__()
        self._config, self._validate = config, validate
        self._total = schedule.total_steps(config)
        self._closing = contextlib.ExitStack()
        folder, self._update_workdir = self._closing.enter_context(bucket_logs.mirrored(workdir, [METRICS]))
        self._path = folder / METRICS
        _forget_steps_after(self._path, first_step)
        self._board = tensorboardX.SummaryWriter(  # its thread dies of a full disk, and a bounded queue would then never end
            str(folder / 'tensorboard'), purge_step=first_step + 1, max_queue=0)
        self._validation_psnr = None
        self._faces = self._waited = self._waited_in_all = self._faces_in_all = self._paused = 0
        self._started = self._reported = time.perf_counter()
        self._reported_step = first_step

    def __exit__(self, *error):
        with self._closing:
            self._board.close()

    def keep(self):
        self._board.flush()
        self._update_workdir()

    def add(self, metrics, faces, waited):
        super().add(metrics, faces, waited)
        self._faces += faces
        self._faces_in_all += faces
        self._waited += waited
        self._waited_in_all += waited

    def report(self, step, state):
        if schedule.is_due(step, self._config.log.pictures_every_steps, self._total):
            self.check_finite(step)
            self._report_validation(step, state)
        if time.perf_counter() - self._reported >= self._config.log.every_seconds or step == self._total:
            self._report_metrics(step)

    def check_finite(self, step):
        _check_finite(step, _means(self._pending))  # they are still to be reported

    def summary(self):
        seconds = time.perf_counter() - self._started
        return (f'trained on {self._faces_in_all:,} faces in {_duration(seconds)}: {self._faces_in_all / seconds:.1f} '
                f'faces/s, waiting for data {self._waited_in_all / seconds:.1%}, peak memory {_peak_memory():.1f} GB')

    def _report_validation(self, step, state):
        began = time.perf_counter()
        self._validation_psnr, samples = self._validate(state)
        self._write(step, {'validation_psnr': self._validation_psnr})
        self._board.add_image('input, bicubic, GLN, truth', samples, step, dataformats='HW')
        self._paused += time.perf_counter() - began

    def _report_metrics(self, step):
        self.check_finite(step)
        means = _means(self._pending)
        now = time.perf_counter()
        seconds = max(now - self._reported - self._paused, 1e-9)
        steps = step - self._reported_step
        if not steps:
            return
        speed = {'faces_per_second': self._faces / seconds, 'waiting_share': self._waited / seconds}
        self._write(step, means | speed)
        print(self._line(step, means, speed, seconds / steps * (self._total - step)), flush=True)
        self._pending.clear()
        self._reported, self._reported_step, self._faces, self._waited, self._paused = now, step, 0, 0.0, 0.0

    def _line(self, step, means, speed, seconds_left):
        shown = [('L_MS', 'reconstruction_loss', '.3g'), ('L_adv', 'adversarial_loss', '.3f'),
                 ('lambda', 'adversarial_weight', '.3g'), ('L_D', 'discriminator_loss', '.3f'),
                 ('D right', 'discriminator_accuracy', '.0%'), ('PSNR', 'psnr', '.2f')]
        parts = [f'step {step:,}/{self._total:,}']
        parts += [f'{label} {means[name]:{form}}' for label, name, form in shown if name in means]
        if self._validation_psnr is not None:
            parts.append(f'val {self._validation_psnr:.2f} dB')
        parts.append(f'{speed["faces_per_second"]:.1f} faces/s')
        parts.append(f'data wait {speed["waiting_share"]:.1%}')
        return '  '.join(parts + [f'{_duration(seconds_left)} left'])

    def _write(self, step, values):
        with self._path.open('a') as file:
            file.write(json.dumps({'step': step} | values) + '\n')
        for name, value in values.items():
            self._board.add_scalar(name, value, step)


def _means(pending):
    """The mean of each metric over the steps that have it. `pending`: for each step, {name: scalar on the device}."""
    pending = jax.device_get(pending)
    names = sorted({name for metrics in pending for name in metrics})
    return {name: float(np.mean([metrics[name] for metrics in pending if name in metrics])) for name in names}


def _check_finite(step, means):
    for name, value in means.items():
        if not math.isfinite(value):
            raise errors.RunError(
                f'step {step}: {name} is not finite; stopped, the last checkpoint is kept. Try a lower '
                '--config.optimizer.learning_rate, or a lower --config.optimizer.clip_norm, in a new --workdir')


def _forget_steps_after(path, step):
    """Drops the lines that a killed run wrote after the checkpoint from which it now continues."""
    if path.exists():
        lines = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
        files.write(path, ''.join(line + '\n' for line in lines))


def _step_of(line):
    try:
        return json.loads(line)['step']
    except ValueError:  # the last line of a run that was killed while it wrote
        return math.inf


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02} min' if hours else f'{minutes} min {seconds:02} s'


def _peak_memory():
    """Of this process, in GB."""
    import resource  # not on Windows, where nobody trains
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
