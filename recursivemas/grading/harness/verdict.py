"""A verdict on a solution: its kind and a detail; see `recursivemas.grading.code` for the kinds."""

from __future__ import annotations

Verdict = tuple[str, str]


def describe_failure(failure: tuple[str, str], where: str = "while it was loaded") -> Verdict:
    """Of an exception in the solution, by name and text."""
    name, text = failure
    kind = "memory limit" if name == "MemoryError" else "runtime error"
    kind = "ended early" if name == "SystemExit" else kind
    return kind, f"{name}: {text} ({where})"


def describe_end(ended: BaseException) -> Verdict:
    """Of a solution whose process is gone."""
    return "ended early", f"the solution's process {ended}"


def not_carried(reason: object, where: str) -> Verdict:
    """Of a test that does not work in two processes, which says nothing about the solution."""
    return "bad tests", f"this test cannot be carried: {reason}" + (f" ({where})" if where else "")
