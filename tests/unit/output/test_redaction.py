"""Secrets stay out of what is shown; texts without any stay as they are."""

from __future__ import annotations

import pytest

from recursivemas.output.redaction import keep_secret, redact, redact_data, redact_urls


def test_what_was_given_is_replaced_in_every_spelling():
    keep_secret("s3cret/Key+1", None, "", "short")
    assert redact("a S3CRET/key+1 b") == "a [redacted] b"
    assert redact("?k=s3cret%2FKey%2B1") == "?k=[redacted]"
    assert redact("short stays") == "short stays"


def test_the_longer_of_two_keys_goes_as_a_whole():
    keep_secret("abcdef", "abcdef-more")
    assert redact("abcdef-more abcdef") == "[redacted] [redacted]"


def test_variables_that_are_named_like_secrets_are_known(monkeypatch):
    names = ("MY_API_KEY", "HF_TOKEN", "DB_PASSWORD", "client_secret")
    for name in names:
        monkeypatch.setenv(name, f"value-of-{name}")
    monkeypatch.setenv("KEYBOARD", "value-of-keyboard")
    text = " ".join(f"value-of-{name}" for name in (*names, "keyboard"))
    assert redact(text) == "[redacted] [redacted] [redacted] [redacted] value-of-keyboard"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@hub.example/x", "https://[redacted]@hub.example/x"),
        ("see http://token@host:80/v1 now", "see http://[redacted]@host:80/v1 now"),
        ("https://h/v1?api_key=abc&v=2#top", "https://h/v1?api_key=[redacted]&v=2#top"),
        ("https://h/v1?v=2&X-Amz-Signature=ab12", "https://h/v1?v=2&X-Amz-Signature=[redacted]"),
        ("https://h/v1?monkey_business=1", "https://h/v1?monkey_business=1"),
        ("mail me@example.org, x = a@b", "mail me@example.org, x = a@b"),
        ("https://h/a@b", "https://h/a@b"),
    ],
)
def test_addresses_lose_users_and_keys(url, shown):
    assert redact_urls(url) == shown
    assert redact(url) == url, "texts that are graded keep their addresses"


def test_data_is_redacted_however_deep():
    keep_secret("abcdef")
    data = {"a": ["abcdef", ("x abcdef", 3)], "b": None, "c": {"d": "http://u:p@h"}}
    assert redact_data(data) == {
        "a": ["[redacted]", ("x [redacted]", 3)],
        "b": None,
        "c": {"d": "http://u:p@h"},
    }
    assert redact_data(data, urls=True)["c"]["d"] == "http://[redacted]@h"
