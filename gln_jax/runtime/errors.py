"""What a user did wrong or ran into, told in one line.

Every command runs its body inside `reported()`: an `InputError` ends it with exit code 2, a `RunError` with
exit code 1, and neither shows a traceback. Any other exception is a defect of ours and keeps its traceback.
"""

import contextlib
import errno
import os
import select
import signal
import sys


class InputError(Exception):
    """The input is at fault: the message names the file or field and says what to do (exit code 2)."""


class RunError(Exception):
    """The input was fine and the run failed all the same, a loss that is not finite for example (exit code 1)."""


_WRONG_KIND = {
    IsADirectoryError: 'is a folder, and a file is needed; name another',
    NotADirectoryError: 'a part of this path is a file, and a folder is needed; name another',
    FileExistsError: 'is there already, and is no folder; name another'}


_DISK = {
    errno.ENOSPC: 'no space left on the disk; free some and start again to continue',
    errno.EDQUOT: 'no space left of the quota on this disk; free some and start again to continue',
    errno.EROFS: 'this disk can only be read; name another folder',
    errno.ENAMETOOLONG: 'the name is too long for this disk; give it a shorter one'}
_FULL_DISK = 'No space left on device', 'Disk quota exceeded'


@contextlib.contextmanager
def reported():
    """Turns InputError, RunError, Ctrl-C, a full or read-only disk and a forbidden or misplaced file into one line and a code.

    Output that nobody reads any more (`... | head`) ends it without a word, with the code of SIGPIPE.
    """
    try:
        yield
        sys.stdout.flush()
    except InputError as error:
        _exit(str(error), 2)
    except RunError as error:
        _exit(str(error), 1)
    except KeyboardInterrupt:
        _exit('interrupted', 130)
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        sys.exit(128 + signal.SIGPIPE)
    except PermissionError as error:
        _exit(f'{error.filename}: no permission to write or read here', 2)
    except tuple(_WRONG_KIND) as error:
        if not error.filename:
            raise
        _exit(f'{error.filename2 or error.filename}: {_WRONG_KIND[type(error)]}', 2)  # the second is a rename's target
    except OSError as error:
        if error.errno not in _DISK:
            raise
        _exit(f'{error.filename or "workdir"}: {_DISK[error.errno]}', 2)


@contextlib.contextmanager
def full_disk_as_such(path):
    """A failed write raises what a library in C++ made of it; a full disk becomes the OSError that it is, of `path`."""
    try:
        yield
    except Exception as error:
        if not any(words in str(error) for words in _FULL_DISK):
            raise
        raise OSError(errno.ENOSPC, _FULL_DISK[0], str(path)) from error


def _nobody_reads():
    """Whether it is our own output that broke; Python then has nothing more to write at its end."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # 0: errors alone
    broken = bool(poll.poll(0))
    if broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return broken


def _exit(message, code):
    print(f'error: {" ".join(message.split())}', file=sys.stderr)
    sys.exit(code)
