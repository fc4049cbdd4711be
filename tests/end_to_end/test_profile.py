"""`recursivemas profile` on the toy release: a trace with a span a turn, and in it what the engine did."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from recursivemas.cli.main import main
from recursivemas.styles import SEQUENTIAL_LIGHT

DATASET = Path(__file__).parents[2] / "dataset" / "demo_math500.jsonl"


@pytest.fixture
def flags(toy_release) -> list[str]:
    return [
        *("profile", "--style", "sequential_light", "--device", "cpu", "--release", str(toy_release)),
        *("--dataset_path", str(DATASET), "--num_samples", "2", "--batch_size", "1", "--greedy"),
        *("--num_recursive_rounds", "2", "--latent_length", "3", "--max_new_tokens", "4"),
    ]


@pytest.mark.process
@pytest.mark.slow
def test_a_trace_has_a_span_a_turn_and_the_engine_s_inside(flags, tmp_path, capsys):
    path = tmp_path / "new" / "trace.json.gz"
    assert main([*flags, "--trace", str(path)]) == 0
    with gzip.open(path, "rt") as file:
        events = json.load(file)["traceEvents"]
    spans = [event for event in events if event.get("cat") == "user_annotation" and event["ph"] == "X"]
    turns = [span for span in spans if span["name"].startswith("round ")]
    expected = [f"round {number}/{role}" for number, role in SEQUENTIAL_LIGHT.turns(2)]
    assert list(dict.fromkeys(span["name"] for span in turns)) == expected, "the batch is traced once"
    inside = {
        turn: {span["name"] for span in spans for one in turns if one["name"] == turn and _holds(one, span)}
        for turn in expected
    }
    thinking, answering = {"prefill", "think"}, {"prefill", "write"}
    assert inside == dict.fromkeys(expected[:-1], thinking) | {expected[-1]: answering}
    operations = [event for event in events if event.get("cat") == "cpu_op"]
    thoughts = [span for span in spans if span["name"] == "think"]
    assert all(any(_holds(thought, one) for one in operations) for thought in thoughts)
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines() if line.startswith("round")] == ["round"] * 6
    assert ". . prefill" in told.out, "reading that writing takes stands below it"
    assert "1 question;" in told.err, "one batch"


def _holds(outer: dict, inner: dict) -> bool:
    begins, ends = outer["ts"], outer["ts"] + outer["dur"]
    same = outer is not inner and outer["tid"] == inner["tid"]
    return same and begins <= inner["ts"] and inner["ts"] + inner["dur"] <= ends


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--trace", "trace.txt"], "trace.txt ends on neither .json nor .json.gz"),
        (["--trace", f"{DATASET}/trace.json"], "is no folder; give another --trace"),
        (["--latent_length", "-1"], "a trace is of one latent_length"),
    ],
)
def test_what_cannot_be_traced_is_said_before_models_are_loaded(flags, more, message, capsys):
    assert main([*flags, *more]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.process
def test_questions_that_cannot_run_leave_nothing_to_trace(flags, tmp_path, capsys):
    trace = tmp_path / "trace.json"
    assert main([*flags, "--trace", str(trace), "--latent_length", "100000"]) == 2
    assert "nothing to trace" in (said := capsys.readouterr().err)
    assert "is too long for the" in said
    assert not trace.exists()


def test_settings_that_a_trace_does_not_read_are_refused(flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*flags, "--output_dir", "runs/trace"])
    assert "there is no flag --output_dir" in capsys.readouterr().err
