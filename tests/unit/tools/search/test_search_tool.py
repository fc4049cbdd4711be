"""The tool: what an agent reads, what is kept, what is asked only once, and what is asked never."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from recursivemas.errors import UserError
from recursivemas.files.disk_cache import DiskCache
from recursivemas.tools.base import Tool, ToolAnswer
from recursivemas.tools.search import (
    DEADLINE_S,
    Hit,
    Patience,
    SearchError,
    SearchTool,
)
from recursivemas.tools.search import tool as search_tool

KEY = "tvly-key-0123456789"
HITS = [
    Hit("Marie Curie", "https://a.example", "She discovered radium."),
    Hit("Radium", "https://b.example", ""),
]


def listed(query):
    return (
        f"Query: {query}\nResults:\n[1] Marie Curie\nURL: https://a.example\nShe discovered radium.\n"
        "[2] Radium\nURL: https://b.example"
    )


LISTED = listed("q")
QUICK = Patience(max_retries=1, backoff_s=0)


@dataclass
class Provider:
    """Gives the outcomes in turn, the last again and again, and keeps what it was asked."""

    outcomes: list = field(default_factory=lambda: [HITS])
    asked: list = field(default_factory=list)
    depth: str = "advanced"
    gate: threading.Event | None = None
    name = "played"

    def search(self, query, max_hits):
        self.asked.append((query, max_hits))
        if self.gate is not None:
            assert self.gate.wait(60)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def describe(self):
        return {"provider": self.name, "depth": self.depth}


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "search")


# ----- what an agent reads


def test_hits_are_numbered(provider):
    tool: Tool = SearchTool(provider)
    assert tool.name == "search"
    text = listed("Who discovered radium?")
    assert tool(" Who discovered radium?\n") == ToolAnswer(text=text, status="ok", cached=False)
    assert provider.asked == [("Who discovered radium?", 4)]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("c" * 319, "c" * 319),
        ("c" * 320, "c" * 320),
        ("c" * 321, "c" * 320 + " ..."),
        ("radium " * 100, "radium " * 45 + "radiu" + " ..."),
        ("c" * 319 + " d", "c" * 319 + "  ..."),
    ],
)
def test_contents_are_cut(provider, content, shown):
    provider.outcomes = [[Hit("t", "https://a.example", content)]]
    assert SearchTool(provider)("q").text == f"Query: q\nResults:\n[1] t\nURL: https://a.example\n{shown}"


def test_no_more_than_four_hits_are_shown(provider):
    long = Hit("t" * 500, "https://a.example/" + "u" * 980, "c" * 5000)
    provider.outcomes = [[long] * 9]
    lines = SearchTool(provider)("q").text.splitlines()
    assert lines == ["Query: q", "Results:"] + [
        line
        for number in range(1, 5)
        for line in (f"[{number}] {long.title}", f"URL: {long.url}", "c" * 320 + " ...")
    ]


def test_no_results(provider):
    provider.outcomes = [[]]
    assert SearchTool(provider)("q") == ToolAnswer(text="Query: q\n[no search results]")


def test_an_empty_query_is_asked_like_any_other(provider):
    provider.outcomes = [[]]
    assert SearchTool(provider)(" \n").text == "Query: \n[no search results]"


def test_a_search_that_fails(provider, cache):
    provider.outcomes = [SearchError("the web search is out of order"), HITS]
    tool = SearchTool(provider, cache=cache)
    text = "[search error] SearchError: the web search is out of order"
    assert tool("q") == ToolAnswer(text=text, status="failed")
    assert not cache.folder.exists()
    assert tool("q") == ToolAnswer(text=LISTED)


def test_other_errors_are_not_swallowed(provider):
    provider.outcomes = [RuntimeError("a defect"), HITS]
    tool = SearchTool(provider)
    with pytest.raises(RuntimeError, match="a defect"):
        tool("q")
    assert tool("q").text == LISTED


def test_the_deadline_is_later_than_the_retries_of_any_number_of_keys():
    patience = Patience(timeout_s=5, max_retries=2, max_wait_s=7)
    assert patience.longest_s == 3 * 5 + 2 * 7
    assert SearchTool(None).deadline_s == DEADLINE_S
    # The last key is begun when one has taken the longest, and may take the longest itself.
    assert 2 * Patience().longest_s < DEADLINE_S


# ----- without a key


def test_the_stub_gives_notice_once(caplog):
    tool = SearchTool(None)
    answers = [tool(" q ") for _ in range(3)]
    assert {answer.status for answer in answers} == {"stub"}
    assert answers[0].text == (
        "Dummy search result for query: q\nExternal search is disabled in the release runner."
    )
    (notice,) = caplog.records
    assert notice.levelno == logging.WARNING
    assert "no key, so a stub will answer: set TAVILY_API_KEY" in notice.message
    assert tool.describe() == {"provider": "stub", "offline": False}


# ----- the cache


def test_what_was_found_is_kept(provider, cache):
    first = SearchTool(provider, cache=cache)("q")
    again = SearchTool(Provider(outcomes=[AssertionError("asked")]), cache=cache)("  q ")
    assert (first.cached, again.cached) == (False, True)
    assert first.text == again.text
    assert len(provider.asked) == 1


def test_an_empty_list_is_kept(provider, cache):
    provider.outcomes = [[], HITS]
    tool = SearchTool(provider, cache=cache)
    tool("q")
    assert tool("q") == ToolAnswer(text="Query: q\n[no search results]", cached=True)


def test_a_cache_that_cannot_be_used_costs_no_answer(provider, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    tool = SearchTool(provider, cache=DiskCache(tmp_path / "file"))
    assert [tool("q"), tool("other")] == [ToolAnswer(text=listed(query)) for query in ("q", "other")]
    (warning,) = caplog.records
    assert "file cannot be" in warning.getMessage()


def test_what_decides_the_answers_is_part_of_the_key(provider, cache):
    SearchTool(provider, cache=cache)("q")
    others = [Provider(depth="basic"), Provider()]
    assert not SearchTool(others[0], cache=cache)("q").cached
    assert not SearchTool(others[1], cache=cache)("Q").cached


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"hits": None},
        {"hits": ["text"]},
        {"hits": [{"title": "t"}]},
        {"hits": [{"title": "t", "url": 3, "content": "c"}]},
    ],
)
def test_an_entry_of_another_form_is_asked_anew(provider, cache, entry):
    cache.put([provider.describe(), "q", 4], entry)
    assert SearchTool(provider, cache=cache)("q") == ToolAnswer(text=LISTED)
    assert SearchTool(provider, cache=cache)("q").cached


def test_threads_that_ask_the_same_share_one_search(provider):
    provider.gate = threading.Event()
    tool = SearchTool(provider)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(tool("q"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    provider.gate.set()
    for thread in threads:
        thread.join()
    assert len(provider.asked) == sum(not answer.cached for answer in answers)
    assert {answer.text for answer in answers} == {LISTED}


def test_a_search_under_way_is_waited_for(provider):
    """The second asks while the first is held at the gate, so that the provider hears of it once."""
    provider.gate = threading.Event()
    tool = SearchTool(provider)
    answers = []
    first = threading.Thread(target=lambda: answers.append(tool("q")))
    first.start()
    while not provider.asked:
        time.sleep(0.01)
    second = threading.Thread(target=lambda: answers.append(tool("q")))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    provider.gate.set()
    first.join()
    second.join()
    assert provider.asked == [("q", 4)]
    assert sorted(answer.cached for answer in answers) == [False, True]


def until(condition):
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def clock(monkeypatch):
    """The tool's clock, which stands still until a test sets it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(search_tool, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_search_that_hangs_is_waited_for_until_its_deadline(provider, clock):
    gate = provider.gate = threading.Event()
    tool = SearchTool(provider)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(tool, "q")
        until(lambda: provider.asked)
        clock.now = DEADLINE_S - 0.1
        answer = tool("q")
        gate.set()
    text = "[search error] TimeoutError: the search gave no answer in time"
    assert answer == ToolAnswer(text=text, status="timeout")
    assert hanging.result() == ToolAnswer(text=LISTED)
    assert provider.asked == [("q", 4)]


