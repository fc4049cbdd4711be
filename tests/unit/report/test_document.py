"""A whole report: its files, its pictures, and what it says about what it leaves out."""

from __future__ import annotations

import builtins
import re

import pytest
from PIL import Image

from recursivemas.errors import UserError
from recursivemas.report import run, write_report
from recursivemas.report.canvas import DOTS_PER_INCH, SIZE
from tests.support.run_folders import write_run

LIGHT = "sequential_light-math500"


@pytest.fixture
def sweep(tmp_path):
    """Two numbers of rounds in both modes, two latent lengths, and one agent alone."""
    verdicts = [True, True, False, True] * 5
    folder = tmp_path / "runs"
    return [
        *(write_run(folder / f"l{r}", verdicts, num_recursive_rounds=r, latent_length=32) for r in (1, 2)),
        *(
            write_run(folder / f"t{r}", verdicts, num_recursive_rounds=r, mode="text", tokens=90)
            for r in (1, 2)
        ),
        write_run(folder / "short", verdicts, num_recursive_rounds=2, latent_length=8),
        write_run(folder / "alone", verdicts, mode="single", role="planner"),
    ]


def test_every_file_is_there_and_every_picture_can_be_seen(tmp_path, sweep):
    files = write_report(sweep, tmp_path / "out")
    names = {path.name for path in files}
    plots = {
        f"{kind}-{LIGHT}" for kind in ("accuracy_by_rounds", "costs_by_rounds", "accuracy_by_latent_length")
    }
    assert names == {
        "report.md",
        "figures.csv",
        *(f"{table}.{end}" for table in ("rounds", "styles", "savings", "runs") for end in ("csv", "tex")),
        *(f"{plot}.{end}" for plot in plots for end in ("png", "svg")),
    }
    for plot in plots:
        with Image.open(tmp_path / "out" / f"{plot}.png") as picture:
            assert picture.size == tuple(int(DOTS_PER_INCH * side) for side in SIZE)
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
        assert (tmp_path / "out" / f"{plot}.svg").read_text().count("<path") > 20
    text = files[0].read_text()
    assert set(re.findall(r"\]\((.*)\.png\)", text)) == plots
    assert "Plots left out" not in text


def test_the_same_runs_give_the_same_pictures(tmp_path, sweep):
    svgs = []
    for name in ("one", "two"):
        files = write_report(sweep, tmp_path / name)
        svgs.append([path.read_bytes() for path in files if path.suffix == ".svg"])
    assert svgs[0] == svgs[1]


def test_plots_without_data_are_named_with_the_reason(tmp_path, sweep):
    text = write_report(sweep[:1], tmp_path / "out")[0].read_text()
    assert "## Plots\n" not in text
    left_out = text.split("## Plots left out")[1]
    assert "Accuracy by rounds needs runs with two numbers of rounds or more" in left_out
    assert "Costs by rounds needs a latent run and a text run" in left_out
    assert "Accuracy by latent length needs latent runs with two latent lengths or more" in left_out
    assert LIGHT in left_out


def test_the_rule_and_the_departures_are_stated(tmp_path, sweep):
    text = write_report(sweep, tmp_path / "out", with_plots=False)[0].read_text()
    assert "none was chosen for its score" in text
    assert "graded by the release grader" in text
    assert "- t1: toy-random release" in text
    hub = write_run(tmp_path / "hub", [True], release="hub")
    text = write_report([hub], tmp_path / "out", with_plots=False)[0].read_text()
    assert "only mark the place" not in text


def test_without_matplotlib_there_are_tables_or_a_hint(tmp_path, sweep, monkeypatch, capsys):
    real_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    arguments = {"runs": sweep, "output": tmp_path / "out", "grader": None}
    with pytest.raises(UserError, match=r"pip install 'recursivemas\[report\]'"):
        run({**arguments, "no_plots": False})
    with pytest.raises(UserError, match="there is no folder"):  # first what is given, then what is missing
        run({**arguments, "runs": [*sweep, tmp_path / "nope"], "no_plots": False})
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"file/out could not be written \(.*file is no folder\); give another"
    ):
        run({**arguments, "output": tmp_path / "file" / "out", "no_plots": True})
    run({**arguments, "no_plots": True})
    assert str(tmp_path / "out" / "rounds.tex") in capsys.readouterr().out


def test_a_run_that_has_not_finished_is_left_out_and_said_so(tmp_path, caplog):
    whole = write_run(tmp_path / "whole", [True, False])
    half = write_run(tmp_path / "half", [True, False], finished=False)
    files = write_report([half, whole], tmp_path / "report", with_plots=False)
    assert "left out: the run in" in caplog.text
    assert "half has not finished" in caplog.text
    report = files[0].read_text()
    assert report.startswith("# 1 run\n")
    assert "Left out:" in report
    assert "half has not finished" in report
    with pytest.raises(UserError, match="none of the runs has finished"):
        write_report([half], tmp_path / "none", with_plots=False)
    assert not (tmp_path / "none").exists()


def test_no_plot_is_said_on_the_screen_with_the_reasons(tmp_path, caplog):
    write_report([write_run(tmp_path / "one", [True])], tmp_path / "report")
    assert "no plot was drawn. Accuracy by rounds needs runs with two numbers of rounds" in caplog.text
    assert "Costs by rounds needs a latent run and a text run" in caplog.text
    caplog.clear()
    write_report([tmp_path / "one"], tmp_path / "report", with_plots=False)
    assert "no plot" not in caplog.text
