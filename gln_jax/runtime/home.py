"""A home folder for those who have none, as in a container that runs under a number without a name (docker run --user)."""

import os
import pathlib
import stat
import tempfile


def ensure():
    """Sets HOME, where user and number are unknown, to a folder of this user's in the place for temporary files.

    Prepared data sets and compiled programs are kept there then, and `~` means it. To be called before any library looks for
    a home folder: without one, TFDS makes a folder named ~.
    """
    try:
        import pwd
        pwd.getpwuid(os.getuid())
        return
    except ImportError:  # on Windows everybody has one
        return
    except KeyError:
        given = os.environ.get('HOME')
    if given and os.access(given, os.W_OK):  # Docker sets it to /
        return
    home = pathlib.Path(tempfile.gettempdir(), f'gln_jax_{os.getuid()}')
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        status = home.lstat()
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):  # somebody else's
            home = pathlib.Path(tempfile.mkdtemp(prefix='gln_jax_'))
    except OSError:  # there is no place to write at all; the error comes where something has to be written
        pass
    os.environ['HOME'] = str(home)
