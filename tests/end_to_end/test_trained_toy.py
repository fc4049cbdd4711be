"""The trained toy that ships: right by what passes over its links, wrong without, better with more rounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recursivemas import load_mas_system, prepare
from recursivemas.files.toy_release import TRAINED_TOY
from recursivemas.grading import grade
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES
from recursivemas.toy.board import TOLLS
from recursivemas.toy.rows import held_out_trips, write_held_out, write_tolls

pytestmark = pytest.mark.process  # rendering tries templates out in one

QUESTIONS = Path(__file__).parents[2] / "dataset" / "toy_heldout.jsonl"
REPOSITORIES = {path.name for path in (TRAINED_TOY / HUB_ORGANISATION).iterdir()}
STYLES = [name for name, style in PUBLISHED_STYLES.items() if style.outer_repo in REPOSITORIES]
STRIDES = {"sequential_light": 7, "deliberation": 34}
"""73 questions of the style that is looked at closely, 15 of the one whose tools take their time, 30 of the
others; all 30 ways are among them where there are as many."""


@pytest.fixture(scope="module", params=STYLES)
def system(request: pytest.FixtureRequest):
    with load_mas_system(request.param, str(QUESTIONS), device="cpu", release="toy") as loaded:
        yield loaded


def accuracy(system, **settings) -> float:
    run = prepare(style=system.style, dataset=str(QUESTIONS), release="toy", device="cpu")
    questions = run.questions[:: STRIDES.get(system.style, 17)]
    assert len({question.id.partition("-")[2] for question in questions}) == min(30, len(questions))
    solutions = system.solve(questions, greedy=True, batch_size=37, **settings)
    grades = [grade(solution.own_text, solution.question, ("strict",))["strict"] for solution in solutions]
    return sum(one.correct for one in grades) / len(questions)


def test_it_answers_by_its_links_and_by_chance_without_them(system):
    assert accuracy(system) >= 0.9
    assert accuracy(system, links="zero") <= 0.07
    assert accuracy(system, links="shuffle") <= 0.1
    assert accuracy(system, latent_length=0) <= 0.07


def test_more_rounds_answer_more(system):
    one, two = accuracy(system, num_rounds=1), accuracy(system, num_rounds=2)
    assert one < 0.3
    assert one + 0.15 <= two


def test_no_agent_answers_alone(system):
    for role in system.agents:
        assert accuracy(system, mode="single", role=role) <= 0.07


def test_agents_speak_the_task_in_text_mode_too(system):
    assert accuracy(system, mode="text") >= 0.93


def test_the_tool_caller_says_what_its_tools_tell(tmp_path: Path):
    """Among other tolls than those that it was taught with, it tells those."""
    for square, toll in TOLLS.items():
        (tmp_path / f"{square}.txt").write_text(f"{square}: {110 - toll}\n", encoding="utf-8")
    with load_mas_system("deliberation", str(QUESTIONS), device="cpu", release="toy") as system:
        run = prepare(style="deliberation", dataset=str(QUESTIONS), release="toy", device="cpu")
        solutions = system.solve(run.questions[:4], greedy=True, search_folder=str(tmp_path))
    for solution, trip in zip(solutions, held_out_trips(system.graph), strict=False):
        assert [call.tool for call in solution.tool_calls] == ["search", "python"]
        total = trip.num_people * (110 - TOLLS[trip.end])
        assert solution.own_text.endswith(f"\\boxed{{ {total} }}")


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
