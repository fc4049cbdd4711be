"""Tavily over HTTP: the real client, and a server on 127.0.0.1 that answers."""

import itertools
import json
import sys
import threading
from types import SimpleNamespace

import pytest

from recursivemas.errors import UserError
from recursivemas.tools.search import Hit, SearchError, TavilySearch, tavily
from tests.support.tavily_search import CURIE, GOOD, HIT, KEYS, QUICK, failure, search
from tests.support.tavily_server import Answer, found, refusal

pytest.importorskip("tavily")


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
