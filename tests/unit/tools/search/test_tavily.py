"""Tavily over HTTP: the real client, and a server on 127.0.0.1 that answers, refuses, stalls or lies."""

import gzip
import itertools
import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
from itertools import pairwise
from types import SimpleNamespace

import pytest

from recursivemas.errors import UserError
from recursivemas.tools.search import Hit, Patience, SearchError, TavilySearch, find_keys, tavily
from recursivemas.tools.search.text import shorten
from tests.support.tavily_server import Answer, TavilyServer, found, refusal

pytest.importorskip("tavily")

KEYS = ["tvly-first-0123456789", "tvly-second-0123456789", "tvly-third-0123456789"]
CURIE = ("Marie Curie", "https://a.example/curie", "She discovered radium.")
HIT = Hit(*CURIE)
GOOD = Answer(body=found(CURIE))
QUICK = Patience(timeout_s=20, max_retries=2, backoff_s=0, max_wait_s=2)
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "TAVILY_HTTP_PROXY", "TAVILY_HTTPS_PROXY"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in (*PROXIES, *map(str.lower, PROXIES), "TAVILY_API_KEY", "TAVILY_PROJECT", "TAVILY_ORG_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with TavilyServer() as server:
        yield server


@pytest.fixture
def no_key_is_told(caplog, capfd):
    """Whatever a test logs or prints, at any level, holds no key."""
    caplog.set_level(logging.DEBUG)
    yield
    out, err = capfd.readouterr()
    assert not any(key in text for key in KEYS for text in (out, err, caplog.text))


def search(server, keys=KEYS[:1], patience=QUICK):
    return TavilySearch(keys, server.url, patience).search("Who discovered radium?", 4)


def failure(server, keys=KEYS[:1], patience=QUICK):
    """The message of a search that fails, which holds no key, and neither does its traceback."""
    with pytest.raises(SearchError) as caught:
        search(server, keys, patience)
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(key in shown for key in keys)
    return str(caught.value)


# ----- good answers


def test_what_is_asked_and_what_comes_back(server):
    server.play(GOOD)
    assert search(server) == [HIT]
    (request,) = server.requests
    assert (request.path, request.key) == ("/search", KEYS[0])
    assert request.body == {
        "query": "Who discovered radium?",
        "search_depth": "advanced",
        "max_results": 4,
    }


def test_nothing_found(server):
    server.play(Answer(body=found()))
    assert search(server) == []


def test_no_more_than_was_asked_for(server):
    server.play(Answer(body=found(*[(f"t{n}", f"https://{n}.example", "c") for n in range(9)])))
    assert [hit.title for hit in search(server)] == ["t0", "t1", "t2", "t3"]


def test_bad_hits_are_left_out(server):
    bad = [None, "text", {}, {"title": "no address"}, {"url": 3}, {"url": "  "}, {"url": "h" * 3000}]
    server.play(Answer(body={**found(CURIE), "results": [*bad, *found(CURIE)["results"]]}))
    assert search(server) == [HIT]


def test_a_hit_without_words(server):
    server.play(Answer(body={**found(), "results": [{"url": "https://a.example", "title": None}]}))
    assert search(server) == [Hit("https://a.example", "https://a.example", "")]


def test_a_hit_is_read_as_it_stands_on_one_line(server):
    content = "a <b>word</b> &amp;\n\n\tlist<int> \x1b[31m\x00 half \ud800"
    body = json.dumps(found(("On\n radium ", "https://a.example", content))).encode()
    server.play(Answer(body=body))
    (hit,) = search(server)
    assert hit.title == "On radium"
    assert hit.content == "a <b>word</b> &amp; list<int> [31m half ?"


@pytest.mark.parametrize("place", range(4980, 5001))
def test_no_part_of_a_key_is_kept_at_the_end_of_a_long_text(server, place):
    server.play(Answer(body=found(("t", "https://a.example", "x" * place + KEYS[0]))))
    assert "tvly" not in search(server)[0].content


# ----- keys


def test_neither_the_environment_nor_netrc_gives_another_key(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-of-someone-else")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    search(server)
    assert server.keys == [KEYS[0]]


def test_the_environments_proxy_is_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.play(GOOD)
    assert TavilySearch(KEYS[:1], "http://search.invalid", QUICK).search("q", 4) == [HIT]
    assert server.requests[0].path == "http://search.invalid/search"


@pytest.mark.parametrize("status", [401, 403, 432, 433])
def test_a_refused_key_is_retired_and_the_next_is_tried(server, caplog, no_key_is_told, status):
    server.play_for(KEYS[0], Answer(status=status, body=refusal(f"{KEYS[0]} is not wanted")))
    server.play_for(KEYS[1], GOOD)
    tavily = TavilySearch(KEYS[:2], server.url, QUICK)
    assert tavily.search("q", 4) == tavily.search("q", 4) == [HIT]
    assert server.keys == [KEYS[0], KEYS[1], KEYS[1]]
    (notice,) = [record.message for record in caplog.records if record.name.startswith("recursivemas")]
    assert "key 1 of 2" in notice
    assert "[redacted] is not wanted" in notice


def test_no_key_is_left(server, caplog, no_key_is_told):
    server.play(Answer(status=432, body=refusal("spent")))
    tavily = TavilySearch(KEYS, server.url, QUICK)
    for _ in range(2):
        with pytest.raises(SearchError, match="no key left: each of its 3 was refused or is spent"):
            tavily.search("q", 4)
    assert server.keys == KEYS
    assert len([record for record in caplog.records if "is not used any more" in record.message]) == 3


def test_threads_retire_a_key_once(server, caplog):
    server.play_for(KEYS[0], Answer(status=401, body=refusal("no"), pause_s=0.2))
    server.play_for(KEYS[1], GOOD)
    tavily = TavilySearch(KEYS[:2], server.url, QUICK)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(tavily.search("q", 4))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[HIT]] * 4
    assert len([record for record in caplog.records if "key 1 of 2" in record.message]) == 1


def test_a_rate_limit_goes_to_the_next_key_and_keeps_this_one(server, caplog):
    # A pause that would be waited for, and shows that it is not where there is another key.
    server.play_for(KEYS[0], Answer(status=429, headers={"Retry-After": "2"}), GOOD)
    server.play_for(KEYS[1], GOOD, Answer(status=401))
    tavily = TavilySearch(KEYS[:2], server.url, QUICK)
    assert tavily.search("q", 4) == [HIT]
    assert server.keys == KEYS[:2]
    assert not [record for record in caplog.records if record.name.startswith("recursivemas")]
    # It goes on with the second, and returns to the first when the second is refused.
    assert tavily.search("q", 4) == [HIT]
    assert server.keys[2:] == [KEYS[1], KEYS[0]]


def test_every_key_at_its_rate_limit(server):
    server.play(Answer(status=429, body=refusal("too fast"), headers={"Retry-After": "3600"}))
    assert "rate limit is reached (HTTP 429), try again later: too fast" in failure(server, KEYS)
    assert server.keys == KEYS * 2


def test_when_every_key_is_at_its_limit_the_pause_is_waited_for(server):
    busy = Answer(status=429, headers={"Retry-After": "1"})
    server.play_for(KEYS[0], busy, busy, GOOD)
    server.play_for(KEYS[1], busy)
    assert search(server, KEYS[:2]) == [HIT]
    assert server.keys == [KEYS[0], KEYS[1], KEYS[0], KEYS[0]]
    *_, asked, again = server.requests
    assert again.at - asked.at >= 1


def test_the_last_key_that_is_left_is_waited_for(server):
    server.play_for(KEYS[0], Answer(status=401))
    server.play_for(KEYS[1], Answer(status=429), Answer(status=429), GOOD)
    assert search(server, KEYS[:2]) == [HIT]
    assert server.keys == [KEYS[0], *[KEYS[1]] * 3]


@pytest.mark.parametrize(
    ("status", "says"), [(429, "rate limit is reached"), (401, "does not accept the key")]
)
def test_no_key_is_begun_when_there_is_no_time_for_it(server, monkeypatch, status, says):
    server.play(Answer(status=status, body=refusal("no")))
    clock = itertools.count(step=QUICK.longest_s + 1)
    monkeypatch.setattr(tavily, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert says in failure(server, KEYS)
    assert server.keys == KEYS[:1]


def test_without_keys_it_can_be_described_but_not_asked(monkeypatch):
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-of-someone-else")
    monkeypatch.setitem(sys.modules, "tavily", None)
    tavily = TavilySearch([])
    assert tavily.describe() == {"provider": "tavily", "search_depth": "advanced"}
    with pytest.raises(SearchError, match="has no key; set TAVILY_API_KEY"):
        tavily.search("q", 4)


def test_the_description_is_the_same_for_any_key(server):
    expected = {"provider": "tavily", "search_depth": "advanced", "base_url": server.url}
    assert TavilySearch(KEYS, server.url + "/").describe() == expected
    assert TavilySearch(KEYS[:1], server.url).describe() == expected
    assert TavilySearch(KEYS, "https://api.tavily.com/").describe() == TavilySearch([]).describe()
    assert not any(key in repr(TavilySearch(KEYS)) for key in KEYS)


@pytest.mark.parametrize("key", ["", "two words", "line\n", "schlüssel", " tvly-x"])
def test_what_cannot_be_a_key(key):
    with pytest.raises(UserError, match="search key 2 of 2 holds no key") as caught:
        TavilySearch([KEYS[0], key])
    assert not key or key not in str(caught.value).replace("search key 2 of 2", "")


@pytest.mark.parametrize(
    "url", ["", "api.tavily.com", "ftp://a.example", "http://", "http://[", "http://a:x"]
)
def test_what_cannot_be_an_address(url):
    if url:
        with pytest.raises(UserError, match=r"base_url .*is no address such as https"):
            TavilySearch(KEYS, url)
    else:
        assert "base_url" not in TavilySearch(KEYS, url).describe()


@pytest.mark.parametrize("rest", ["?key=tvly-x", "#tvly-x"])
def test_an_address_that_holds_more(rest):
    for url in (f"https://a.example{rest}", "https://me:tvly-x@a.example"):
        with pytest.raises(UserError, match=r"at a\.example holds a user, a query or a fragment") as caught:
            TavilySearch(KEYS, url)
        assert "tvly-x" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/{}",
        "https://{}.example",
        "https://me:{}@a.example",
        "https://a.example?key={}",
        "a.example/{}",
    ],
)
def test_an_address_that_holds_a_key(url):
    for key in (KEYS[1], KEYS[1].upper(), KEYS[1].replace("tvly-", "tvly%2D")):
        with pytest.raises(UserError, match="base_url holds one of the search keys") as caught:
            TavilySearch(KEYS, url.format(key))
        assert "second" not in str(caught.value).lower()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tavily", None)
    with pytest.raises(UserError, match=r"pip install tavily-python"):
        TavilySearch(KEYS)


