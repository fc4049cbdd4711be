r"""A text in parts: what an agent wrote, its boxes, its tool calls, and what tools answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from recursivemas.grading.extract import box_places
from recursivemas.tools import ToolCall, as_block

Part = dict[str, Any]


def parts_of(text: str, calls: Sequence[ToolCall]) -> list[Part]:
    r"""The text's parts in order, each with its `kind`: text, box (`\boxed{...}`), call or result.

    Put together they are the text. A result says how its call went.
    """
    parts: list[Part] = []
    position = 0
    for call in calls:
        result = call.end - len(as_block(call.result))
        parts += _written(text[position : call.start])
        parts.append({"kind": "call", "text": text[call.start : result], "tool": call.tool})
        parts.append(
            {
                "kind": "result",
                "text": text[result : call.end],
                "tool": call.tool,
                "status": call.status,
                "seconds": round(call.seconds, 2),
                "cached": call.cached,
            }
        )
        position = call.end
    parts += _written(text[position:])
    return [part for part in parts if part["text"]]


def _written(text: str) -> Iterator[Part]:
    position = 0
    for start, end in box_places(text):
        yield {"kind": "text", "text": text[position:start]}
        yield {"kind": "box", "text": text[start:end]}
        position = end
    yield {"kind": "text", "text": text[position:]}
