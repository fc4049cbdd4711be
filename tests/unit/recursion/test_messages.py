"""Messages one by one: which there are, whether they were kept, and what a notebook shows of them."""

from __future__ import annotations

import re

import pytest
import torch

from recursivemas import Question, Solution
from recursivemas.errors import UserError
from recursivemas.recursion.messages import Lens, MessageSize
from recursivemas.recursion.trace import Passage
from recursivemas.tools import ToolCall
from tests.support.pages import HOSTILE

SIZES = {
    name: MessageSize((2, 3), 1.5)
    for name in ("r1/planner->solver", "r1/solver->planner", "r2/planner->solver")
}
LATENTS = torch.arange(6.0).view(2, 3)
LENS = Lens(
    heard=(((" A", 0.98), ("B", 0.2)), (("0", 0.97),)), said=(((" A", 0.9), ("C", 0.1)), (("1", 0.8),))
)
QUESTION = Question(id="q", text="Where?")


def solution(**fields) -> Solution:
    return Solution(question=QUESTION, **{"text": r"\boxed{A0}", "message_sizes": SIZES, **fields})


def test_a_message_that_was_kept_is_there_by_name_and_by_its_link():
    solved = solution(messages={"r1/planner->solver": LATENTS}, lenses={"r1/planner->solver": LENS})
    message = solved.message(1, "planner", "solver")
    assert (message.name, message.shape, message.norm, message.text) == (
        "r1/planner->solver",
        (2, 3),
        1.5,
        " A0",
    )
    assert message.latents is solved.messages["r1/planner->solver"] is LATENTS
    assert (list(solved.messages), len(solved.messages)) == (["r1/planner->solver"], 1)
    assert "r2/planner->solver" not in solved.messages


NOT_KEPT = "r1/planner->solver were not kept; solve(..., save_latents=True) keeps them"
CASES = [
    ({}, lambda one: one.messages["r1/planner->solver"], NOT_KEPT),
    ({}, lambda one: one.message(1, "planner", "solver").latents, NOT_KEPT),
    ({}, lambda one: one.message(1, "planner", "solver").text, "solve with lens=True, or run with --lens"),
    ({}, lambda one: one.message(1, "planner", "solver").lens, "solve with lens=True, or run with --lens"),
    ({}, lambda one: one.messages["r1/planner>solver"], "did you mean 'r1/planner->solver'?); there are r1/"),
    (
        {},
        lambda one: one.message(2, "solver", "planner"),
        "solver->planner in round 2; there is one in round 1",
    ),
    ({}, lambda one: one.message("1", "planer", "solver"), "links are planner->solver, solver->planner"),
    ({"rollout": 1, "message_sizes": {}}, lambda one: one.message(1, "a", "b"), "with the first rollout"),
    (
        {"error": "too long", "message_sizes": {}},
        lambda one: one.message(1, "a", "b"),
        "not be run (too long)",
    ),
    (
        {"passages": {"r1/a": Passage("so", ())}, "message_sizes": {}},
        lambda one: one.messages["r1/a->b"],
        "'r1/a->b'; agents passed on no latents; what they passed on as text is in its passages (r",
    ),
]


@pytest.mark.parametrize(("fields", "ask", "told"), CASES)
def test_one_that_was_not_kept_or_that_there_is_none_of_says_why(fields, ask, told):
    with pytest.raises(UserError, match=re.escape(told)):
        ask(solution(**fields))


def test_messages_say_in_a_notebook_why_there_are_none():
    assert "none kept (3 were sent; solve(..., save_latents=True)" in repr(solution().messages)
    assert "[2, 3]" in repr(solution(messages={"r1/planner->solver": LATENTS}).messages)


def test_a_solution_and_a_message_as_html():
    shown = solution(lenses={"r1/planner->solver": LENS}, token_ids=(1, 2), ended_by="stop")._repr_html_()
    assert r"<pre><b>\boxed{A0}</b></pre>" in shown
    assert "<td>r1/planner-&gt;solver</td><td>2 × 3</td><td>1.5</td><td> A0</td>" in shown
    assert "2 tokens, ended by stop" in shown
    message = solution(lenses={"r1/planner->solver": LENS}).message(1, "planner", "solver")._repr_html_()
    assert "2 latents of 3 numbers, mean norm 1.5" in message
    assert "<tr><td>1</td>\n<td><code> A</code> 0.98 · <code>B</code> 0.20</td>" in message
    assert "<td><code> A</code> 0.90 · <code>C</code> 0.10</td>" in message
    plain = solution().message(1, "planner", "solver")
    assert (plain.has_lens, "<table>" in plain._repr_html_()) == (False, False)
    assert "<b>not run</b>: too long" in Solution(question=QUESTION, error="too long")._repr_html_()


def test_what_models_and_files_have_written_is_escaped():
    call = ToolCall(tool="search", request="", result=HOSTILE, status="ok", start=0, end=len(HOSTILE))
    token = ((HOSTILE, 0.5),)
    solved = Solution(
        question=Question(id=HOSTILE, text=HOSTILE),
        text=f"{HOSTILE}{HOSTILE}\\boxed{{{HOSTILE}}}",
        ended_by=HOSTILE,
        tool_calls=(call,),
        message_sizes={HOSTILE: MessageSize((1, 3), 1.0), "r1/a->b": MessageSize((1, 3), 1.0)},
        lenses={HOSTILE: Lens(heard=(token,)), "r1/a->b": Lens(heard=(token,), said=(token,))},
        passages={HOSTILE: Passage(HOSTILE, ())},
    )
    failed = Solution(question=Question(id=HOSTILE, text=HOSTILE), error=HOSTILE)
    shown = [solved._repr_html_(), solved.message(1, "a", "b")._repr_html_(), failed._repr_html_()]
    for text in shown:
        assert HOSTILE not in text
        assert not [part for part in ("<script", "<img", "\u202e") if part in text]
        assert "&lt;img src=x" in text
