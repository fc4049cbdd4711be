"""Messages between the process of the tests and that of the solution: a size, then a value (see `values`)."""

from __future__ import annotations

import json
import os
import select

from .values import Codec, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .allowance import Allowance

SIZE_BYTES = 8
MAX_MESSAGE_BYTES = 256 << 20
READ_BYTES = 1 << 20
TICK_MS = 20


class ClosedError(Exception):
    """The other side has closed its end."""


def send(descriptor: int, codec: Codec, value: Any, allowance: Allowance | None = None) -> None:
    """Write a message. ClosedError when nobody reads it, TimeoutError when the allowance is used up.

    What the codec raises goes on, before anything is written. For an allowance to hold, the descriptor must
    not block.
    """
    data = json.dumps(codec.encode(value)).encode()
    rest = memoryview(len(data).to_bytes(SIZE_BYTES, "little") + data)
    while rest:
        _wait_for(descriptor, select.POLLOUT, allowance)
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError:
            raise ClosedError from None


def receive(descriptor: int, codec: Codec, allowance: Allowance | None = None) -> Any:
    """Read a message. ClosedError at the end, TimeoutError, and UnreadableError for what is none."""
    size = int.from_bytes(_read(descriptor, SIZE_BYTES, allowance), "little")
    if size > MAX_MESSAGE_BYTES:
        raise UnreadableError(f"a message of {size} bytes; {MAX_MESSAGE_BYTES} are accepted")
    return codec.decode(_read(descriptor, size, allowance))


def _read(descriptor: int, size: int, allowance: Allowance | None) -> bytes:
    content = bytearray()
    while len(content) < size:
        _wait_for(descriptor, select.POLLIN, allowance)
        piece = os.read(descriptor, min(size - len(content), READ_BYTES))
        if not piece:
            raise ClosedError
        content += piece
    return bytes(content)


def _wait_for(descriptor: int, event: int, allowance: Allowance | None) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    while not poll.poll(None if allowance is None else TICK_MS):
        if allowance and allowance.is_used_up():
            raise TimeoutError(str(allowance))
