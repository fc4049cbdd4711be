"""Threads that do not hold up an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def thread_pool(num_workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that is waited for; where an error ends the block, what was not begun is dropped.

    Only Ctrl-C does not wait for what has begun: a thread that outlived its call would go on asking, and its
    failures close the connections that the hub's client shares among all threads.
    """
    pool = ThreadPoolExecutor(num_workers)
    try:
        yield pool
    except Exception:
        pool.shutdown(cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
