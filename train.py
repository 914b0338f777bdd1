"""Trains a Global-Local Network, both stages, and scores it on the test split.

    python train.py --config=configs/quickstart.py
    python train.py --config=configs/x8.py:gln4 --config.data.name=folder --config.data.path=DIR --workdir=runs/gln4

Any setting of gln_jax/config.py can be given as --config.SETTING=VALUE. The same command continues a run that was
killed. The workdir gets checkpoints/, reconstruction/ (the end of stage 1), config.json, metrics.jsonl, tensorboard/ and,
at the end, scores.json, scores.csv and faces.png.
"""

import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from gln_jax import errors

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file('config', None, 'File with the settings, with a variant after a colon: '
                                'configs/quickstart.py, configs/x8.py, configs/x4.py, configs/x8.py:gln4.')
flags.DEFINE_string('workdir', None, 'Folder for all that the run writes; by default runs/<name of the config>.')
flags.DEFINE_bool('score', True, 'Whether to score the network on the test split when training has ended.')


def main():
    with errors.reported():
        config = _config_from(sys.argv)
        workdir = pathlib.Path(FLAGS.workdir or pathlib.Path('runs') / config.name)
        from gln_jax import training  # after the flags, so that --help and errors in them come at once
        training.train(config, workdir)
    if FLAGS.score:
        import evaluate
        evaluate.main(['--ckpt', str(workdir), '--split', config.validation.test_split, '--output', str(workdir)])


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
    except OSError as error:
        reason = str(error).strip().splitlines()[-1]
        raise errors.InputError(f'--config: the file cannot be loaded: {reason}') from error
    except (flags.Error, ValueError, TypeError) as error:
        raise errors.InputError(str(error)) from error
    if rest:
        raise errors.InputError(f'{rest[0]}: not understood; settings are given as --config.SETTING=VALUE')
    if config is None:
        there = ', '.join(sorted(str(path) for path in pathlib.Path('configs').glob('*.py')))
        raise errors.InputError(f'--config is missing; give one of {there}')
    return config


if __name__ == '__main__':
    main()
