"""The command: what is written where, what it says of a run, and what it refuses."""

from __future__ import annotations

import gc
import json
import warnings

import pytest
from inspect_ai.log import read_eval_log

from recursivemas.cli.main import main
from recursivemas.files.locks import FileLock
from recursivemas.report.export import FORMATS
from recursivemas.runs.files import read_samples
from recursivemas.runs.lock import LOCKS
from tests.support.run_folders import sample_of, write_run, write_samples

KEY = "sk-something-secret"


def test_what_was_written_is_told(tmp_path, capsys):
    run, output = write_run(tmp_path / "run", {"release": [[True, False]] * 2}), tmp_path / "new" / "run.csv"
    command = ["export", str(run), "--to", "csv", "-o", str(output)]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{output} (4 answers to 2 questions)\n"
    before = output.read_bytes()
    output.write_text("mine")
    assert main(command) == 2
    assert f"{output} exists and would be overwritten; give another -o, or --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert output.read_bytes() == before


def test_a_run_that_has_not_finished_is_exported_and_said_to_be(tmp_path, capsys):
    run = write_run(tmp_path / "run", [True, False, True], finished=False)
    first, _, third = read_samples(run)
    write_samples(run, [first])
    (run / "shards").mkdir()
    (run / "shards" / "process-1.jsonl").write_text(json.dumps(third.to_json()) + "\n")
    assert main(["export", str(run), "--to", "csv", "-o", str(tmp_path / "a.csv")]) == 0
    assert "(2 answers; the run is broken off, and has 3 answers in the end)" in capsys.readouterr().out
    (run / LOCKS).mkdir()
    lock = FileLock(run / LOCKS / "process-0.lock")
    assert lock.acquire({})
    assert main(["export", str(run), "--to", "csv", "-o", str(tmp_path / "b.csv")]) == 0
    assert "the run is going on" in capsys.readouterr().out
    lock.release()


@pytest.mark.parametrize("to", FORMATS)
def test_no_key_is_exported_that_is_known_here(tmp_path, to, monkeypatch):
    run = write_run(tmp_path / "run", [True])
    write_samples(run, [sample_of("q0", text=f"say {KEY}")])
    config = json.loads((run / "config.json").read_text())
    config["settings"]["judge_base_url"]["value"] = f"https://me:{KEY}@judge.example/?api_key=x{KEY}"
    (run / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("SOME_API_KEY", KEY)
    output = tmp_path / f"out{FORMATS[to].suffix}"
    assert main(["export", str(run), "--to", to, "-o", str(output)]) == 0
    written = contents(output)
    assert "[redacted]" in written
    assert KEY not in written


def contents(output):
    """All that was written, in one text."""
    if output.is_dir():
        return "".join(file.read_text() for file in output.rglob("*") if file.is_file())
    if output.suffix == ".eval":
        return read_eval_log(str(output), resolve_attachments=True).model_dump_json()
    return output.read_text()


def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path, capsys):
    run, empty = write_run(tmp_path / "run", [True]), write_run(tmp_path / "empty", [True])
    write_samples(empty, [])
    cases = [
        (tmp_path / "no", "csv", "a.csv", "there is no folder"),
        (tmp_path, "csv", "a.csv", "holds no run"),
        (empty, "csv", "a.csv", "holds no answers yet; export a run when"),
        (run, "csv", "", "is a folder; give the file to write, such as"),
        (run, "lm-eval", "run/samples.jsonl", "is a file; give the folder"),
        (run, "inspect", "run.json", "is to be a .eval file; give -o"),
        (run, "csv", "run/samples.jsonl", "is to be a .csv file; give -o"),
        (run, "csv", "run/samples.jsonl/a.csv", "samples.jsonl is no folder); give another -o."),
    ]
    for path, to, output, says in cases:
        assert main(["export", str(path), "--to", to, "-o", str(tmp_path / output), "--force"]) == 2
        assert says in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "run"]
    with pytest.raises(SystemExit):
        main(["export", str(run), "--to", "parquet", "-o", "x"])
    assert "invalid choice: 'parquet'" in capsys.readouterr().err


@pytest.mark.parametrize("to", FORMATS)
def test_a_full_disk_leaves_no_half_of_an_export(tmp_path, to, monkeypatch, capsys):
    run, folder = write_run(tmp_path / "run", [True]), tmp_path / "out"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    output = folder / f"run{FORMATS[to].suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # inspect_ai leaves a file without a name behind then
        assert main(["export", str(run), "--to", to, "-o", str(output)]) == 2
        gc.collect()
    assert "could not be written (No space left on device); free some space there" in capsys.readouterr().err
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("sampling", 1.5), ("sampling", {"top_p": "x"}), ("versions", []), ("versions", {"a": {}})],
)
def test_a_record_that_was_edited_is_named_not_exported(tmp_path, to, name, value, capsys):
    path = write_run(tmp_path / "run", [True])
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, name: value}))
    output = tmp_path / f"out{FORMATS[to].suffix}"
    assert main(["export", str(path), "--to", to, "-o", str(output)]) == 2
    assert f"config.json is not a record that this version can read: {name}" in capsys.readouterr().err
