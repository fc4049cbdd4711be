"""Lessons in the words of published builders: asked for every row, as texts for inner links."""

from __future__ import annotations

from pathlib import Path

import pytest

from recursivemas import load_mas_system
from recursivemas.training import as_training_rows
from recursivemas.training.lessons import LessonWriter
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]  # published builders are asked in a process of their own

CONDITIONS = Path(__file__).parents[1] / "prompts" / "published" / "conditions"


@pytest.mark.parametrize(
    ("style", "role", "shown"),
    [
        ("sequential_light", "planner", "What is $12 + 30$?"),
        ("sequential_light", "critic", "Plan as text:\n1. Add the two numbers."),
        ("sequential_light", "solver", "1. Add the tens. 2. Add the ones."),
        ("mixture", "summarizer", "A sum of two numbers, no units."),
        ("deliberation", "toolcaller", "Call after <REFLECTOR_OUTPUT>"),
    ],
)
def test_builders_are_asked_for_texts_and_the_tool_caller_sees_its_marker(toy_release, style, role, shown):
    with load_mas_system(style, device="cpu", release=toy_release, prompts=CONDITIONS) as system:
        rows = as_training_rows(system.graph, ROWS[:1])
        lesson = LessonWriter(system.graph, system.agents, system.prompts).with_texts(rows, role)[0]
        assert shown in lesson.prompt.text
        assert lesson.prompt.slots == ()
        assert lesson.full.text.startswith(lesson.prompt.text[:40])
        assert rows[0].targets[role].text in lesson.full.text


def test_an_open_slot_of_a_packs_prompt_is_marked_by_its_name(toy_release):
    with load_mas_system("deliberation", device="cpu", release=toy_release) as system:
        rows = as_training_rows(system.graph, ROWS[:1])
        writer = LessonWriter(system.graph, system.agents, system.prompts)
        assert "<slot:reflection>" in writer.with_texts(rows, "toolcaller")[0].prompt.text
        assert writer.with_texts(rows, "toolcaller")[0].prompt.slots == ()
        assert writer.with_slots(rows, "toolcaller", feedback=False)[0].prompt.slots == ("reflection",)
