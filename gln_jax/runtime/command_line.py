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