def test_keys_are_taken_out_of_everything_a_server_says(server, no_key_is_told):
    page = (
        f"About {KEYS[0]}",
        f"https://a.example/{KEYS[0]}",
        f"It is {KEYS[0].upper()}, {KEYS[1]}.",
    )
    server.play(Answer(body=found(page)))
    assert search(server, KEYS) == [
        Hit("About [redacted]", "https://a.example/[redacted]", "It is [redacted], [redacted].")
    ]
    server.play(Answer(status=400, body=refusal(f"bad query of {KEYS[0].upper()}")))
    assert failure(server).endswith("does not accept the query (HTTP 400): bad query of [redacted]")


def test_a_key_that_begins_with_another(server):
    keys = ["tvly-abc", "tvly-abcdef"]
    server.play(Answer(body=found(("t", "https://a.example", "tvly-abcdef tvly-abc"))))
    assert search(server, keys)[0].content == "[redacted] [redacted]"


# ----- failures that pass


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(server, status):
    server.play(Answer(status=status), GOOD)
    assert search(server) == [HIT]
    assert server.keys == [KEYS[0]] * 2


def test_a_broken_connection_is_tried_again(server):
    server.play(Answer(hang_up=True), GOOD)
    assert search(server) == [HIT]


@pytest.mark.parametrize("retry_after", ["soon", "0", "-3"])
def test_a_pause_that_says_nothing(server, retry_after):
    server.play(Answer(status=429, headers={"Retry-After": retry_after}), GOOD)
    assert search(server) == [HIT]


