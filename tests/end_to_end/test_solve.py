"""`system.solve` as a notebook calls it: modes, questions of every form, a system that is not whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from recursivemas import Question, load_mas_system
from recursivemas.cli.main import run_main
from recursivemas.errors import UserError
from recursivemas.links import OuterLink
from recursivemas.tools import PythonTool, Toolbox

pytestmark = pytest.mark.process

SETTINGS = {"num_rounds": 1, "latent_length": 2, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def system(toy_release):
    with load_mas_system("mixture", device="cpu", release=toy_release) as loaded:
        yield loaded


@pytest.mark.parametrize("role", ["code", None])
def test_mode_single_runs_one_agent_as_the_command_line_does(system, toy_release, tmp_path, role):
    questions = [Question(id=f"q{number}", text=f"What is {number} + 1?") for number in range(3)]
    dataset = tmp_path / "asked.jsonl"
    rows = [{"id": question.id, "question": question.text, "answer": "1"} for question in questions]
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["--style", "mixture", "--release", str(toy_release), "--device", "cpu", "--mode", "single"]
    arguments += ["--dataset", str(dataset), "--output_dir", str(tmp_path / "run"), "--max_new_tokens", "6"]
    assert run_main([*arguments, *(["--role", role] if role else [])]) == 0
    samples = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]

    solutions = system.solve(questions, mode="single", role=role, max_new_tokens=6, batch_size=8)
    assert [solution.text for solution in solutions] == [sample["text"] for sample in samples]
    for solution in solutions:
        assert [(usage.round, usage.role) for usage in solution.usage] == [(1, role or "summarizer")]
        assert (solution.usage[0].latents_read, solution.usage[0].latent_steps) == (0, 0)


def test_a_role_that_is_not_there_or_not_read_is_refused(system):
    with pytest.raises(UserError, match="has no role 'poet'"):
        system.solve("What is 1 + 1?", mode="single", role="poet")
    with pytest.raises(UserError, match="role 'code' is read in mode single only"):
        system.solve("What is 1 + 1?", role="code")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (3, "questions is 3; give a text, a Question, or a list of these"),
        (None, "questions is None; give a text"),
        ({"question": "What?"}, r"questions is \{'question': 'What\?'\}; give a text"),
        (
            ["What is 1?", {"question": "What?"}],
            r"questions\[1\] is \{'question'.*give its text, or Question\(",
        ),
        ([b"What?"], r"questions\[0\] is b'What\?'; give its text"),
        ([["What?"]], r"questions\[0\] is \['What\?'\]"),
        ([Question(id=7, text="What?")], r"questions\[0\] has the id 7 and the text 'What\?'"),
        ([Question(id="seven", text=None)], r"has the id 'seven' and the text None; both have"),
    ],
)
def test_what_is_no_question_is_refused_with_what_to_give(system, asked, told):
    with pytest.raises(UserError, match=told):
        system.solve(asked, **SETTINGS)


def test_questions_come_one_many_or_from_a_generator(system):
    one = system.solve("What is 1 + 1?", **SETTINGS)
    assert [solution.question.text for solution in one] == ["What is 1 + 1?"]
    many = system.solve((text for text in ("What is 1 + 1?", "What is 2?")), **SETTINGS)
    assert [solution.question.text for solution in many] == ["What is 1 + 1?", "What is 2?"]
    assert system.solve([], **SETTINGS) == []


def test_a_system_that_lost_a_part_says_which(system):
    link = system.outer_links.pop(("code", "summarizer"))
    with pytest.raises(UserError, match="has lost the link code->summarizer: outer_links has no"):
        system.solve("What is 1 + 1?", **SETTINGS)
    system.outer_links["code", "summarizer"] = OuterLink(5, 7)
    with pytest.raises(UserError, match="the link code->summarizer turns 5 features into 7, but code has"):
        system.solve("What is 1 + 1?", **SETTINGS)
    system.outer_links["code", "summarizer"] = link
    agent = system.agents.pop("science")
    with pytest.raises(UserError, match="has lost its science"):
        system.solve("What is 1 + 1?", **SETTINGS)
    system.agents["science"] = agent
    assert system.solve("What is 1 + 1?", **SETTINGS)[0].text


def name_of(system) -> str:
    """The release's, a folder."""
    return Path(system.release).name


def test_what_a_notebook_shows_is_short(system):
    [solution] = system.solve("What is 1 + 1?", save_latents=True, **SETTINGS)
    assert isinstance(solution.messages["r1/math->summarizer"], torch.Tensor)
    shown = [repr(thing) for thing in (system, system.agents["math"], solution)]
    assert all(len(text) < 300 and "\n" not in text for text in shown), shown
    assert f"<MASSystem mixture, release {name_of(system)}: math (Mixture-Math-DeepSeek-R1-Distill" in repr(
        system
    )
    assert repr(system.agents["math"]).startswith(
        "<Agent math: Mixture-Math-DeepSeek-R1-Distill-Qwen-1.5B, Qwen2"
    )
    assert f"<Solution of {solution.question.id!r}: " in repr(solution)


def test_a_notebook_draws_the_system(system):
    shown = system._repr_html_()
    style = system.graph
    rounds = len(re.findall(r'class="round"', shown))
    assert f"<b>mixture</b>, release {name_of(system)}: {rounds} rounds" in shown
    assert rounds == system._settings({}).solve.num_rounds > 1
    assert shown.count('class="node"') == len(style.turns(rounds)) == 4 * rounds
    link = system.outer_links["math", "summarizer"]
    assert shown.count(f">{link.source_size} → {link.target_size}<") >= rounds
    assert f"<td>math</td><td>{name_of(system)}: Mixture-Math-DeepSeek-R1-Distill-Qwen-1.5B</td><td>" in shown
    alone = system.alone("math")
    assert (alone._repr_html_().count('class="node"'), "1 round<" in alone._repr_html_()) == (1, True)
    alone.close()
    assert ", closed" in alone._repr_html_()


@pytest.mark.parametrize(
    ("style", "given", "says"),
    [
        (
            "distillation",
            {"toolbox": Toolbox([PythonTool("limits")])},
            r"holds python, but .* \(learner\) none",
        ),
        ("deliberation", {"toolbox": [PythonTool("limits")]}, "give a recursivemas.tools.Toolbox"),
        (
            "deliberation",
            {"toolbox": Toolbox([PythonTool("limits")]), "python_echo": True},
            "python_echo is not read where a toolbox is given",
        ),
    ],
)
def test_a_toolbox_that_would_not_be_used_is_refused(toy_release, style, given, says):
    with (
        load_mas_system(style, device="cpu", release=toy_release) as system,
        pytest.raises(UserError, match=says),
    ):
        system.solve("What is 1 + 1?", **given)
