"""No key and no proxy of the user's, and a server that stands for Tavily's."""

import logging

import pytest

from tests.support.tavily_search import KEYS, PROXIES
from tests.support.tavily_server import TavilyServer


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