def test_the_pause_that_the_server_asks_for_is_kept(server):
    server.play(Answer(status=429, headers={"Retry-After": "1"}), GOOD)
    assert search(server) == [HIT]
    first, second = server.requests
    assert second.at - first.at >= 1


def test_a_pause_that_is_too_long_is_not_kept(server):
    server.play_for(KEYS[0], Answer(status=429, headers={"Retry-After": "3600"}))
    server.play_for(KEYS[1], GOOD)
    started = time.monotonic()
    assert search(server, KEYS) == [HIT]
    assert time.monotonic() - started < 60
    assert server.keys == KEYS[:2]


def test_pauses_grow(server):
    server.play(Answer(status=500))
    failure(server, patience=Patience(backoff_s=0.2, max_retries=3, max_wait_s=0.4))
    times = [request.at for request in server.requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.2), strict=True))


# ----- failures that stay


def test_out_of_order(server):
    server.play(Answer(status=500, body=refusal("no")))
    host = server.url.removeprefix("http://")
    assert failure(server, KEYS) == f"the web search at {host} is out of order (HTTP 500), try again later"
    assert server.keys == [KEYS[0]] * 3


def test_a_stall(server):
    server.play(Answer(pause_s=3))
    started = time.monotonic()
    patience = Patience(timeout_s=0.2, max_retries=1, backoff_s=0)
    assert failure(server, patience=patience).endswith("could not be asked: timed out")
    assert time.monotonic() - started < 3
    assert len(server.requests) == 2


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        tavily = TavilySearch(KEYS, url, QUICK)
        with pytest.raises(SearchError, match=r"127\.0\.0\.1:\d+ could not be asked: Connection refused"):
            tavily.search("q", 4)


