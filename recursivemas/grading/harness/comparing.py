"""Comparing what a program prints with what is expected."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def same_output(printed: str, expected: str) -> bool:
    """Line by line without outer white space; a line may also hold the same numbers, as decimals.

    Source: LiveCodeBench's runner. `1.0` equals `1.00`; nothing is rounded.
    """
    ours, theirs = (text.strip().split("\n") for text in (printed, expected))
    return len(ours) == len(theirs) and all(map(_same_line, ours, theirs))


def _same_line(ours: str, theirs: str) -> bool:
    if ours.strip() == theirs.strip():
        return True
    try:
        return [Decimal(word) for word in ours.split()] == [Decimal(word) for word in theirs.split()]
    except InvalidOperation:
        return False
