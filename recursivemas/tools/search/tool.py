"""The search tool: what an agent asks becomes a numbered list of hits.

Source: docs/protocol.md, "Tools".
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from recursivemas.errors import UserError
from recursivemas.files.disk_cache import DiskCache
from recursivemas.tools.base import ToolAnswer
from recursivemas.tools.search.base import (
    MAX_CONTENT_CHARACTERS,
    MAX_HITS,
    Hit,
    SearchError,
    SearchProvider,
)
from recursivemas.tools.search.keys import KEY_VARIABLE

logger = logging.getLogger(__name__)

DEADLINE_S = 300.0
"""When a search is given up. With the default Patience a key takes at most 110 s (4 times 20 s of silence and
3 pauses of 10 s), and none is begun later than that: any number of keys takes at most 220 s. This leaves room
beside it, and ends a server that sends a byte now and then."""

NO_KEY = (
    f"search has no key, so a stub will answer: set {KEY_VARIABLE}, put it into .env, give "
    "--tavily_keys_file FILE, or search texts of your own with --search_folder FOLDER"
)
STUB = "Dummy search result for query: {query}\nExternal search is disabled in the release runner."
NO_HITS = "[no search results]"
ERROR = "[search error] {kind}: {message}"
NO_ANSWER = ERROR.format(kind="TimeoutError", message="the search gave no answer in time")
NOT_CACHED = ERROR.format(
    kind="OfflineError", message="the search is offline in this run, and this query is not in its cache"
)


@dataclass(frozen=True, kw_only=True)
class _UnderWay:
    """A search that others may wait for, `until` a time of the monotonic clock."""

    until: float
    answer: Future[ToolAnswer] = field(default_factory=Future)


class SearchTool:
    """The Tool `search`.

    Without a provider every call is answered with a stub, and a notice says so at once. `cache` keeps what
    was found, not what failed. `offline`: the cache alone answers, and the provider is only described.
    Threads that ask the same at the same time share one search, until its deadline; who asks after that
    starts another.
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
        self._under_way: dict[str, _UnderWay] = {}
        if provider is None:
            logger.warning(NO_KEY)

    def describe(self) -> dict[str, Any]:
        described = {"provider": "stub"} if self._provider is None else self._provider.describe()
        return {**described, "offline": self._offline}

    def __call__(self, request: str) -> ToolAnswer:
        if self._provider is None:
            return ToolAnswer(text=STUB.format(query=request.strip()), status="stub")
        return self._share(self._provider, request.strip())

    def _share(self, provider: SearchProvider, query: str) -> ToolAnswer:
        """The answer of a search that is under way for this query, else of one that starts here."""
        mine = _UnderWay(until=time.monotonic() + self.deadline_s)
        with self._lock:
            other = self._under_way.get(query)
            if other is None or other.until <= time.monotonic():
                self._under_way[query] = mine
                other = None
        if other is not None:
            return self._wait_for(other)
        try:
            mine.answer.set_result(self._answer(provider, query))
        except BaseException as error:
            mine.answer.set_exception(error)
        finally:
            with self._lock:
                if self._under_way.get(query) is mine:
                    del self._under_way[query]
        return mine.answer.result()

    def _wait_for(self, other: _UnderWay) -> ToolAnswer:
        # Not `result(timeout)`: a search may itself end in a TimeoutError.
        wait([other.answer], timeout=max(0.0, other.until - time.monotonic()))
        if not other.answer.done():
            return ToolAnswer(text=NO_ANSWER, status="timeout")
        answer = other.answer.result()
        return replace(answer, cached=answer.status == "ok")

    def _answer(self, provider: SearchProvider, query: str) -> ToolAnswer:
        key = [provider.describe(), query, MAX_HITS]
        known = _read_entry(self._cache.get(key)) if self._cache is not None else None
        if known is not None:
            return ToolAnswer(text=format_hits(query, known), cached=True)
        if self._offline:
            return ToolAnswer(text=NOT_CACHED, status="failed")
        try:
            hits = provider.search(query, MAX_HITS)
        except SearchError as error:
            return ToolAnswer(text=ERROR.format(kind=error.kind, message=error), status="failed")
        if self._cache is not None:
            self._cache.put(key, _entry(provider, query, hits))
        return ToolAnswer(text=format_hits(query, hits))


def format_hits(query: str, hits: Sequence[Hit]) -> str:
    """What an agent reads of a search, letter by letter as the release writes it."""
    lines = [f"Query: {query}", "Results:" if hits else NO_HITS]
    for number, hit in enumerate(hits[:MAX_HITS], start=1):
        lines += [f"[{number}] {hit.title}", f"URL: {hit.url}"]
        lines += [_cut(hit.content)] if hit.content else []
    return "\n".join(lines)


def _cut(content: str) -> str:
    whole = len(content) <= MAX_CONTENT_CHARACTERS
    return content if whole else f"{content[:MAX_CONTENT_CHARACTERS]} ..."


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
