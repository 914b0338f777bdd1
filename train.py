"""Trains a Global-Local Network, both stages, and scores it on the test split.

    python train.py --config=configs/quickstart.py
    python train.py --config=configs/x8.py:gln4 --config.data.name=folder --config.data.path=DIR --workdir=runs/gln4

Any setting of gln_jax/config.py can be given as --config.SETTING=VALUE. The same command continues a run that was
killed. The workdir gets checkpoints/, reconstruction/ (the end of stage 1), config.json, metrics.jsonl, tensorboard/ and,
at the end, scores.json, scores.csv and faces.png.

On several hosts (TPU pods, Slurm, Open MPI) start the same command on each. They find one another; where they do not, say
--coordinator=ADDRESS:PORT --num_processes=N --process_id=I.
"""

import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from gln_jax.runtime import errors

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file('config', None, 'File with the settings, with a variant after a colon: '
                                'configs/quickstart.py, configs/x8.py, configs/x4.py, configs/x8_fast.py, configs/x8.py:gln4 '
                                '(docs/training.md has all variants).')
flags.DEFINE_string('workdir', None, 'Folder for all that the run writes; by default runs/<name of the config>.')
flags.DEFINE_string('init', None, 'Workdir, checkpoint, weights file or released name (x8-fast) whose generator a new '
                    'run begins with, the same network or a part of it: GLN6 from GLN4, say; by default random weights.')
flags.DEFINE_bool('score', True, 'Whether to score the network on the test split when training has ended.')
flags.DEFINE_string('coordinator', None, 'ADDRESS:PORT of process 0, where JAX does not find it by itself.')
flags.DEFINE_integer('num_processes', None, 'How many processes train together, where JAX does not find it; 1 is this one alone.')
flags.DEFINE_integer('process_id', None, 'Which of them this one is, from 0, where JAX does not find it.')
flags.DEFINE_string('compilation_cache', None, 'Folder that keeps compiled programs between runs, or none; by default '
                    '~/.cache/gln_jax.')


def main():
    with errors.reported():
        config = _config_from(sys.argv)
        _check_processes()
        from gln_jax.runtime import compilation, devices, hosts, processors, supervision  # only now: --help comes at once
        if hosts.expected(FLAGS.num_processes) > 1 and not supervision.is_supervised():
            sys.exit(supervision.run())
        compilation.keep(FLAGS.compilation_cache)
        if hosts.expected(FLAGS.num_processes) == 1:
            devices.a_device_per_core(*devices.training_batch_sizes(config).values())
        else:
            processors.keep_freed_memory()
        hosts.join(FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id)
    with hosts.together(), errors.reported():
        from gln_jax import weights
        from gln_jax.training import run
        workdir = FLAGS.workdir or pathlib.Path('runs') / config.name
        run.train(config, workdir, **weights.for_training(config, FLAGS.init), to_be_scored=FLAGS.score)
        if FLAGS.score and hosts.is_first():
            import evaluate
            evaluate.main(['--ckpt', str(workdir), '--split', config.validation.test_split, '--output', str(workdir)])


def _check_processes():
    given = [FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id]
    if FLAGS.num_processes is not None and FLAGS.num_processes < 1:
        raise errors.InputError(f'--num_processes: must be at least 1, is {FLAGS.num_processes}')
    if FLAGS.num_processes != 1 and None in given and given != [None] * 3:
        raise errors.InputError('--coordinator, --num_processes and --process_id go together; give all three')
    if FLAGS.process_id is not None and not 0 <= FLAGS.process_id < FLAGS.num_processes:
        raise errors.InputError(f'--process_id: must be one of 0 to {FLAGS.num_processes - 1}, is {FLAGS.process_id}')


def _config_from(arguments):
    if '--help' in arguments or '-h' in arguments:
        print(f'{__doc__}\n{FLAGS.main_module_help()}')
        sys.exit(0)
    try:
        rest = FLAGS(arguments)[1:]
        config = FLAGS.config
        if config is not None:
            config.name  # a file that could not be loaded says so only when it is used
    except (AttributeError, KeyError) as error:
        field, _, hint = str(error.args[0]).replace('\\n', '\n').replace('\\', '').strip('\'"').partition('\n')
        field = field.strip("'")
        raise errors.InputError(f'--config has no setting {field}. {hint} (gln_jax/config.py lists them all)') from error
    except (OSError, SyntaxError, ImportError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise errors.InputError(f'--config: the file cannot be loaded: {reason}') from error
    except (flags.Error, ValueError, TypeError) as error:
        raise errors.InputError(str(error)) from error
    if rest:
        raise errors.InputError(f'{rest[0]}: not understood; settings are given as --config.SETTING=VALUE')
    if config is None:
        there = ', '.join(sorted(str(path) for path in pathlib.Path('configs').glob('*.py')
                                 if path.stem != 'variants'))
        raise errors.InputError(f'--config is missing; give one of {there}')
    return config


if __name__ == '__main__':
    main()
