"""Threads that do not hold up an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def thread_pool(num_workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that is waited for; where an error or Ctrl-C ends the block, what was not begun is dropped."""
    pool = ThreadPoolExecutor(num_workers)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