def test_the_proxy_does_not_listen(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}")
        tavily = TavilySearch(KEYS, "http://search.invalid", QUICK)
        with pytest.raises(
            SearchError, match="could not be asked: at the proxy: Connection refused"
        ) as caught:
            tavily.search("q", 4)
    assert "secret" not in str(caught.value)


def test_a_body_that_breaks_off(server):
    server.play(Answer(body=found(CURIE), missing_bytes=100))
    assert "could not be asked" in failure(server)


def test_another_place(server):
    server.play(Answer(status=307, headers={"Location": "/elsewhere"}))
    assert failure(server).endswith("could not be asked: TooManyRedirects")
    assert [request.path for request in server.requests] == ["/search"]


HUGE = b'{"query": "q", "results": [], "more": "' + b"x" * (5 << 20) + b'"}'


@pytest.mark.parametrize("status", [200, 401])
def test_a_huge_body(server, status):
    server.play(Answer(status=status, body=HUGE))
    assert "is too large; ask for something narrower" in failure(server)
    server.play(Answer(status=status, body=gzip.compress(HUGE), headers={"Content-Encoding": "gzip"}))
    assert "is too large" in failure(server)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        [],
        None,
        "text",
        7,
        {},
        {"detail": "hello"},
        {"query": "q", "results": None},
        {"query": "q", "results": {"a": 1}},
        {"query": "q", "results": "text"},
        {"query": "q", "results": [{"title": "no address"}]},
    ],
)
def test_an_answer_of_another_form(server, body):
    server.play(Answer(body=body))
    assert failure(server).endswith("answered in a form that is no list of results")


@pytest.mark.parametrize("status", [204, 302, 404, 418])
def test_another_status(server, status):
    server.play(Answer(status=status, body=refusal("what?")))
    assert "the web search at 127.0.0.1" in failure(server)


@pytest.mark.parametrize(
    "detail", [None, 3, ["a"], {"error": {"a": KEYS[0]}}, {"error": KEYS[0] * 500}, KEYS[0]]
)
def test_a_refusal_of_another_form(server, detail, no_key_is_told):
    server.play(Answer(status=401, body={"detail": detail}))
    assert "no key left" in failure(server)
    server.play(Answer(status=400, body={"detail": detail}))
    assert "(HTTP 400)" in failure(server)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=401), "InvalidAPIKeyError"),
        (Answer(status=400), "BadRequestError"),
        (Answer(status=429, headers={"Retry-After": "3600"}), "UsageLimitExceededError"),
        (Answer(status=500), "HTTPError"),
        (Answer(hang_up=True), "ConnectionError"),
        (Answer(body=b"<html>"), "JSONDecodeError"),
        (Answer(body={"query": "q", "results": "text"}), "SearchError"),
    ],
)
def test_a_failure_is_named_as_the_client_names_it(server, answer, kind):
    server.play(answer)
    with pytest.raises(SearchError) as caught:
        search(server)
    assert caught.value.kind == kind


