"""What commands take as arguments, for argparse's `type`."""

import argparse
import os


def count(text):
    """The int of at least 1 that `text` says; raises ArgumentTypeError where it says none."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
    return int(text)


def path(text):
    """The path that `text` names, `~` being the home folder: the shell leaves that as it is in --output=~/faces."""
    return os.path.expanduser(text)


def parser(program, documentation):
    """The ArgumentParser of `python -m <program>`, whose help begins with the module's docstring as it stands.

    Args:
        program: the module's name, 'gln_jax.upsample' say.
        documentation: its `__doc__`.
    """
    return argparse.ArgumentParser(prog=f'python -m {program}', description=documentation,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def add_faces(parser):
    """Adds --data, a folder of aligned faces, and --directory, where what is prepared of it is kept."""
    parser.add_argument('--data', type=path, required=True, metavar='DIR', help='folder of aligned faces')
    parser.add_argument('--directory', type=path, default='', metavar='DIR', help="where prepared data sets are kept (default: TFDS's)")
