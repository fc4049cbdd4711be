"""What the release's text baselines do otherwise, as data on the styles' agents, and in a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recursivemas.agents.agent import Agent
from recursivemas.errors import UserError
from recursivemas.prompts.chat import ChatRenderer
from recursivemas.question import Question
from recursivemas.styles import PUBLISHED_STYLES, load_style
from recursivemas.styles.text_quirks import NO_ANSWER_YET, SOFT_PLAN, TextQuirk, text_quirk
from recursivemas.system import load_mas_system

OPTIONS = ("one", "two", "three", "four")
CHOICE = Question(
    id="q",
    text="Which?\nA. one\nB. two\nC. three\nD. four",
    kind="gpqa",
    options=OPTIONS,
    gold="A",
)
MATH = Question(id="r", text="What is 1 + 1?", gold="2")


@pytest.mark.parametrize(
    ("style", "role", "kind", "tokens", "characters", "note"),
    [
        ("sequential_scaled", "planner", "math", 200, 1000, SOFT_PLAN.note),
        ("sequential_scaled", "planner", "choice", 200, 1000, SOFT_PLAN.note),
        ("sequential_scaled", "planner", "gpqa", 200, 500, SOFT_PLAN.note),
        ("sequential_scaled", "critic", "gpqa", None, 500, NO_ANSWER_YET.note),
        ("sequential_scaled", "critic", "choice", None, None, NO_ANSWER_YET.note),
        ("sequential_scaled", "critic", "math", None, None, ""),
        ("sequential_scaled", "solver", "gpqa", None, None, ""),
        ("sequential_light", "planner", "gpqa", None, None, ""),
        ("sequential_light", "critic", "gpqa", None, None, NO_ANSWER_YET.note),
        ("sequential_light", "critic", "program", None, None, ""),
        ("mixture", "summarizer", "gpqa", None, None, ""),
    ],
)
def test_what_holds_for_an_agent_and_a_kind(style, role, kind, tokens, characters, note):
    quirk = text_quirk(PUBLISHED_STYLES[style].agent(role).release_text, kind)
    assert (quirk.max_new_tokens, quirk.max_characters, quirk.note) == (tokens, characters, note)


def test_a_limit_of_tokens_holds_for_all_kinds():
    with pytest.raises(ValueError, match="cannot depend on a question"):
        TextQuirk(kinds=("gpqa",), max_new_tokens=5)


def test_a_style_of_ones_own_has_none():
    agent = {"role": "solver", "repo": "R", "prompt": "single/agent", "release_text": []}
    with pytest.raises(UserError, match=r"agents\[0\]\.release_text: only the published styles"):
        load_style({"name": "mine", "agents": [agent]})


@pytest.fixture(scope="module")
def scaled(toy_release):
    with load_mas_system("sequential_scaled", device="cpu", release=toy_release, dtype="float32") as mas:
        yield mas


def solve(scaled, questions, monkeypatch, **given):
    """Each question's passages, and all texts that agents were shown, prompt by prompt."""
    shown, render = [], ChatRenderer.render

    def watch(renderer, system, pieces, **given):
        shown.append("".join(map(str, pieces)))
        return render(renderer, system, pieces, **given)

    monkeypatch.setattr(ChatRenderer, "render", watch)
    solutions = scaled.solve(questions, num_rounds=1, max_new_tokens=12, seed=3, **given)
    return [solution.passages for solution in solutions], shown


@pytest.mark.process
@pytest.mark.parametrize("mode", ["text", "latent"])
@pytest.mark.parametrize("quirks", [True, False])
def test_only_quirks_in_mode_text_change_prompts(scaled, monkeypatch, mode, quirks):
    given = {"mode": mode, "release_quirks": quirks, "latent_length": 1}
    _, prompts = solve(scaled, CHOICE, monkeypatch, **given)
    notes = [SOFT_PLAN.note, NO_ANSWER_YET.note]
    noted = [note for note in notes if any(prompt.endswith(f"\n\n{note}") for prompt in prompts)]
    assert noted == (notes if quirks and mode == "text" else [])


@pytest.mark.process
def test_what_is_passed_on_is_short_and_cut(scaled, monkeypatch):
    """With small limits, so that the test is quick; the published ones are in the table above."""
    limits = {
        "planner": (TextQuirk(max_new_tokens=6), TextQuirk(kinds=("gpqa",), max_characters=3)),
        "critic": (TextQuirk(kinds=("gpqa",), max_characters=4),),
        "solver": (),
    }
    agents = tuple(replace(agent, release_text=limits[agent.role]) for agent in scaled.graph.agents)
    monkeypatch.setattr(scaled, "graph", replace(scaled.graph, agents=agents))
    monkeypatch.setattr(Agent, "stop_ids", frozenset())  # so that every text takes all that it may
    on, _ = solve(scaled, [CHOICE, MATH], monkeypatch, mode="text", release_quirks=True)
    off, _ = solve(scaled, [CHOICE, MATH], monkeypatch, mode="text", release_quirks=False)
    assert [len(on[row]["r1/planner"].token_ids) for row in (0, 1)] == [6, 6]
    assert [len(off[row]["r1/planner"].token_ids) for row in (0, 1)] == [12, 12]
    assert [len(on[0][f"r1/{role}"].text) for role in ("planner", "critic")] == [3, 4]
    assert min(len(on[1]["r1/critic"].text), len(off[0]["r1/critic"].text)) > 4
