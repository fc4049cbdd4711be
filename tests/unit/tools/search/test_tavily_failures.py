"""Tavily over HTTP: the real client, and a server on 127.0.0.1 that refuses, stalls or lies."""

import gzip
import socket
import time
from itertools import pairwise

import pytest

from recursivemas.errors import UserError
from recursivemas.tools.search import Patience, SearchError, TavilySearch
from tests.support.tavily_search import CURIE, GOOD, HIT, KEYS, QUICK, failure, search
from tests.support.tavily_server import Answer, found, refusal

pytest.importorskip("tavily")


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
