"""The order in which a run checks things, and sweeps over latent lengths."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recursivemas.cli.main import run_main
from recursivemas.runs import prepare, sweep
from recursivemas.system import load_mas_system

pytestmark = pytest.mark.process

LENGTHS = (1, 2, 3)


@pytest.fixture
def dear(monkeypatch):
    """Makes questions and models out of reach; a run that asks for either fails the test."""

    def out_of_reach(*_, **__):
        raise AssertionError("asked for before the cheap checks were through")

    monkeypatch.setattr(prepare, "load_questions", out_of_reach)
    monkeypatch.setattr(prepare, "load_mas_system", out_of_reach)


@pytest.fixture
def flags(tmp_path, toy_release) -> list[str]:
    path = tmp_path / "questions.jsonl"
    rows = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n), "unique_id": str(n)} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        *("--style", "distillation", "--device", "cpu", "--release", str(toy_release), "--batch_size", "2"),
        *("--dataset_path", str(path), "--num_recursive_rounds", "1", "--max_new_tokens", "4"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--style", "mixture"], "--device cpu"),
        (["--style", "mixtrue", "--device", "cpu"], "did you mean 'mixture'?"),
        (["--device", "cpu", "--dataset", "math50"], "did you mean 'math500'?"),
        (["--device", "cpu", "--mode", "single", "--role", "planer"], "did you mean 'planner'?"),
        (["--device", "cpu", "--ckpt_override", "planner"], "not of the form"),
        (["--device", "cpu", "--dataset", "hotpotqa"], "needs an answering agent with the tool search"),
        (["--device", "cpu", "--output_dir", "FILE"], "is no folder"),
        (["--device", "cpu", "--output_dir", "RUN"], "already holds a run; give --resume"),
        (["--device", "cpu", "--output_dir", "RUN", "--resume"], "seed: 1 before, 42 now"),
        (["--device", "cpu", "--output_dir", "RUN", "--latent_length", "-1"], "holds a single run"),
        (["--device", "cpu", "--output_dir", "SWEEP", "--resume"], "holds a sweep over latent lengths"),
        (["--device", "cpu", "--output_dir", "SWEEP", "--latent_length", "-1"], "already holds a sweep"),
    ],
)
def test_what_is_cheap_to_tell_is_told_first(given, message, dear, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("")
    Path("RUN").mkdir()
    record = {
        "settings": {"seed": {"value": 1, "origin": "explicit"}},
        "style": {"name": "sequential_light", "agents": [{"role": "solver"}]},
        "questions": {"number": 1},
        "platform": "here",
        "accelerator": None,
        "agents": {},
    }
    Path("RUN/config.json").write_text(json.dumps(record))
    sweep.open_sweep(Path("SWEEP"))
    assert run_main(given) == 2
    assert message in capsys.readouterr().err


def test_a_finished_run_is_reported_without_its_questions_or_models(flags, tmp_path, capsys, request):
    command = [*flags, "--latent_length", "1", "--output_dir", str(tmp_path / "run")]
    assert run_main(command) == 0
    printed = capsys.readouterr().out
    request.getfixturevalue("dear")
    (tmp_path / "questions.jsonl").unlink()  # one that is there is looked at: it may have changed
    copy = tmp_path / "copy.jsonl"
    assert run_main([*command, "--resume", "--result_jsonl", str(copy)]) == 0
    again = capsys.readouterr()
    assert again.out == printed
    assert "nothing was left to run" in again.err
    samples = (tmp_path / "run" / "samples.jsonl").read_bytes()
    assert copy.read_bytes() == samples
    for left in (b"", samples[:20], samples[: samples.index(b"\n") + 9], samples):
        copy.write_bytes(left)
        assert run_main([*command, "--resume", "--result_jsonl", str(copy)]) == 0
        assert copy.read_bytes() == samples
    capsys.readouterr()
    for other in (b"my notes\n", samples.replace(b"42", b"43")):
        copy.write_bytes(other)
        assert run_main([*command, "--resume", "--result_jsonl", str(copy)]) == 2
        assert "copy.jsonl exists and would be overwritten" in capsys.readouterr().err
        assert copy.read_bytes() == other


def swept(folder: Path) -> dict[str, str]:
    return {
        f"latent-{length}": [
            (sample["id"], sample["text"], len(sample["messages"]))
            for sample in map(
                json.loads, (folder / f"latent-{length}" / "samples.jsonl").read_text().splitlines()
            )
        ]
        for length in LENGTHS
    }


def test_a_sweep_runs_each_length_and_says_that_the_best_is_the_best_of_a_sweep(
    flags, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(sweep, "SWEPT_LENGTHS", LENGTHS)
    folder, copy = tmp_path / "sweep", tmp_path / "copy.jsonl"
    command = [*flags, "--latent_length", "-1", "--output_dir", str(folder)]
    assert run_main([*command, "--result_jsonl", str(copy)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("[result]")] == lines[-1:]
    assert lines[-1].startswith("[result] best-of-sweep-accuracy=")
    assert lines[-1].endswith("%")
    record = json.loads((folder / "sweep.json").read_text())
    assert list(record["runs"]) == ["1", "2", "3"]
    assert record["best_of_sweep"]["latent_length"] in LENGTHS
    for length in LENGTHS:
        config = json.loads((folder / f"latent-{length}" / "config.json").read_text())
        assert config["settings"]["latent_length"] == {"value": length, "origin": "sweep"}
        assert (tmp_path / f"copy.latent-{length}.jsonl").exists()

    whole = swept(folder)
    # As if killed in the second of the three.
    shutil.rmtree(folder / "latent-3")
    (folder / "latent-2" / "summary.json").unlink()
    kept = (folder / "latent-2" / "samples.jsonl").read_text().splitlines(keepends=True)
    (folder / "latent-2" / "samples.jsonl").write_text("".join(kept[:2]))
    (folder / "sweep.json").write_text('{"finished": false}')
    first = (folder / "latent-1" / "samples.jsonl").stat().st_mtime_ns
    assert run_main([*command, "--resume"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == lines[-1]
    assert swept(folder) == whole
    assert (folder / "latent-1" / "samples.jsonl").stat().st_mtime_ns == first, "it was not run again"


def test_the_best_of_a_sweep_is_the_shortest_of_equals(tmp_path):
    def summary(value):
        return {"headline": {"metric": "accuracy", "value": value, "interval_95": [0, 1]}}

    record = sweep.close_sweep(tmp_path, {16: summary(0.25), 32: summary(0.5), 48: summary(0.5)})
    assert record["best_of_sweep"]["latent_length"] == 32
    assert sweep.sweep_result_line(record) == "[result] best-of-sweep-accuracy=50.00%"
    assert record["best_of_sweep"]["tied_with"] == [48]
    told = sweep.format_sweep(record)
    assert told.count("best-of-sweep, tied") == 2, "neither of the equals is marked alone"
    assert "The best 2 tie" in told
    record = sweep.close_sweep(tmp_path, {16: summary(0.25), 32: summary(0.5)})
    assert "tie" not in sweep.format_sweep(record)


def test_a_system_takes_one_length(toy_release):
    with (
        load_mas_system("distillation", device="cpu", release=toy_release) as mas,
        pytest.raises(ValueError, match="one latent_length, not -1 for several"),
    ):
        mas.solve("?", latent_length=-1)
