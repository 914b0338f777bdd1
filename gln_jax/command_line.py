"""What commands take as arguments, for argparse's `type`."""

import argparse


def count(text):
    """The int of at least 1 that `text` says; raises ArgumentTypeError where it says none."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
    return int(text)
