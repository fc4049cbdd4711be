"""Threads that do not hold up an interruption."""

from __future__ import annotations

import threading
import time

import pytest

from recursivemas.files.thread_pools import thread_pool


def test_work_is_waited_for():
    done = []
    with thread_pool(2) as pool:
        for number in range(4):
            pool.submit(done.append, number)
    assert sorted(done) == [0, 1, 2, 3]


def test_an_error_waits_for_what_has_begun():
    begun, done = threading.Event(), []

    def work():
        begun.set()
        time.sleep(0.2)
        done.append("work")

    def failing():
        with thread_pool(1) as pool:
            pool.submit(work)
            pool.submit(done.append, "more")
            begun.wait(60)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    assert done == ["work"]


def test_an_interruption_waits_for_nobody_and_begins_nothing_more():
    release, done = threading.Event(), []

    def work(number):
        release.wait(60)
        done.append(number)

    def interrupted():
        with thread_pool(1) as pool:
            for number in range(3):
                pool.submit(work, number)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 30
    release.set()
    time.sleep(0.2)
    assert done in ([0], [])
