"""Values between the process of the tests and that of the solution: plain data, as JSON with tags.

What arrives is built here from JSON alone, so a solution cannot hand over an object that only claims to be
equal to the expected one. What is no plain data arrives as an `Opaque`.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections import deque
from decimal import Decimal
from fractions import Fraction
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SIZE_BYTES = 8
MAX_MESSAGE_BYTES = 256 << 20
PLAIN: tuple[Any, ...] = (int, float, str, list)
MAX_ITEMS = 1_000_000
"""How much of an iterator, which may be endless, is handed over."""
LARGE_INT = 1 << 1024
READ_BYTES = 1 << 20


class ClosedError(Exception):
    """The other side has closed its end."""


class UnreadableError(Exception):
    """What arrived is no message."""


class Opaque:
    """Stands for a value that is no plain data. It equals nothing else, and is true."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"<{self.type_name}, which is no plain data>"


# ---------------------------------------------------------------------------------------------------------
# Values


def encode(value: Any) -> Any:
    """The value as JSON knows it, tagged where that is not enough. Of subclasses the base is handed over."""
    kind = type(value)
    if value is None or kind in (bool, str, float):
        return value
    if kind is int:
        return value if -LARGE_INT < value < LARGE_INT else {"int": hex(value)}
    if kind is list:
        return [encode(item) for item in value]
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return encode(value.tolist())
    for name, (base, to_data, _) in TAGS.items():
        if isinstance(value, base):
            return {name: to_data(value)}
    for plain in PLAIN:
        if isinstance(value, plain):
            return encode(plain(value))
    if hasattr(value, "__next__") or kind in VIEWS:
        return {"iterator": _items(islice(value, MAX_ITEMS))}
    return {"opaque": kind.__qualname__}


def _items(values: Any) -> list[Any]:
    return [encode(item) for item in values]


TAGS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (tuple, _items, tuple),
    "dict": (dict, lambda value: [_items(pair) for pair in value.items()], dict),
    "set": (set, _items, set),
    "frozenset": (frozenset, _items, frozenset),
    "deque": (deque, _items, deque),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "complex": (complex, lambda value: [value.real, value.imag], lambda data: complex(*data)),
    "range": (range, lambda value: [value.start, value.stop, value.step], lambda data: range(*data)),
    "fraction": (
        Fraction,
        lambda value: _items([value.numerator, value.denominator]),
        lambda data: Fraction(*data),
    ),
    "decimal": (Decimal, str, Decimal),
}
"""For each tag: the type, how it is taken apart, and how it is built again."""
BUILDERS: dict[str, Callable[[Any], Any]] = {
    **{name: build for name, (_, _, build) in TAGS.items()},
    "int": lambda data: int(data, 16),
    "iterator": iter,
    "opaque": lambda data: Opaque(str(data)),
}
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def decode(text: bytes) -> Any:
    """What `encode` and JSON made of a value or of a message; UnreadableError for anything else."""
    try:
        return json.loads(text, object_hook=_build)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from None


def _build(tagged: dict[str, Any]) -> Any:
    if len(tagged) != 1:
        raise ValueError("an object has to have one tag")
    ((name, data),) = tagged.items()
    if name not in BUILDERS:
        raise ValueError(f"there is no tag {name!r}")
    return BUILDERS[name](data)


# ---------------------------------------------------------------------------------------------------------
# Messages: a size, then a value


def send(descriptor: int, value: Any, deadline: float = float("inf")) -> None:
    """Write a message. ClosedError when nobody reads it, TimeoutError at the deadline, what `encode` raises.

    The deadline (of time.monotonic) holds where the descriptor does not block.
    """
    data = json.dumps(encode(value)).encode()
    rest = memoryview(len(data).to_bytes(SIZE_BYTES, "little") + data)
    while rest:
        _wait_for(descriptor, select.POLLOUT, deadline)
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError:
            raise ClosedError from None


def receive(descriptor: int, deadline: float = float("inf")) -> Any:
    """Read a message. ClosedError at the end, TimeoutError at the deadline (monotonic), UnreadableError."""
    size = int.from_bytes(_read(descriptor, SIZE_BYTES, deadline), "little")
    if size > MAX_MESSAGE_BYTES:
        raise UnreadableError(f"a message of {size} bytes; {MAX_MESSAGE_BYTES} are accepted")
    return decode(_read(descriptor, size, deadline))


def _read(descriptor: int, size: int, deadline: float) -> bytes:
    content = bytearray()
    while len(content) < size:
        _wait_for(descriptor, select.POLLIN, deadline)
        piece = os.read(descriptor, min(size - len(content), READ_BYTES))
        if not piece:
            raise ClosedError
        content += piece
    return bytes(content)


def _wait_for(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(None if left == float("inf") else left * 1000):
        raise TimeoutError
