"""What a user did wrong or ran into, in one line.

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


_OF_FILES = {
    errno.EISDIR: 'is a folder, and a file is needed; name another',
    errno.ENOTDIR: 'a part of this path is a file, and a folder is needed; name another',
    errno.EEXIST: 'is there already, and is no folder; name another',
    errno.ENOENT: 'is not there, or cannot be made there; name another',
    errno.EINVAL: 'this disk takes no such name or file; name another',
    errno.ETIMEDOUT: 'the disk does not answer; name another folder, or start again to continue',
    errno.ELOOP: 'is a link that leads back to itself; name another'}
"""What is wrong with a file or folder that an error names. An error of this kind that names none is a defect of ours."""

_GONE = 'the disk or network folder is not there any more; bring it back and start again to continue'
_OF_DISKS = {
    errno.EACCES: 'no permission to write or read here',
    errno.EPERM: 'no permission to write or read here',
    errno.ENOSPC: 'no space left on the disk; free some and start again to continue',
    errno.EDQUOT: 'no space left of the quota on this disk; free some and start again to continue',
    errno.EROFS: 'this disk can only be read; name another folder',
    errno.ENAMETOOLONG: 'the name is too long for this disk; give it a shorter one',
    errno.EIO: 'the disk fails (input/output error); name another folder, and check the disk',
    errno.EFBIG: 'the file is too large for this disk; name another folder',
    errno.EMFILE: 'too many files are open; allow more (ulimit -n)',
    errno.ENFILE: 'too many files are open on this machine; end other programs',
    **dict.fromkeys((errno.ENOTCONN, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO), _GONE)}
_TOLD_BY_LIBRARIES = {os.strerror(number): number for number in (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOTCONN, errno.ESTALE)}

_NO_BACKEND = 'Unable to initialize backend'


@contextlib.contextmanager
def reported():
    """Turns InputError, RunError, Ctrl-C, a disk that is full, fails or is gone, and a forbidden or misplaced file into one
    line and a code.

    Output that nobody reads any more (`... | head`) ends it without a word, with the code of SIGPIPE. What the terminal
    cannot show of a file's name is printed as an escape.
    """
    _take_any_name()
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
    except OSError as error:
        name = error.filename2 or error.filename  # the second is a rename's target
        if error.errno in _OF_DISKS:
            _exit(f'{name or "workdir"}: {_OF_DISKS[error.errno]}', 2)
        if error.errno not in _OF_FILES or not name:
            raise
        _exit(f'{name}: {_OF_FILES[error.errno]}', 2)
    except RuntimeError as error:
        if not str(error).startswith(_NO_BACKEND):
            raise
        _exit(str(error), 2)


@contextlib.contextmanager
def full_disk_as_such(path):
    """A failed write raises what a library in C++ made of it; a disk's error becomes the OSError that it is, of `path`."""
    try:
        yield
    except Exception as error:
        number = next((number for words, number in _TOLD_BY_LIBRARIES.items() if words in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def _take_any_name():
    """Lets names of files pass that the terminal's encoding does not have.

    Where Python takes the names themselves for ASCII (LC_ALL=C with PYTHONUTF8=0), so that it could neither find nor note
    them, the command begins anew, once, with UTF-8 for files and the same encoding for the terminal.
    """
    if sys.getfilesystemencoding() != 'utf-8' and os.environ.get('PYTHONUTF8') != '1':
        os.environ |= {'PYTHONUTF8': '1', 'PYTHONIOENCODING': f'{sys.stdout.encoding}:backslashreplace'}
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='backslashreplace')


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
