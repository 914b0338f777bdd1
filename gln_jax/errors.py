"""What a user did wrong or ran into, told in one line.

Every command runs its body inside `reported()`: an `InputError` ends it with exit code 2, a `RunError` with
exit code 1, and neither shows a traceback. Any other exception is a defect of ours and keeps its traceback.
"""

import contextlib
import errno
import sys


class InputError(Exception):
    """The input is at fault: the message names the file or field and says what to do (exit code 2)."""


class RunError(Exception):
    """The input was fine and the run failed all the same, a loss that is not finite for example (exit code 1)."""


@contextlib.contextmanager
def reported():
    """Turns InputError and RunError, a full disk, a forbidden file and Ctrl-C into one line and an exit code."""
    try:
        yield
    except InputError as error:
        _exit(str(error), 2)
    except RunError as error:
        _exit(str(error), 1)
    except KeyboardInterrupt:
        _exit('interrupted', 130)
    except PermissionError as error:
        _exit(f'{error.filename}: no permission to write or read here', 2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _exit(f'{error.filename or "workdir"}: no space left on the disk; free some and start again to continue', 2)


def _exit(message, code):
    print(f'error: {" ".join(message.split())}', file=sys.stderr)
    sys.exit(code)
