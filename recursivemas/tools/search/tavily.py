"""Web search through Tavily."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

from recursivemas.errors import UserError
from recursivemas.output.redaction import keep_secret, redact
from recursivemas.tools.search.base import MAX_URL_CHARACTERS, Hit, Patience, SearchError
from recursivemas.tools.search.keys import KEY_VARIABLE, check_key
from recursivemas.tools.search.text import one_line, shorten

logger = logging.getLogger(__name__)

DEPTH = "advanced"
BASE_URL = "https://api.tavily.com"
MAX_DETAIL_CHARACTERS = 200
MAX_READ_CHARACTERS = 5000
"""How much of a hit's text is kept: far more than an agent reads."""
NO_VALID_KEY = "InvalidAPIKeyError"
"""What Tavily's client calls it, also where no key is left to be asked with."""


class _RefusedError(SearchError):
    """The service refuses this key, or what it may use is spent."""


class _BusyError(SearchError):
    """The service wants fewer requests with this key."""


class TavilySearch:
    """A SearchProvider; safe to use from several threads.

    A key that is refused or spent is not used again, and a search goes on with the next one; so it does
    after a key's rate limit, without giving that key up. Only when every key is at its limit are the pauses
    waited that the service asks for, one key after the other. No key is begun later than `longest_s` of the
    patience.

    `base_url` None stands for Tavily's own service. Without keys it can be described, but every search is a
    SearchError. UserError where a key or `base_url` cannot be one or a key stands in `base_url`, which is
    recorded, or where there are keys but no client is installed.
    """

    name = "tavily"

    def __init__(
        self, keys: Sequence[str], base_url: str | None = None, patience: Patience | None = None
    ) -> None:
        self._keys = tuple(dict.fromkeys(keys))
        for position, key in enumerate(self._keys, start=1):
            check_key(key, f"search key {position} of {len(self._keys)}")
        if self._keys and find_spec("tavily") is None:
            raise UserError("the search needs a package that is not installed: pip install tavily-python")
        self._patience = patience or Patience()
        keep_secret(*self._keys)
        self._base_url = self._checked_url(base_url or BASE_URL)
        self._lock = threading.Lock()
        self._first = 0
        self._retired: set[int] = set()

    def describe(self) -> dict[str, Any]:
        elsewhere = {} if self._base_url == BASE_URL else {"base_url": self._base_url}
        return {"provider": self.name, "search_depth": DEPTH, **elsewhere}

    def search(self, query: str, max_hits: int) -> list[Hit]:
        failure: SearchError | None = None
        last_begin = time.monotonic() + self._patience.longest_s
        for position, wait_if_busy in self._turns():
            try:
                answer = self._ask(self._keys[position], query, max_hits, wait_if_busy)
            except _RefusedError as refusal:
                self._go_on_from(position)
                self._retire(position, refusal)
                failure = failure or refusal
            except _BusyError as busy:
                self._go_on_from(position)
                failure = busy
            else:
                return self._read_hits(answer, max_hits)
            if time.monotonic() > last_begin:
                break
        if failure is None or not list(self._usable()):
            raise SearchError(self._without_keys(), NO_VALID_KEY)
        raise failure

    # ----- keys

    def _turns(self) -> Iterator[tuple[int, bool]]:
        """Positions of keys, and whether to wait with them at their rate limit: where all are, from the
        second turn on; where there is one, from the first."""
        if len(list(self._usable())) > 1:
            yield from ((position, False) for position in self._usable())
        yield from ((position, True) for position in self._usable())

    def _usable(self) -> Iterator[int]:
        """Positions of keys, the one to begin with first. Looked up as it goes: other threads retire some."""
        first = self._first
        for offset in range(len(self._keys)):
            position = (first + offset) % len(self._keys)
            if position not in self._retired:
                yield position

    def _go_on_from(self, position: int) -> None:
        self._first = (position + 1) % len(self._keys)

    def _retire(self, position: int, refusal: SearchError) -> None:
        with self._lock:
            known = position in self._retired
            self._retired.add(position)
        if not known:
            logger.warning(
                "search key %d of %d is not used any more: %s", position + 1, len(self._keys), refusal
            )

    def _without_keys(self) -> str:
        if not self._keys:
            return f"the web search has no key; set {KEY_VARIABLE}, or give a file of keys"
        return f"the web search has no key left: each of its {len(self._keys)} was refused or is spent"

    def _checked_url(self, url: str) -> str:
        if any(key.lower() in unquote(url).lower() for key in self._keys):
            raise UserError(
                "the search's base_url holds one of the search keys, and is recorded as it is; give the bare "
                "address, and the key apart from it"
            )
        return _checked_url(url)

    # ----- asking

    def _ask(self, key: str, query: str, max_hits: int, wait_if_busy: bool) -> Any:
        """What the client gives back, whatever its shape."""
        import tavily

        from recursivemas.tools.search import http

        # One session a search: sessions are not made to be shared by threads.
        with http.open_session(key, self._patience, wait_if_busy=wait_if_busy) as session:
            client = tavily.TavilyClient(api_key=key, api_base_url=self._base_url, session=session)
            return self._ask_with(client, query, max_hits)

    def _ask_with(self, client: Any, query: str, max_hits: int) -> Any:
        """Errors are raised anew without their causes, whose messages may hold a key."""
        import requests
        from tavily import errors as refusals

        timeout_s = self._patience.timeout_s
        try:
            return client.search(query, search_depth=DEPTH, max_results=max_hits, timeout=timeout_s)
        except refusals.InvalidAPIKeyError as error:
            says = "Tavily does not accept the key (HTTP 401)"
            raise _RefusedError(self._quote(says, error), _kind(error)) from None
        except refusals.ForbiddenError as error:
            says = "Tavily refuses the key, or its plan is spent (HTTP 403, 432 or 433)"
            raise _RefusedError(self._quote(says, error), _kind(error)) from None
        except refusals.UsageLimitExceededError as error:
            says = "Tavily's rate limit is reached (HTTP 429), try again later"
            raise _BusyError(self._quote(says, error), _kind(error)) from None
        except refusals.BadRequestError as error:
            says = "Tavily does not accept the query (HTTP 400)"
            raise SearchError(self._quote(says, error), _kind(error)) from None
        except (refusals.TimeoutError, requests.RequestException) as error:
            raise SearchError(self._explain(error), _kind(error)) from None
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            # The client checks no shapes: a body of another form surfaces where it is read.
            raise SearchError(self._misread, _kind(error)) from None

    def _quote(self, says: str, error: Exception) -> str:
        detail = shorten(redact(one_line(str(error))), MAX_DETAIL_CHARACTERS)
        return f"{says}: {detail}" if detail else says

    def _explain(self, error: Exception) -> str:
        import requests

        from recursivemas.tools.search import http

        if isinstance(error, requests.JSONDecodeError):
            return self._misread
        if isinstance(error, http.BodyTooLargeError):
            return f"the answer of the web search at {self._host} is too large; ask for something narrower"
        if isinstance(error, requests.HTTPError) and error.response is not None:
            status = error.response.status_code
            return f"the web search at {self._host} is out of order (HTTP {status}), try again later"
        return f"the web search at {self._host} could not be asked: {http.in_words(error)}"

    @property
    def _host(self) -> str:
        return urlsplit(self._base_url).netloc

    @property
    def _misread(self) -> str:
        return f"the web search at {self._host} answered in a form that is no list of results"

    # ----- reading

    def _read_hits(self, answer: Any, max_hits: int) -> list[Hit]:
        found = answer.get("results") if isinstance(answer, Mapping) else None
        # The client adds an empty list where there is none; an answer of Tavily's repeats the query.
        if not isinstance(found, list) or (not found and "query" not in answer):
            raise SearchError(self._misread)
        hits = [hit for hit in map(self._read_hit, found) if hit is not None]
        if found and not hits:
            raise SearchError(self._misread)
        return hits[:max_hits]

    def _read_hit(self, entry: object) -> Hit | None:
        """None where it has no address."""
        if not isinstance(entry, Mapping):
            return None
        address, title, content = (entry.get(name) for name in ("url", "title", "content"))
        url = redact(one_line(address)) if isinstance(address, str) else ""
        if not 0 < len(url) <= MAX_URL_CHARACTERS:
            return None
        return Hit(title=self._read_text(title) or url, url=url, content=self._read_text(content))

    def _read_text(self, value: object) -> str:
        return redact(one_line(value))[:MAX_READ_CHARACTERS] if isinstance(value, str) else ""


def _kind(error: Exception) -> str:
    return type(error).__name__


def _checked_url(url: str) -> str:
    """The address without a slash at its end; UserError where it is none, or holds more than the address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        shown = "" if "@" in url else f" {url}"
        raise UserError(f"the search's base_url{shown} is no address such as {BASE_URL}; correct it")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(
            f"the search's base_url at {parts.hostname} holds a user, a query or a fragment; give the bare "
            "address, and the key apart from it"
        )
    return url.rstrip("/")
