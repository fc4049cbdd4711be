"""The trained toy that ships: right by what passes over its links, wrong without, better with more rounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recursivemas import load_mas_system, prepare
from recursivemas.files.toy_release import TRAINED_TOY
from recursivemas.grading import grade
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES
from recursivemas.toy.rows import write_held_out, write_tolls

pytestmark = pytest.mark.process  # rendering tries templates out in one

QUESTIONS = Path(__file__).parents[2] / "dataset" / "toy_heldout.jsonl"
REPOSITORIES = {path.name for path in (TRAINED_TOY / HUB_ORGANISATION).iterdir()}
STYLES = [name for name, style in PUBLISHED_STYLES.items() if style.outer_repo in REPOSITORIES]
NUM_QUESTIONS = 73
"""Every seventh: all 30 ways are among them."""


@pytest.fixture(scope="module", params=STYLES)
def system(request: pytest.FixtureRequest):
    with load_mas_system(request.param, str(QUESTIONS), device="cpu", release="toy") as loaded:
        yield loaded


def accuracy(system, **settings) -> float:
    run = prepare(style=system.style, dataset=str(QUESTIONS), release="toy", device="cpu")
    questions = run.questions[::7]
    assert len(questions) == NUM_QUESTIONS
    solutions = system.solve(questions, greedy=True, batch_size=37, **settings)
    grades = [grade(solution.own_text, solution.question, ("strict",))["strict"] for solution in solutions]
    return sum(one.correct for one in grades) / NUM_QUESTIONS


def test_it_answers_by_its_links_and_by_chance_without_them(system):
    assert accuracy(system) >= 0.93
    assert accuracy(system, links="zero") <= 0.06
    assert accuracy(system, links="shuffle") <= 0.06
    assert accuracy(system, latent_length=0) <= 0.06


def test_more_rounds_answer_more(system):
    one, two = accuracy(system, num_rounds=1), accuracy(system, num_rounds=2)
    assert one < 0.3
    assert one + 0.15 <= two


@pytest.mark.parametrize("role", ["planner", "critic", "solver"])
def test_no_agent_answers_alone(role):
    with load_mas_system("sequential_light", str(QUESTIONS), device="cpu", release="toy") as system:
        assert accuracy(system, mode="single", role=role) <= 0.06


def test_agents_speak_the_task_in_text_mode_too():
    with load_mas_system("sequential_light", str(QUESTIONS), device="cpu", release="toy") as system:
        assert accuracy(system, mode="text") >= 0.95


def test_what_ships_is_what_the_builder_writes_and_small(tmp_path: Path):
    write_held_out(tmp_path / "questions.jsonl")
    assert QUESTIONS.read_bytes() == (tmp_path / "questions.jsonl").read_bytes()
    write_tolls(tmp_path / "tolls")
    shipped = {path.name: path.read_bytes() for path in (TRAINED_TOY / "tolls").iterdir()}
    assert shipped == {path.name: path.read_bytes() for path in (tmp_path / "tolls").iterdir()}
    assert sum(path.stat().st_size for path in TRAINED_TOY.rglob("*") if path.is_file()) < 12e6
    pack = (TRAINED_TOY / "prompts.yaml").read_text(encoding="utf-8")
    assert "name: toy" in pack


def test_a_row_is_for_the_styles_that_it_names():
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    for style in ("sequential_light", "deliberation"):
        run = prepare(style=style, dataset=str(QUESTIONS), release="toy-random", device="cpu")
        assert [question.id for question in run.questions] == [
            row["id"] for row in rows if style in row["styles"]
        ]
