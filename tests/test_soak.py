"""The soak finds what differs between threads and what grows."""

import mmap
import threading
import time
from types import SimpleNamespace

import numpy as np

from tools import soak


def result(image):
    return SimpleNamespace(image=image, faces=())


def test_results_that_depend_on_other_threads_are_counted():
    busy = threading.Semaphore(1)

    def unsafe(photo):
        alone = busy.acquire(blocking=False)
        time.sleep(0.005)
        if alone:
            busy.release()
        return result(photo if alone else photo + 1)

    photos = [np.full((4, 4, 3), number, np.uint8) for number in range(3)]
    assert soak.soak(photos, result, 20, 4)[0] == 0
    assert soak.soak(photos, unsafe, 20, 1)[0] == 0
    assert soak.soak(photos, unsafe, 20, 4)[0] > 0


def test_memory_that_grows_is_seen():
    kept = []

    def leaking(photo):
        kept.append(mmap.mmap(-1, 8_000_000))  # not from the memory that earlier tests have freed
        kept[-1].write(b'1' * 8_000_000)
        return result(photo)

    photos = [np.zeros((4, 4, 3), np.uint8)]
    assert soak.soak(photos, leaking, 60, 2)[1] > soak.soak(photos, result, 60, 2)[1] + 0.03
