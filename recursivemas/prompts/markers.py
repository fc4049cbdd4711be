"""Finding a builder's slots: the places where it shows its marker constants.

A question may hold a marker's text itself. Such a question is asked about twice, once with its own markers
broken (`break_markers`), in a text of the same length: there, only the builder's markers are left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from recursivemas.prompts.source import Pieces, PromptsError
from recursivemas.prompts.template import Slot, merge

BREAKER = "\ue000"
"""A character that no text of ours and hardly any other holds (for private use)."""


def break_markers(text: str, markers: Mapping[str, str]) -> str:
    """The text with a character of each marker in it replaced; the same text where there is none."""
    for marker in sorted(set(markers.values()), key=len):
        while (start := text.find(marker)) >= 0:
            text = f"{text[:start]}{BREAKER}{text[start + 1 :]}"
    return text


def cut_at_slots(text: str, twin: str, markers: Mapping[str, str]) -> Pieces:
    """A prompt with its slots open; `markers` are the texts that mark them, in the order of the slots.

    `twin` is the prompt of the question with broken markers, the same text where it has none. Slots that
    share a marker stand in their order. Raises PromptsError where a slot has no place, or not one.
    """
    if not markers:
        return [text] if text else []
    restored = [own if shown == BREAKER else shown for own, shown in zip(text, twin, strict=False)]
    if len(text) != len(twin) or "".join(restored) != text:
        raise PromptsError(
            "the question holds the text that marks a slot, and its prompt does not tell the two apart"
        )
    waiting = {marker: [slot for slot in markers if markers[slot] == marker] for marker in markers.values()}
    longest_first = sorted(waiting, key=len, reverse=True)
    pieces: Pieces = []
    end = 0
    for match in re.finditer("|".join(map(re.escape, longest_first)), twin):
        if not waiting[match[0]]:
            raise PromptsError(f"it shows {match[0]!r} once too often; a message has one place in a prompt")
        pieces += [text[end : match.start()], Slot(waiting[match[0]].pop(0))]
        end = match.end()
    for marker, slots in waiting.items():
        if slots:
            raise PromptsError(f"it does not show {marker!r}, which marks the slot {slots[0]}")
    return merge([*pieces, text[end:]])


def fill_slots(pieces: Pieces, texts: Mapping[str, str]) -> Pieces:
    """The prompt with texts in its slots; nothing in them is read as a marker."""
    return ["".join(texts[piece.name] if isinstance(piece, Slot) else piece for piece in pieces)]
