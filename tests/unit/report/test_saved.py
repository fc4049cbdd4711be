"""A run's folder as an object: what it holds, while it goes on too, and what a notebook shows of it."""

from __future__ import annotations

import dataclasses
import json
import re
import sys

import pytest
import torch

from recursivemas import open_run
from recursivemas.errors import UserError
from recursivemas.recursion.messages import Lens, MessageSize
from recursivemas.recursion.trace import Passage, StageUsage
from recursivemas.runs.files import SAMPLES, read_samples
from recursivemas.runs.latents import save_latents
from recursivemas.runs.lens import save_lenses
from recursivemas.runs.shared import SHARDS
from tests.support.pages import HOSTILE, write_hostile_run
from tests.support.run_folders import grade_of, sample_of, write_run, write_samples

SIZES = {"r1/planner->solver": MessageSize((2, 3), 1.5), "r1/solver->planner": MessageSize((2, 4), 2.5)}
LATENTS = torch.arange(6.0, dtype=torch.bfloat16).view(2, 3)
LENS = Lens(heard=((("A", 0.98),), (("0", 0.97),)))


@pytest.fixture
def folder(tmp_path):
    """Three questions, the first with messages, the second in words alone, the third not run."""
    run = write_run(
        tmp_path / "run", {"release": [[True], [False], [True]], "strict": [[True], [True], [False]]}
    )
    first, second, third = read_samples(run)
    first = dataclasses.replace(first, messages=SIZES)
    second = dataclasses.replace(second, passages={"r1/planner": Passage("so", ())})
    write_samples(run, [first, second, dataclasses.replace(third, error="too long")])
    save_latents(run, "q0", {"r1/planner->solver": LATENTS})
    save_lenses(run, "q0", {"r1/planner->solver": LENS})
    return run


def test_samples_are_those_of_the_folder(folder):
    run, samples = open_run(folder), read_samples(folder)
    assert list(run.samples) == samples
    assert (len(run.samples), run.samples[-1], run.samples[1:]) == (3, samples[2], samples[1:])
    assert run.sample("q1") == samples[1]
    assert (run.is_finished, run.summary["headline"]["grader"]) == (True, "release")
    assert run.config["questions"] == {"number": 3}
    assert {name: (score["correct"], score["total"]) for name, score in run.scores.items()} == {
        "release": (2, 3),
        "strict": (2, 3),
    }
    assert repr(run).endswith("run: sequential_light (release toy-random) on math500, 3 answers>")
    assert repr(run.samples) == "<Samples: 3 answers to 3 questions>"


def test_a_message_has_its_latents_and_its_words(folder):
    message = open_run(str(folder)).message("q0", 1, "planner", "solver")
    assert (message.shape, message.norm, message.text, message.lens) == ((2, 3), 1.5, "A0", LENS)
    assert message.latents.dtype == torch.bfloat16
    assert torch.equal(message.latents, LATENTS)


CASES = [
    (lambda run: run.sample("Q1"), "no answer to question 'Q1' (did you mean 'q1'?)"),
    (lambda run: run.sample("q7"), "its 3 questions begin with 'q0'"),
    (lambda run: run.sample("q1", 2), "question 'q1' has no rollout 2; it has 0"),
    (
        lambda run: run.message("q0", 2, "planner", "solver"),
        "planner->solver in round 2; there is one in round 1",
    ),
    (lambda run: run.message("q0", 1, "planner", "critic"), "links are planner->solver, solver->planner"),
    (lambda run: run.message("q1", 1, "planner", "solver"), "as text is in its passages (r1/planner)"),
    (lambda run: run.message("q2", 1, "planner", "solver"), "no messages: it could not be run (too long)"),
    (
        lambda run: run.message("q0", 1, "solver", "planner").latents,
        "kept no message 'r1/solver->planner' of",
    ),
    (lambda run: run.message("q0", 1, "solver", "planner").text, "solve with lens=True, or run with --lens"),
    (lambda run: run.message("q0", 1, "solver", "planner").lens, "solve with lens=True, or run with --lens"),
    (lambda run: run.view(run.path), "is a folder; give the file to write"),
    (lambda run: run.view(run.path / "samples.jsonl"), "is to be a .html file"),
]


