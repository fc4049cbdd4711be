"""Showing one question of a run."""

from __future__ import annotations

import json

import pytest

from recursivemas.cli import main
from recursivemas.errors import UserError
from recursivemas.show import show
from tests.support.run_folders import write_run


def add_to_samples(path, **fields):
    """The first sample gets these fields, and what every real one has."""
    rows = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"seed": 42, "text": "", "tool_calls": [], "ended_by": "stop", "retried": False}
        row |= {"past_context": False, "messages": {}, "passages": {}}
        row["verdicts"] = {"release": {"correct": True, "how": "equal", "error": None}}
    rows[0] |= fields
    (path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def call(text: str, request: str, result: str, **fields):
    start = text.index(f"<search>{request}")
    end = text.index("</result>", start) + len("</result>")
    return {
        "tool": "search",
        "request": request,
        "result": result,
        "status": "ok",
        "seconds": 1.5,
        "cached": False,
        "start": start,
        "end": end,
        **fields,
    }


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", {"release": [[True, False], [False, False]]}, finished=False)


def test_calls_are_set_apart_in_order(run):
    text = "One <search>a</search> <result> A\nB </result> two <search>c</search> <result> C </result> end."
    calls = [call(text, "a", "A\nB"), call(text, "c", "C", status="failed", cached=True)]
    add_to_samples(run, text=text, tool_calls=calls)
    shown = show(run)
    body = shown[shown.index("One") : shown.index("read as")]
    assert " ".join(body.split()) == (
        "One <search>a</search> ┌ search: ok, 1.50 s │ A │ B └ two <search>c</search> "
        "┌ search: failed, 1.50 s, from the cache │ C └ end."
    )


def test_each_rollout_can_be_shown(run):
    add_to_samples(run, text="the first")
    assert "the first" in show(run, "q0")
    assert "rollout 1" in show(run, "q0", 1)
    with pytest.raises(UserError, match="has no rollout 2; it has 0 to 1"):
        show(run, "q0", 2)
    with pytest.raises(UserError, match="has no question 'q9'; it has q0, q1"):
        show(run, "q9")


def test_a_question_that_did_not_run_says_why(run):
    add_to_samples(run, error="it was too long")
    assert show(run).endswith("not run: it was too long")


def test_batches_that_are_not_joined_yet_are_shown(run):
    rows = add_to_samples(run)
    (run / "shards").mkdir()
    (run / "shards" / "batch-00001.json").write_text(json.dumps([{**rows[0], "id": "late", "text": "here"}]))
    assert "here" in show(run, "late")
    (run / "samples.jsonl").unlink()
    (run / "shards" / "batch-00001.json").unlink()
    with pytest.raises(UserError, match="holds no answers yet"):
        show(run)


def test_what_was_written_does_not_steer_the_terminal(run, capsys):
    add_to_samples(run, text="red \x1b[31m title \x1b]0;x\x07 turned \u202e, na\u00efve\u00a0日本\n\tkept")
    assert main(["show", str(run)]) == 0
    out = capsys.readouterr().out
    assert "red \\x1b[31m title \\x1b]0;x\\x07 turned \\u202e, na\u00efve\u00a0日本\n\tkept" in out


def test_runs_from_before_tools_are_shown(run):
    rows = add_to_samples(run, text="old")
    for row in rows:
        del row["tool_calls"], row["messages"]
    (run / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "old" in show(run)
