"""The tool with the providers that there are, Tavily and a folder."""

import threading

import pytest

from recursivemas.files.disk_cache import DiskCache
from recursivemas.tools.base import ToolAnswer
from recursivemas.tools.search import FolderSearch, Patience, SearchTool, TavilySearch
from tests.support.tavily_server import Answer, found, refusal

KEY = "tvly-key-0123456789"
QUICK = Patience(max_retries=1, backoff_s=0)


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "search")


def test_tavily_and_its_cache_without_a_key(server, cache):
    server.play(Answer(body=found(("About", "https://a.example", f"It is {KEY}"))))
    online = SearchTool(TavilySearch([KEY], server.url, QUICK), cache=cache)
    assert online("q").text == "Query: q\nResults:\n[1] About\nURL: https://a.example\nIt is [redacted]"
    offline = SearchTool(TavilySearch([], server.url), cache=cache, offline=True)
    assert offline("q") == ToolAnswer(text=online("q").text, cached=True)
    assert offline("other").status == "failed"
    assert len(server.requests) == 1
    (file,) = cache.folder.iterdir()
    assert KEY not in file.read_text()
    assert not any(KEY in str(tool.describe()) for tool in (online, offline))


def test_tavily_refuses(server, cache):
    server.play(Answer(status=401, body=refusal(f"{KEY} is unknown")))
    answer = SearchTool(TavilySearch([KEY], server.url, QUICK), cache=cache)("q")
    assert answer.status == "failed"
    assert answer.text.startswith("[search error] InvalidAPIKeyError: ")
    assert "no key left" in answer.text
    assert KEY not in answer.text


def test_two_threads_ask_tavily_the_same(server, cache):
    server.play(Answer(body=found(("About", "https://a.example", "text")), pause_s=0.3))
    tool = SearchTool(TavilySearch([KEY], server.url, QUICK), cache=cache)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(tool("q"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert sorted(answer.cached for answer in answers) == [False, True]


def test_a_folder(tmp_path, cache):
    pytest.importorskip("bm25s")
    (tmp_path / "curie.md").write_text("# Marie Curie\n\nShe discovered radium.")
    tool = SearchTool(FolderSearch(tmp_path), cache=cache)
    assert tool("radium").text == (
        "Query: radium\nResults:\n[1] Marie Curie\nURL: curie.md\n# Marie Curie She discovered radium."
    )
    assert tool("radium").cached
    (tmp_path / "curie.md").write_text("# Marie Curie\n\nShe discovered polonium.")
    assert not SearchTool(FolderSearch(tmp_path), cache=cache)("radium").cached
