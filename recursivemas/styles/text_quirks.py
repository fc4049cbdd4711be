"""What the release does otherwise with an agent when agents pass on text, as in its published baselines.

Source: docs/protocol.md, "Text mode". The wording is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recursivemas.question import QuestionKind


@dataclass(frozen=True, kw_only=True)
class TextQuirk:
    """For questions of these `kinds` (all where none is named), one agent's limits and a line more.

    `note` stands at the end of its prompt; `max_new_tokens` it may write, `max_characters` it passes on.
    """

    kinds: tuple[QuestionKind, ...] = ()
    note: str = ""
    max_new_tokens: int | None = None
    max_characters: int | None = None

    def __post_init__(self) -> None:
        if self.kinds and self.max_new_tokens is not None:
            raise ValueError("max_new_tokens is a whole batch's, so it cannot depend on a question's kind")


SOFT_PLAN = TextQuirk(
    note="A few plain sentences are enough for the plan; it needs no numbering and no headings.",
    max_new_tokens=200,
    max_characters=1000,
)
"""Gemma planners."""
SHORT_ON_GPQA = TextQuirk(kinds=("gpqa",), max_characters=500)
"""Plan and refined plan of the 4B set."""
NO_ANSWER_YET = TextQuirk(
    kinds=("choice", "gpqa"),
    note="Do not choose an option, and do not hint at one: the answer is not yours to give.",
)
"""Refiners of choice questions."""


def text_quirk(quirks: Iterable[TextQuirk], kind: QuestionKind) -> TextQuirk:
    """What holds for a question of that kind: all notes, the least of each limit."""
    held = [quirk for quirk in quirks if not quirk.kinds or kind in quirk.kinds]
    return TextQuirk(
        note="\n\n".join(quirk.note for quirk in held if quirk.note),
        max_new_tokens=_least(quirk.max_new_tokens for quirk in held),
        max_characters=_least(quirk.max_characters for quirk in held),
    )


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
