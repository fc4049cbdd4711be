"""The one kind of error that a user can mend."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path


class UserError(ValueError):
    """Something asked for or given is wrong: the message says what, the value, what is accepted, what to do.

    The command line shows these without a traceback; any other exception is a defect of the library.
    """


class ToldElsewhereError(UserError):
    """What another process of the same launch tells already: the command line ends without a word."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` with the known name that is most like this one; empty where none is like it."""
    plain = {_plain(one): one for one in known}
    close = get_close_matches(_plain(str(name)), plain, n=1)
    return f" (did you mean {plain[close[0]]!r}?)" if close else ""


NUM_NEAR = 3


def near_or_some(name: str, known: Collection[str]) -> str:
    """`near it are 'x', 'y'` with the known ones that are most like it; `it has for example 'x', 'y', 'z'`,
    or all of a few, where none is like it.
    """
    if near := get_close_matches(name, known, n=NUM_NEAR, cutoff=0.5):
        return f"near it {'is' if len(near) == 1 else 'are'} {', '.join(map(repr, near))}"
    some = ", ".join(map(repr, islice(known, NUM_NEAR)))
    return f"it has {'for example ' if len(known) > NUM_NEAR else ''}{some}"


def _plain(name: str) -> str:
    """What two spellings of a name share."""
    return name.lower().replace("-", "_").replace(" ", "_")


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, and what to do about it."""
    place, reason = error.filename or path, error.strerror or str(error)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"{place} may not be read by this user ({reason}). Nothing is damaged: give permission to read "
            "it, or run as a user who has it"
        )
    if error.errno == errno.ENOENT:
        return f"{place} is not there ({reason}). Is the folder complete? Copy or get it again"
    return f"{place} cannot be read ({reason}). See to the disk that it is on, and run again"
