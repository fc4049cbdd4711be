"""What a run says at its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from recursivemas.report import format_example, format_summary
from tests.support.run_folders import sample_of


def summary_of(**fields):
    score = {"metric": "accuracy", "value": 0.5, "correct": 1, "total": 2}
    counts = {"num_unparsed": 0, "num_retried": 0, "num_errors": 0, "num_past_context": 0}
    return {
        "headline": {"grader": "release", **score},
        "metrics": {"release": score},
        "stages": [],
        "tools": {},
        "seconds": 5.0,
        **counts,
        **fields,
    }


def test_only_what_was_out_of_the_ordinary_is_said_and_what_it_means():
    quiet = format_summary(summary_of())
    assert quiet.splitlines()[-2:] == ["correct: 1 of 2 by the release grader", "took 5.0 s"]
    said = format_summary(summary_of(num_retried=3, num_errors=1, num_unparsed=2, num_past_context=4))
    assert "3 asked again: no answer could be read, so a cue was put behind the text" in said
    assert "1 not run: their errors are in samples.jsonl, and they count as wrong" in said
    assert "2 without an answer that the release grader reads" in said
    assert "4 past the context that the answering model was made for" in said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (119.9, "119.9 s"), (125, "2 min 05 s"), (7384, "2 h 03 min")]
)
def test_long_times_are_told_in_what_people_count_in(seconds, said):
    assert format_summary(summary_of(seconds=seconds)).endswith(f"took {said}")


@pytest.mark.parametrize(
    ("python", "typed"),
    [("here/.venv/bin/python", ".venv/bin/python"), ("there/python", "{}/there/python")],
)
def test_the_next_command_works_as_typed_without_an_activated_environment(
    python, typed, tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", str(tmp_path / python))
    line = format_example(sample_of("1", text="so"), Path("a")).splitlines()[-1]
    assert line == f"  step by step: {typed.format(tmp_path)} -m recursivemas show a --id 1"


def test_an_example_is_short_harmless_and_says_what_to_type_next(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    text = f"begin \x1b[2J {'long ' * 200}\nend"
    sample = sample_of("it's one", text=text, question="What?\nReally?")
    lines = format_example(sample, Path("my runs/a")).splitlines()
    assert lines[0] == "for example it's one: What? Really?"
    assert lines[1].startswith("  answer: begin \\x1b[2J long")
    assert lines[1].endswith("long end")
    assert len(lines[1]) < 180
    assert lines[2] == "  gold: 1; correct by the release grader"
    assert lines[3] == """  step by step: recursivemas show 'my runs/a' --id 'it'"'"'s one'"""
    assert "not run: too long" in format_example(dataclasses.replace(sample, error="too long"), Path("a"))
