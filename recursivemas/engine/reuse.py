"""Having engines keep what they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from recursivemas.engine.base import Engine
from recursivemas.engine.local import LocalEngine
from recursivemas.engine.prefix_cache import PrefixCache


@contextmanager
def reuse_prefixes(engines: Iterable[Engine], cache: PrefixCache) -> Iterator[None]:
    """Have the engines keep what they read meanwhile, and read none of it twice.

    One that keeps it elsewhere reads from the cache whether it may keep anything.
    """
    engines = list(engines)
    for engine in engines:
        engine.prefix_cache = cache
    try:
        yield
    except RuntimeError:  # not every lack of memory is a torch.OutOfMemoryError
        for engine in engines:
            if isinstance(engine, LocalEngine):
                engine.static_pool.clear()
        raise
    finally:
        cache.clear()
        for engine in engines:
            engine.prefix_cache = PrefixCache(0)
