"""Keys and passwords, kept out of everything that is printed or written.

A server may repeat the key that it was sent, and an address may carry one. What is known to be secret is what
was handed to `keep_secret`, and the values of environment variables that are named like secrets.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

REDACTED = "[redacted]"
MIN_CHARACTERS = 6
"""Shorter values are no keys, and stand in any text by chance."""

_SECRET_NAME = re.compile(r"(?i)(?:^|_)(?:key|token|secret|password|passwd|credentials?)$")
_USER_OF_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#@]+@")
_QUERY_OF_URL = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:key|token|secret|password|signature|credential)|auth|sig)=)[^\s&#]+"
)

Data = TypeVar("Data")

given: set[str] = set()
"""What `keep_secret` was handed in this process."""
_lock = threading.Lock()


def keep_secret(*values: str | None) -> None:
    """From now on these are replaced wherever they would be shown."""
    with _lock:
        given.update(value for value in values if value and len(value) >= MIN_CHARACTERS)


def redact(text: str) -> str:
    """The text without known secrets, in any case of letters, and as they stand in an address."""
    return _pattern().sub(REDACTED, text)


def redact_urls(text: str) -> str:
    """The text without known secrets and without the users, passwords and keys of the addresses in it."""
    text = _USER_OF_URL.sub(rf"\1{REDACTED}@", redact(text))
    return _QUERY_OF_URL.sub(rf"\1{REDACTED}", text)


def redact_data(data: Data, *, urls: bool = False) -> Data:
    """Plain data (mappings, lists, tuples, texts) with every text redacted; with `urls` as `redact_urls`."""
    if isinstance(data, str):
        return redact_urls(data) if urls else redact(data)  # type: ignore[return-value]
    if isinstance(data, Mapping):
        return {key: redact_data(value, urls=urls) for key, value in data.items()}  # type: ignore[return-value]
    if isinstance(data, list | tuple):
        return type(data)(redact_data(value, urls=urls) for value in data)
    return data


def _pattern() -> re.Pattern[str]:
    named = (value for name, value in os.environ.items() if _SECRET_NAME.search(name))
    with _lock:
        known = given | {value for value in named if len(value) >= MIN_CHARACTERS}
    spellings = {spelling for value in known for spelling in (value, quote(value, safe=""))}
    # The longest first: one key may begin with another. `re` keeps what it has compiled.
    ordered = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)", re.IGNORECASE)
