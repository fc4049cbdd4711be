"""A style of two agents that are one repository's."""

from __future__ import annotations

from typing import Any

TWINS: dict[str, Any] = {
    "name": "twins",
    "agents": [
        {"role": role, "repo": "Distillation-Expert-Qwen3.5-9B", "prompt": f"twins/{role}"}
        for role in ("first", "second")
    ],
    "links": [{"source": "first", "target": "second", "fresh": True}],
    "link_sets": ["math", "code"],
    "prompts": {
        "twins": {"first": {"any": "[[question]]"}, "second": {"any": "[[question]] [[slot:first]]"}}
    },
}
