"""What the usual names of a split's folder mean."""

import re

from gln_jax.runtime import errors

SPLITS = ('train', 'val', 'test')

_WORDS = {'train': ('train', 'training', 'trn'), 'val': ('val', 'valid', 'validation', 'dev', 'development'),
          'test': ('test', 'testing', 'tst')}
_ENDING = re.compile(r'[ _.-]*(set|split|data|images?|faces?)?[ _.-]*\d*')


def split_of(name):
    """'train', 'val' or 'test' for a name that is known to mean it, in any case; None for others."""
    return next((split for split, words in _WORDS.items() if name.casefold() in words), None)


def split_of_folder(name):
    """As `split_of`, of train_set, Testing-Faces and val2017 as well."""
    return next((split for end in range(len(name), 2, -1)
                 if _ENDING.fullmatch(name.casefold(), end) and (split := split_of(name[:end]))), None)


def splits_of(names, split_of, where):
    """{name: split} of those names whose split is known to `split_of`.

    InputError, beginning with `where`: two of them that differ by more than capitals mean the same split.
    """
    known = {name: split for name in sorted(names) if (split := split_of(name))}
    named = {}
    for name, split in known.items():
        other = named.setdefault(split, name)
        if other.casefold() != name.casefold():
            raise errors.InputError(f'{where}: {other!r} and {name!r} both mean the split {split!r}; make them one, or name one '
                                    'of them otherwise')
    return known
