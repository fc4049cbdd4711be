"""What a search provider is, and what it finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from recursivemas.errors import UserError

MAX_HITS = 4
MAX_CONTENT_CHARACTERS = 320
"""What an agent reads of a search (docs/protocol.md, "Tools")."""
MAX_URL_CHARACTERS = 1000
"""Ours: what is longer is no address that anybody reads."""

LONGEST_TIMEOUT_S = 120.0
"""What Tavily's client cuts longer ones to."""


@dataclass(frozen=True)
class Hit:
    """One page or passage that was found, each text on one line. `content` is what it says, uncut."""

    title: str
    url: str
    content: str


class SearchError(Exception):
    """A search that gave no answer. Its message is for an agent and a person, and holds no key.

    `kind` names the error to the agent, as the client that raised it does.
    """

    def __init__(self, message: str, kind: str = "SearchError") -> None:
        super().__init__(message)
        self.kind = kind


class SearchProvider(Protocol):
    """Searches, from several threads at a time."""

    @property
    def name(self) -> str: ...

    def search(self, query: str, max_hits: int) -> list[Hit]:
        """At most `max_hits`, the best first; SearchError where there is no answer."""

    def describe(self) -> dict[str, Any]:
        """What decides the answers, as JSON can hold it; no secrets, not even hashed."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a server is waited for; times in seconds.

    `timeout_s` is for a connection and for silence on it, `max_retries` how often a request that failed (no
    connection, silence, 429, 500, 502, 503, 504) is sent again. In between is the pause that the server asks
    for, up to `max_wait_s`; where it asks for more, nothing is sent again. Where it asks for none, the pause
    is up to `backoff_s`, twice as long each time, and no longer than `max_wait_s`.
    """

    timeout_s: float = 20.0
    max_retries: int = 3
    backoff_s: float = 1.0
    max_wait_s: float = 10.0

    @property
    def longest_s(self) -> float:
        """How long a request may take with all its retries: silence each time, and the longest pauses."""
        return (self.max_retries + 1) * self.timeout_s + self.max_retries * self.max_wait_s

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= LONGEST_TIMEOUT_S:
            raise UserError(
                f"a search's timeout_s is {self.timeout_s}; it has to be above 0 and at most "
                f"{LONGEST_TIMEOUT_S}"
            )
        for name, value in asdict(self).items():
            if value < 0:
                raise UserError(f"a search's {name} is {value}; it has to be 0 or more")