def test_after_its_deadline_a_search_that_hangs_is_replaced(provider, clock):
    first_gate = provider.gate = threading.Event()
    tool = SearchTool(provider)
    with ThreadPoolExecutor(3) as pool:
        try:
            first = pool.submit(tool, "q")
            until(lambda: len(provider.asked) == 1)
            clock.now = DEADLINE_S
            provider.gate = threading.Event()
            second = pool.submit(tool, "q")
            until(lambda: len(provider.asked) == 2)
            # What hung comes back, and leaves the one that replaced it where others find it.
            first_gate.set()
            assert first.result(60) == ToolAnswer(text=LISTED)
            third = pool.submit(tool, "q")
            with pytest.raises(TimeoutError):
                third.result(0.2)
        finally:
            first_gate.set()
            provider.gate.set()
    assert (second.result().cached, third.result().cached) == (False, True)
    assert len(provider.asked) == 2


def test_a_failure_that_is_shared_is_not_from_a_cache(provider):
    provider.gate = threading.Event()
    provider.outcomes = [SearchError("out of order")]
    tool = SearchTool(provider)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(tool, "q") for _ in range(4)]
        until(lambda: provider.asked)
        provider.gate.set()
    answers = [call.result() for call in calls]
    assert answers == [ToolAnswer(text="[search error] SearchError: out of order", status="failed")] * 4


def test_an_error_is_shared_as_it_is(provider):
    """A search that ends in a TimeoutError has not hung."""
    provider.gate = threading.Event()
    provider.outcomes = [TimeoutError("its own")]
    tool = SearchTool(provider)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(tool, "q") for _ in range(4)]
        until(lambda: provider.asked)
        provider.gate.set()
    assert {str(call.exception()) for call in calls} == {"its own"}


def test_different_queries_do_not_wait_for_each_other(provider):
    provider.gate = threading.Event()
    tool = SearchTool(provider)
    threads = [threading.Thread(target=tool, args=(query,)) for query in ("a", "b")]
    for thread in threads:
        thread.start()
    give_up = time.monotonic() + 60
    while len(provider.asked) < 2 and time.monotonic() < give_up:
        time.sleep(0.01)
    asked = sorted(provider.asked)
    provider.gate.set()
    for thread in threads:
        thread.join()
    assert asked == [("a", 4), ("b", 4)]


# ----- offline


def test_offline_the_cache_alone_answers(provider, cache):
    SearchTool(provider, cache=cache)("q")
    offline = SearchTool(provider, cache=cache, offline=True)
    assert offline("q") == ToolAnswer(text=LISTED, cached=True)
    answer = offline("another")
    assert (answer.status, answer.cached) == ("failed", False)
    assert answer.text.startswith("[search error] OfflineError: ")
    assert "not in its cache" in answer.text
    assert len(provider.asked) == 1
    assert offline.describe() == {"provider": "played", "depth": "advanced", "offline": True}


def test_offline_needs_a_cache(provider):
    with pytest.raises(UserError, match="give a cache, or go online"):
        SearchTool(provider, offline=True)