def test_patience_that_makes_no_sense():
    for given in (
        {"timeout_s": 0},
        {"timeout_s": 121},
        {"max_retries": -1},
        {"backoff_s": -1},
        {"max_wait_s": -1},
    ):
        ((name, value),) = given.items()
        with pytest.raises(UserError, match=rf"search's {name} is {value}"):
            Patience(**given)


# ----- text


def test_shorten():
    assert shorten("one two three", 13) == "one two three"
    assert shorten("one two three", 12) == "one two…"
    assert shorten("one two three", 8) == "one two…"
    assert shorten("x" * 20, 8) == "x" * 7 + "…"
    assert shorten("a " + "語" * 20, 8) == "a " + "語" * 5 + "…"


# ----- finding keys


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A working directory whose folders above, up to the test's own, hold no `.env`."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_keys_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-environment")
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbf# mine\r\ntvly-1\r\n\r\n  tvly-2  \r\ntvly-1\r\n  # theirs\r\n")
    assert find_keys(file) == ["tvly-1", "tvly-2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no key; write one a line"),
        (b"\n# only this\n", "holds no key; write one a line"),
        (b"tvly-1\ntvly-2 tvly-3\n", "line 2 of the keys file .* holds no key"),
        (b"tvly-1 # mine\n", "line 1 of the keys file"),
        ("schlüssel\n".encode(), "line 1 of the keys file"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_file_of_keys(tmp_path, content, message):
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        find_keys(file)
    assert "tvly-" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        find_keys(tmp_path / "missing")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        find_keys(tmp_path)


def test_the_key_of_the_environment(nowhere, monkeypatch):
    (nowhere / ".env").write_text("TAVILY_API_KEY=tvly-file\n")
    monkeypatch.setenv("TAVILY_API_KEY", " tvly-environment ")
    assert find_keys(None) == ["tvly-environment"]
    monkeypatch.setenv("TAVILY_API_KEY", "tvly 1")
    with pytest.raises(UserError, match="environment variable TAVILY_API_KEY holds no key"):
        find_keys(None)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_key_of_an_env_file(nowhere, depth):
    pytest.importorskip("dotenv")
    folder = [nowhere, *nowhere.parents][depth]
    (folder / ".env").write_text("OTHER=1\nexport TAVILY_API_KEY='tvly-file'\n")
    before = dict(os.environ)
    assert find_keys(None) == ["tvly-file"]
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "content", ["", "OTHER=1\n", "TAVILY_API_KEY=\n", "TAVILY_API_KEY\n", "# TAVILY_API_KEY=x\n"]
)
def test_there_is_no_key(nowhere, content):
    pytest.importorskip("dotenv")
    (nowhere / ".env").write_text(content)
    assert find_keys(None) == []


def test_the_nearest_env_file_is_taken(nowhere):
    pytest.importorskip("dotenv")
    (nowhere / ".env").write_text("TAVILY_API_KEY=tvly-near\n")
    (nowhere.parent / ".env").write_text("TAVILY_API_KEY=tvly-far\n")
    assert find_keys(None) == ["tvly-near"]


def test_an_env_file_without_the_package(nowhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "dotenv", None)
    (nowhere / ".env").write_text("OTHER=1\n")
    assert find_keys(None) == []
    (nowhere / ".env").write_text("TAVILY_API_KEY=tvly-file\n")
    with pytest.raises(UserError, match=r"pip install python-dotenv") as caught:
        find_keys(None)
    assert "tvly-file" not in str(caught.value)


def test_an_env_file_that_is_no_text(nowhere):
    (nowhere / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"\.env is not UTF-8 text"):
        find_keys(None)
