"""Searches at a server of ours, and what they fail with."""

import traceback

import pytest

from recursivemas.tools.search import Hit, Patience, SearchError, TavilySearch
from tests.support.tavily_server import Answer, found

KEYS = ["tvly-first-0123456789", "tvly-second-0123456789", "tvly-third-0123456789"]
CURIE = ("Marie Curie", "https://a.example/curie", "She discovered radium.")
HIT = Hit(*CURIE)
GOOD = Answer(body=found(CURIE))
QUICK = Patience(timeout_s=20, max_retries=2, backoff_s=0, max_wait_s=2)
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "TAVILY_HTTP_PROXY", "TAVILY_HTTPS_PROXY"]


def search(server, keys=KEYS[:1], patience=QUICK):
    return TavilySearch(keys, server.url, patience).search("Who discovered radium?", 4)


def failure(server, keys=KEYS[:1], patience=QUICK):
    """The message of a search that fails, which holds no key, and neither does its traceback."""
    with pytest.raises(SearchError) as caught:
        search(server, keys, patience)
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(key in shown for key in keys)
    return str(caught.value)
