"""Texts in parts."""

from __future__ import annotations

import pytest

from recursivemas.recursion.transcript import parts_of
from recursivemas.tools import ToolCall, as_block


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        (r"so \boxed{4}.", [r"\boxed{4}"]),
        (r"\boxed{\frac{1}{2}} and \fbox {x}", [r"\boxed{\frac{1}{2}}", r"\fbox {x}"]),
        (r"\boxed{a \boxed{b}}", [r"\boxed{a \boxed{b}}"]),
        (r"\boxed{\{1\}} {} } {", [r"\boxed{\{1\}}"]),
        (r"never closed \boxed{4", []),
        (r"x \boxed{a \boxed{b}", [r"\boxed{b}"]),
        ("", []),
    ],
)
def test_boxes_are_told_apart(text, boxes):
    parts = parts_of(text, ())
    assert [part["text"] for part in parts if part["kind"] == "box"] == boxes
    assert "".join(part["text"] for part in parts) == text


def test_calls_and_results_are_parts_of_their_own():
    request, result = "<python>1 + 1</python>", as_block(r"2 \boxed{3}")
    text = rf"Let me see: {request}{result} so \boxed{{2}}"
    start = text.index(request)
    end = start + len(request + result)
    call = ToolCall(
        tool="python", request="1 + 1", result=r"2 \boxed{3}", status="ok", seconds=0.5, start=start, end=end
    )
    parts = parts_of(text, [call])
    assert [(part["kind"], part["text"]) for part in parts] == [
        ("text", "Let me see: "),
        ("call", request),
        ("result", result),
        ("text", " so "),
        ("box", r"\boxed{2}"),
    ]
    assert (parts[2]["status"], parts[2]["seconds"], parts[2]["cached"]) == ("ok", 0.5, False)
