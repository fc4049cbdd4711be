"""The records of speed still run: each script at its smallest, to the JSON line that it ends with."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = ("--layers", "2", "--hidden-size", "64")
SYSTEM = (
    *("--hidden-size", "64", "--layers", "4", "--questions", "2", "--batch-size", "2", "--shortest", "20"),
    *("--longest", "30", "--max-new-tokens", "3", "--rounds", "2", "--latent-lengths", "3"),
)
ROOFLINE = (
    *("--shape", "tiny", "--batch-sizes", "1,2", "--prompt-length", "20", "--steps", "8"),
    *("--megabytes", "8"),
)

pytestmark = pytest.mark.slow


@pytest.fixture
def script(monkeypatch):
    """A script of `benchmarks/` as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def run(script, name: str, *arguments: str, monkeypatch, capsys) -> dict:
    """Run a script; the figures that it ends with. Its first line of figures begins with the ratio."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    script(name).main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ratio")
    return json.loads(lines[-1])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rollout", (*TINY, "--prompt-lengths", "20,30", "--latent-lengths", "2,4", "--batch-size", "2")),
        ("decode", (*TINY, "--rows", "4", "--batch-size", "2", "--shortest", "2", "--longest", "6")),
        ("prefill", (*TINY, "--batch-size", "2", "--shortest", "8", "--longest", "12", "--repeats", "1")),
        ("roofline", ROOFLINE),
        pytest.param("system", SYSTEM, marks=pytest.mark.process),
        pytest.param("startup", ("--runs", "1", "--only", "version"), marks=pytest.mark.process),
    ],
)
def test_a_benchmark_runs(script, name, arguments, toy_release, monkeypatch, capsys):
    figures = run(script, name, *arguments, monkeypatch=monkeypatch, capsys=capsys)
    cells = figures.get("cells", ())
    if name == "roofline":  # on a busy machine few steps may take longer than many
        assert [cell["step"] for cell in cells] == ["latent", "text"] * 2
        assert 0 < cells[0]["bound_ms"] < cells[1]["bound_ms"], "text reads the head, too"
        assert cells[0]["bytes"] < cells[2]["bytes"], "and more rows more cache"
        return
    assert figures["ratio"] > 0
    assert all(cell["ratio"] > 0 for cell in cells)
    if name == "rollout":
        assert [(cell["prompt_length"], cell["latent_length"]) for cell in cells] == [
            (20, 2), (20, 4), (30, 2), (30, 4),
        ]  # fmt: skip
        assert max(cell["difference"] for cell in cells) < 1e-4


def test_a_system_that_writes_other_texts_than_its_twin_is_not_compared(script, monkeypatch, capsys):
    twin = script("published_order").Stage
    write = twin.write_answers
    monkeypatch.setattr(twin, "write_answers", lambda *args: [(0, *ids) for ids in write(*args)])
    with pytest.raises(SystemExit, match="texts of the two sides differ"):
        run(script, "system", *SYSTEM, monkeypatch=monkeypatch, capsys=capsys)


def test_how_well_seconds_lie_on_a_line(script, capsys):
    cells = [
        {"style": "one", "rounds": rounds, "latent_length": length, "seconds": 3 + rounds * (1 + length)}
        for rounds in (1, 2, 3)
        for length in (0, 8, 16)
    ]
    for cell in cells:
        cell["other_seconds"] = cell["rounds"] ** 2
    fits = script("system").print_fits(cells, "seconds")
    assert fits["ours_linear_in_rounds"] == pytest.approx(1)
    assert fits["slow_linear_in_rounds"] == pytest.approx(0.98, abs=0.01)
    assert "ours_linear_in_latent_length" not in fits, "length 0 runs nothing, and two points are any line"


def test_without_a_gpu_a_line_says_that_nothing_was_measured(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert script("gpu_check").main(["--report", str(tmp_path / "report.md")]) == 2
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not (tmp_path / "report.md").exists()


@pytest.mark.process
def test_a_gpu_s_report_tells_what_failed_and_what_missed_its_bound(script, tmp_path, monkeypatch, capsys):
    gpu_check = script("gpu_check")
    check = gpu_check.Check
    checks = (
        check(command=["-c", "print('fine')"]),
        check(command=["-c", "raise SystemExit(3)"]),
        check(command=["-c", "print('{\"ratio\": 2.0}')"], at_most=2.5),
        check(command=["-c", "print('{\"ratio\": 3.0}')"], at_most=2.5),
        check(command=["-c", "print('{\"ratio\": 9.0}')"], at_least=10),
        check(command=["-c", "print('{\"ratio\": -1.0}')"], at_most=2.5),
    )
    monkeypatch.setattr(gpu_check, "CHECKS", checks)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    report = tmp_path / "new" / "report.md"
    assert gpu_check.main(["--report", str(report)]) == 1
    last = capsys.readouterr().out.splitlines()
    assert "gpu-check: 2 of 6 passed" in last[-1]
    text = report.read_text()
    verdicts = [line.split(" | ")[1].removesuffix(" |") for line in text.splitlines() if "`python" in line]
    assert verdicts == [
        "passed",
        "ended with status 3",
        "passed",
        "ratio 3.0 is over 2.5",
        "ratio 9.0 is under 10",
        "ratio -1.0 measures nothing: other work was in the way",
    ]
    assert "```text\nfine\n```" in text
    monkeypatch.setattr(gpu_check, "CHECKS", checks[:1])
    assert gpu_check.main(["--report", str(report)]) == 0
