"""What was found about one thing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "missing", "note", "problem"]
"""As it should be; not there and not needed for every run; worth knowing; in the way of every run."""
OK: State = "ok"
MISSING: State = "missing"
NOTE: State = "note"
PROBLEM: State = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing by name, what it is like in words, and what to do about it, empty for nothing."""

    name: str
    value: str
    state: State = OK
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
