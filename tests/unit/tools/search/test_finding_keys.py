"""Where the keys of a search are found, and how long texts are cut."""

import os
import sys

import pytest

from recursivemas.errors import UserError
from recursivemas.tools.search import find_keys
from recursivemas.tools.search.text import shorten

pytest.importorskip("tavily")


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
