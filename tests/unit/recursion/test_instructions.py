"""What stands before a question is a piece of its own in every prompt, and the same for every question."""

from __future__ import annotations

import json

import pytest

from recursivemas.question import Question
from recursivemas.recursion.prompts import PromptWriter
from recursivemas.runs.prepare import prepare

pytestmark = pytest.mark.process

QUESTIONS = ["What is 1 + 1?", "\n12 apples", "ﬁnd x", "∑"]
"""What may become one token with the end of what stands before it."""


@pytest.fixture
def write(toy_release, tmp_path):
    """A function from a style and texts to all prompts of questions with these texts."""
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"problem": "?", "answer": "1"}) + "\n")

    def prompts_of(style: str, **settings):
        run = prepare(style=style, release=str(toy_release), device="cpu", dataset_path=str(path), **settings)
        tokenizers = {role: outline.tokenizer for role, outline in run.outlines.items()}
        writer = PromptWriter(
            run.style, tokenizers, run.prompts, run.settings.solve, dict.fromkeys(tokenizers, ())
        )
        asked = [Question(id=str(number), text=text) for number, text in enumerate(QUESTIONS)]
        return writer, tokenizers, [prepared.chats for prepared in writer.prepare(asked)]

    return prompts_of


@pytest.mark.parametrize("style", ["sequential_light", "mixture"])
def test_instructions_are_one_piece_in_every_prompt(write, style):
    _, tokenizers, written = write(style, num_recursive_rounds=2)
    for key, chat in written[0].items():
        assert len(chat.segments[0]) > 16
        for other in (chats[key] for chats in written):
            assert other.segments[0] == chat.segments[0], key
            before = other.text.partition("<slot:")[0]
            ids = tuple(tokenizers[key[0]].encode(before, add_special_tokens=False))
            assert other.segments[0] + other.segments[1] == ids, "they are what they were, in two"


def test_texts_of_others_are_no_instructions(write):
    writer, _, _ = write("sequential_light", mode="text", num_recursive_rounds=2)
    key = ("solver", False)  # whose prompt has the slot before the question
    texts = ("Add both.", "Zeros first.")
    asked = [(Question(id="0", text=QUESTIONS[0]), key, {"refined_plan": text}) for text in texts]
    one, other = writer.write(asked)
    assert len(one.segments[0]) > 16
    assert one.segments[0] == other.segments[0]
    assert one.segments[1] != other.segments[1]
