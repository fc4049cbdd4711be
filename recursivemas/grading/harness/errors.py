"""Exceptions between the two processes: the name of the type, and the text."""

from __future__ import annotations

import builtins

MAX_CHARACTERS = 1000
NOT_REBUILT = (StopIteration, StopAsyncIteration, UnicodeError)


def raised(error: BaseException) -> list[str]:
    """The message that says so."""
    try:
        text = str(error)[:MAX_CHARACTERS]
    except Exception:
        text = ""
    return ["raised", type(error).__name__, text]


def rebuilt(name: str, text: str) -> Exception:
    """The built-in exception of that name, or a RuntimeError that names it.

    The latter too for those that would end a loop over the function's results as if it were through.
    """
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, NOT_REBUILT):
        return kind(text)
    return RuntimeError(f"{name}: {text}")
