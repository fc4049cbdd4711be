"""Showing one question of a run."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from recursivemas.cli.main import main
from recursivemas.errors import UserError
from recursivemas.report.compare import compare
from recursivemas.report.show import show
from recursivemas.runs.files import read_samples
from recursivemas.tools import ToolCall
from tests.support.run_folders import write_run, write_samples


def add_to_samples(path, **fields):
    """The first sample gets these fields."""
    first, *others = read_samples(path)
    samples = [dataclasses.replace(first, **fields), *others]
    write_samples(path, samples)
    return samples


def call(text: str, request: str, result: str, **fields):
    start = text.index(f"<search>{request}")
    end = text.index("</result>", start) + len("</result>")
    usual = {"tool": "search", "status": "ok", "seconds": 1.5}
    return ToolCall(request=request, result=result, start=start, end=end, **{**usual, **fields})


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", {"release": [[True, False], [False, False]]}, finished=False)


def test_calls_are_set_apart_in_order(run):
    text = "One <search>a</search> <result> A\nB </result> two <search>c</search> <result> C </result> end."
    calls = [call(text, "a", "A\nB"), call(text, "c", "C", status="failed", cached=True)]
    add_to_samples(run, text=text, tool_calls=tuple(calls))
    shown = show(run)
    body = shown[shown.index("One") : shown.index("read as")]
    assert " ".join(body.split()) == (
        "One <search>a</search> ┌ search: ok, 1.50 s │ A │ B └ two <search>c</search> "
        "┌ search: failed, 1.50 s, from the cache │ C └ end."
    )


def test_each_rollout_can_be_shown(run):
    add_to_samples(run, text="the first")
    assert "the first" in show(run, "q0")
    assert "\nsequential_light (release toy-random) on math500, in run\n" in show(run, "q0")
    assert "rollout 1" in show(run, "q0", 1)
    with pytest.raises(UserError, match="has no rollout 2; it has 0 to 1"):
        show(run, "q0", 2)
    says = {
        "q9": "has no question 'q9'; near it are 'q1', 'q0'",
        "nope": "has no question 'nope'; it has 'q0', 'q1'",
    }
    for asked, answer in says.items():
        with pytest.raises(UserError, match=answer):
            show(run, asked)
    write_samples(run, read_samples(run)[:1])
    with pytest.raises(
        UserError, match=r"unfinished \(1 of 4 answers\) and has none to a question 'q1' yet; near it is 'q0'"
    ):
        show(run, "q1")
    with pytest.raises(UserError, match=r"no rollout 1 yet: the run is unfinished \(1 of 4 answers\)"):
        show(run, "q0", 1)


def test_a_question_that_did_not_run_says_why(run):
    add_to_samples(run, error="it was too long")
    assert show(run).endswith("not run: it was too long")


def test_batches_that_are_not_joined_yet_are_shown(run):
    first, *_ = read_samples(run)
    (run / "shards").mkdir()
    late = dataclasses.replace(first, id="late", text="here").to_json()
    (run / "shards" / "batch-00001.json").write_text(json.dumps({"process": 1, "samples": [late]}))
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
    rows = [sample.to_json() for sample in add_to_samples(run, text="old")]
    for row in rows:
        for younger in ("tool_calls", "messages", "passages", "past_context", "retried"):
            del row[younger]
    (run / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "old" in show(run)


def test_results_are_wrapped_to_a_terminal_and_left_alone_in_a_pipe(run, capsys, monkeypatch):
    result = "A line of many words that goes on\n\n    and " + "x" * 50
    text = f"<search>a</search> <result> {result} </result> " + "end " * 20
    add_to_samples(run, text=text, tool_calls=(call(text, "a", result),))
    monkeypatch.setenv("COLUMNS", "30")
    assert main(["show", str(run)]) == 0
    piped = capsys.readouterr().out
    assert f"    │     and {'x' * 50}\n" in piped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["show", str(run)]) == 0
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if "│" in line]
    assert lines[:3] == ["    │ A line of many words", "    │ that goes on", "    │ "]
    assert lines[3] == f"    │     and {'x' * 16}"
    assert max(map(len, lines)) == 30
    assert "".join(lines).count("x") == 50
    assert "end " * 19 in shown


def test_seconds_are_said_to_be_a_share_of_the_batch(run):
    assert "share of the batch's seconds" in show(run)


def test_a_file_holds_no_run(run):
    file = run / "samples.jsonl"
    with pytest.raises(UserError, match="holds no run"):
        show(file)
    with pytest.raises(UserError, match="holds no run"):
        compare([file, run])


def test_a_folder_that_is_not_there_is_told_from_one_without_a_run(tmp_path):
    with pytest.raises(UserError, match=r"there is no folder .*nope; give that of a run"):
        show(tmp_path / "nope")
    with pytest.raises(UserError, match="holds no run"):
        show(tmp_path)


def test_an_unknown_id_names_those_that_are_near_it(tmp_path):
    path = write_run(tmp_path / "many", [True] * 22)
    with pytest.raises(UserError, match="has no question 'q99'; near it are 'q9', 'q19'"):
        show(path, "q99")


COMMAND = (sys.executable, "-c", "import sys; from recursivemas.cli.main import main; sys.exit(main())")


@pytest.mark.process
@pytest.mark.parametrize("length", [10, 1_000_000])
def test_a_reader_that_has_gone_ends_it_quietly(run, length):
    add_to_samples(run, text="long " * length)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [*COMMAND, "show", str(run)], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=100
        )
    finally:
        os.close(writing)
    assert ended.stderr == ""
    assert ended.returncode == 141


@pytest.mark.process
def test_ascii_is_enough_to_show_anything(run):
    add_to_samples(run, text="na\u00efve")
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    ended = subprocess.run(
        [*COMMAND, "show", str(run)], env=surroundings, capture_output=True, text=True, timeout=100
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "na\\xefve" in ended.stdout