@pytest.mark.parametrize(("ask", "told"), CASES)
def test_what_is_not_there_is_told_with_what_there_is(folder, ask, told):
    with pytest.raises(UserError, match=re.escape(told)):
        ask(open_run(folder))


def test_no_folder_and_no_run_are_told(tmp_path):
    for path, told in ((tmp_path / "none", "there is no folder"), (tmp_path, "holds no run")):
        with pytest.raises(UserError, match=told):
            open_run(path)


def test_a_run_that_goes_on_is_read_as_it_comes(tmp_path):
    folder = write_run(tmp_path / "run", [True, False, True], finished=False)
    first, second, third = read_samples(folder)
    write_samples(folder, [])
    run = open_run(folder)
    assert (len(run.samples), run.scores, run.summary, run.is_finished) == (0, {}, None, False)
    with pytest.raises(UserError, match="it has no answers yet"):
        run.sample("q0")
    assert "0 of 3 answers, unfinished" in run._repr_html_()
    write_samples(folder, [first])
    with (folder / SAMPLES).open("a", encoding="utf-8") as file:
        file.write('{"id": "q1", "rol')
    (folder / SHARDS).mkdir()  # what another process has finished
    (folder / SHARDS / "process-1.jsonl").write_text(json.dumps(third.to_json()) + "\n", encoding="utf-8")
    before = run.samples
    assert list(before) == [first, third]
    assert run.sample("q2") == third
    assert "2 answers of 3, unfinished" in repr(run)
    assert (run.scores["release"]["correct"], len(run.to_pandas())) == (2, 2)
    write_samples(folder, [second, first, third])
    assert list(run.samples) == [second, first, third]
    with pytest.raises(UserError, match="was written anew since these samples were looked up"):
        list(before)


def test_a_table_has_a_row_a_sample_with_every_verdict_and_cost(tmp_path, monkeypatch):
    turns = [
        StageUsage(round=1, role=role, prompt_tokens=5, generated_tokens=3, seconds=0.5) for role in "ab"
    ]
    text = 'a, "b"\n=c'
    samples = [
        sample_of(
            "q0",
            number,
            text=text,
            usage=tuple(turns),
            verdicts={"release": grade_of(True), "strict": grade_of(False, None, "no answer")},
        )
        for number in range(2)
    ]
    write_samples(write_run(tmp_path / "run", [[True, True]], num_rollouts=2), samples)
    table = open_run(tmp_path / "run").to_pandas()
    assert table["rollout"].tolist() == [0, 1]
    assert table.loc[1, ["id", "text", "prompt_tokens", "generated_tokens", "seconds"]].tolist() == [
        "q0",
        text,
        10,
        6,
        1.0,
    ]
    assert table[["release_correct", "strict_correct"]].mean().tolist() == [1.0, 0.0]
    assert table.loc[0, ["run", "mode", "strict_why", "strict_unread"]].tolist() == [
        "run",
        "latent",
        "no answer",
        True,
    ]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        open_run(tmp_path / "run").to_pandas()


def test_a_notebook_shows_scores_settings_and_the_way_to_the_page(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = open_run("run")
    shown = run._repr_html_()
    assert "<b>run</b>: sequential_light (release toy-random) on math500, mode latent, " in shown
    assert "<tr><td>release</td><td>66.7 [20.8, 93.9]</td><td>2 of 3</td><td>0</td></tr>" in shown
    assert "<tr><td>strict</td><td>66.7 [20.8, 93.9]</td>" in shown
    assert "3 answers, 1 not run" in shown
    for setting in ("release &#34;toy-random&#34;", "num_rollouts 1"):
        assert f"<code>{setting}</code>" in shown.partition("set by hand: ")[2]
    assert "<code>recursivemas view run -o page.html</code>" in shown
    page = run.view("pages/the page.html")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert '<a href="pages/the%20page.html">the page.html</a>' in run._repr_html_()


def test_what_was_written_by_others_is_escaped(tmp_path):
    folder = write_hostile_run(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["dataset"] = {"value": HOSTILE, "origin": "explicit"}
    (folder / "config.json").write_text(json.dumps(config))
    shown = open_run(folder)._repr_html_()
    assert not [part for part in ("<script", "<img", "\u202e") if part in shown]
    assert shown.count("&lt;script&gt;") == 2
