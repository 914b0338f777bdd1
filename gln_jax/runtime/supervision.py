"""Runs a command in a child process, so that the loss of another host is one line and an exit code.

Where another host is lost, JAX ends the process out of C++, by SIGABRT and with a stack trace; no Python in that process
can prevent it. The parent of the process can say it in words. It knows nothing of JAX.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

TERMINATED = 128 + signal.SIGTERM  # exit code of a run that was asked to end, and saved first

LOST = ('error: another host was lost or stopped; this one cannot go on without it and has stopped too. Start the same '
        'command on all hosts again to continue from the last checkpoint')
NOT_ALL_CAME = 'error: not all processes came in time; start the same command on all hosts'

_SUPERVISOR = 'GLN_JAX_SUPERVISOR'  # environment variable: the parent's process id
_LAST_WORDS = re.compile(r'F\d{4} \d\d:\d\d:')  # a fatal error out of C++ begins so; a stack trace follows
_JAX_GAVE_UP = 'the JAX distributed service detected fatal errors'
_WHILE_JOINING = 'CoordinationService/RegisterTask'


def is_supervised():
    return _SUPERVISOR in os.environ


def run():
    """Runs this process's own command line in a child process, whose signals and output it passes on.

    Returns:
        The exit code: 1 where another host was lost, else the child's, 128 + n where signal n ended it.
    """
    environment = os.environ | {_SUPERVISOR: str(os.getpid()),
                                'TF_CPP_MIN_LOG_LEVEL': '3'}  # or else C++ warns of every host that says goodbye
    child = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment, stderr=subprocess.PIPE, text=True,
                             errors='replace', start_new_session=True)
    with caught_signals(lambda number: child.send_signal(number), signal.SIGTERM, signal.SIGINT):
        last_words = []
        relay = threading.Thread(target=_relay, args=(child.stderr, last_words), daemon=True)
        relay.start()
        code = child.wait()
        relay.join(timeout=2)  # its own children may hold the pipe open for longer
    words = ''.join(last_words)
    if code == -signal.SIGABRT and _JAX_GAVE_UP in words:
        print(NOT_ALL_CAME if _WHILE_JOINING in words else LOST, file=sys.stderr)
        return 1
    sys.stderr.write(words)
    return code if code >= 0 else 128 - code


def die_with_parent():
    """Lets this child process end within a second of its supervisor, however that ended."""
    parent = int(os.environ[_SUPERVISOR])

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def caught_signals(react, *numbers):
    """A list of those of the signals `numbers` that have come; each calls `react` and ends nothing by itself."""
    received = []

    def note(number, _):
        received.append(number)
        react(number)

    previous = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _relay(stream, last_words):
    for line in stream:
        if last_words or _LAST_WORDS.match(line):
            last_words.append(line)
        else:
            print(line, end='', file=sys.stderr, flush=True)
