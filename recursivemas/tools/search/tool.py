"""The search tool: what an agent asks becomes a numbered list of hits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from typing import Any

from recursivemas.disk_cache import DiskCache
from recursivemas.errors import UserError
from recursivemas.tools.base import ToolAnswer
from recursivemas.tools.search.base import (
    MAX_CONTENT_CHARACTERS,
    MAX_HITS,
    MAX_TITLE_CHARACTERS,
    Hit,
    SearchError,
    SearchProvider,
)
from recursivemas.tools.search.keys import KEY_VARIABLE
from recursivemas.tools.search.text import shorten

logger = logging.getLogger(__name__)

DEADLINE_S = 300.0
"""When a search is given up. The default Patience takes at most 110 s with one key (4 times 20 s of silence
and 3 pauses of 10 s); this leaves room for further keys, and ends a server that sends a byte now and then."""

NO_KEY = (
    f"search has no key, so a stub will answer: set {KEY_VARIABLE}, put it into .env, give a keys file, or "
    "have a local folder searched"
)
STUB = "Search is not available in this run. Go on with what you know."
NO_HITS = "The search found no results."
NO_QUERY = "The search was asked nothing. Write a query between the tags."
NOT_CACHED = "The search is offline in this run, and this query is not in its cache."


class SearchTool:
    """The Tool `search`.

    Without a provider every call is answered with a stub, and a notice says so at once. `cache` keeps what
    was found, not what failed. `offline`: the cache alone answers, and the provider is only described.
    Threads that ask the same at the same time share one search.
    """

    name = "search"
    deadline_s = DEADLINE_S

    def __init__(
        self, provider: SearchProvider | None, *, cache: DiskCache | None = None, offline: bool = False
    ) -> None:
        if offline and cache is None:
            raise UserError("an offline search answers from a cache and has none; give a cache, or go online")
        self._provider = provider
        self._cache = cache
        self._offline = offline
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[ToolAnswer]] = {}
        if provider is None:
            logger.warning(NO_KEY)

    def describe(self) -> dict[str, Any]:
        described = {"provider": "stub"} if self._provider is None else self._provider.describe()
        return {**described, "offline": self._offline}

    def __call__(self, request: str) -> ToolAnswer:
        query = request.strip()
        if self._provider is None:
            return ToolAnswer(text=STUB, status="stub")
        if not query:
            return ToolAnswer(text=NO_QUERY, status="empty")
        return self._share(self._provider, query)

    def _share(self, provider: SearchProvider, query: str) -> ToolAnswer:
        """The answer of a search that is under way for this query, else of one that starts here."""
        mine: Future[ToolAnswer] = Future()
        with self._lock:
            under_way = self._under_way.setdefault(query, mine)
        if under_way is not mine:
            return replace(under_way.result(), cached=True)
        try:
            mine.set_result(self._answer(provider, query))
        except BaseException as error:
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._under_way[query]
        return mine.result()

    def _answer(self, provider: SearchProvider, query: str) -> ToolAnswer:
        key = [provider.describe(), query, MAX_HITS]
        known = _read_entry(self._cache.get(key)) if self._cache is not None else None
        if known is not None:
            return ToolAnswer(text=_format(known), cached=True)
        if self._offline:
            return ToolAnswer(text=NOT_CACHED, status="error")
        try:
            hits = provider.search(query, MAX_HITS)
        except SearchError as error:
            return ToolAnswer(text=str(error), status="error")
        if self._cache is not None:
            self._cache.put(key, _entry(provider, query, hits))
        return ToolAnswer(text=_format(hits))


def _format(hits: Sequence[Hit]) -> str:
    if not hits:
        return NO_HITS
    return "\n\n".join(
        f"{number}. {shorten(hit.title, MAX_TITLE_CHARACTERS)}\n{hit.url}\n"
        f"{shorten(hit.content, MAX_CONTENT_CHARACTERS)}".rstrip()
        for number, hit in enumerate(hits[:MAX_HITS], start=1)
    )


def _entry(provider: SearchProvider, query: str, hits: Sequence[Hit]) -> dict[str, Any]:
    return {
        **provider.describe(),
        "query": query,
        "max_hits": MAX_HITS,
        "hits": [asdict(hit) for hit in hits],
    }


def _read_entry(entry: Mapping[str, Any] | None) -> list[Hit] | None:
    """The hits of a cached search; None where there is no such entry, or one of another form."""
    found = entry.get("hits") if entry is not None else None
    if not isinstance(found, list):
        return None
    try:
        hits = [Hit(**hit) for hit in found]
    except TypeError:
        return None
    whole = all(isinstance(text, str) for hit in hits for text in asdict(hit).values())
    return hits if whole else None
