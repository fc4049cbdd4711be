"""What a tracker is told of a run; a tracker that is down ends nothing."""

from __future__ import annotations

import logging
import sys
from types import ModuleType

import pytest

from recursivemas.errors import UserError
from recursivemas.recursion.trace import StageUsage
from recursivemas.runs.trackers import RunTracker, check_package
from tests.support.run_folders import config_of, grade_of, sample_of, write_samples


class FakeRun:
    """A run of wandb or trackio."""

    def __init__(self, **told):
        self.told, self.lines, self.finished = told, [], False

    def log(self, values, step=None):
        self.lines.append((step, values))

    def finish(self):
        self.finished = True


def samples_of(*verdicts):
    usage = (StageUsage(round=1, role="solver", prompt_tokens=10, generated_tokens=5, seconds=0.5),)
    return [
        sample_of(
            f"q{number}",
            verdicts={"release": grade_of(right), "strict": grade_of(False)},
            usage=usage,
        )
        for number, right in enumerate(verdicts)
    ]


@pytest.fixture
def packages(monkeypatch):
    """The runs that are begun in fakes of trackio and wandb."""
    runs = []
    for name in ("trackio", "wandb"):
        package = ModuleType(name)
        package.init = lambda **told: runs.append(FakeRun(**told)) or runs[-1]
        monkeypatch.setitem(sys.modules, name, package)
    return runs


def track(name, folder, **how):
    config = {**config_of(3), "started": "2026-01-01"}
    return RunTracker(name, folder, config, lambda: 7.0, **{"resume": False, **how})


def test_figures_so_far_and_a_run_that_goes_on(tmp_path, packages):
    tracker = track("wandb", tmp_path)
    tracker.update()
    write_samples(tmp_path, samples_of(True, False))
    tracker.update()
    tracker.update()  # nothing is new
    write_samples(tmp_path, samples_of(True, False, True))  # put in order: another file, and one more
    tracker.update()
    tracker.finish()
    resumed = track("wandb", tmp_path, resume=True)
    resumed.update()
    first, second = packages
    assert [step for step, _ in first.lines] == [2, 3]
    values = first.lines[1][1]
    assert values["accuracy/release"] == pytest.approx(2 / 3)
    assert (values["accuracy/strict"], values["samples"], values["seconds"]) == (0, 3, 7.0)
    assert (values["tokens/prompt_tokens"], values["tokens/generated_tokens"]) == (30, 15)
    assert values["memory/cpu"] > 0
    assert first.finished
    assert first.told["config"]["num_rollouts"] == 1
    assert (first.told["id"], first.told["resume"]) == (second.told["id"], "allow"), "the same run goes on"
    assert second.lines[0] == (3, {**values, "memory/cpu": second.lines[0][1]["memory/cpu"]})


def test_trackio_goes_on_where_the_run_does(tmp_path, packages):
    track("trackio", tmp_path)
    track("trackio", tmp_path, resume=True)
    assert [run.told["resume"] for run in packages] == ["never", "allow"]


@pytest.mark.parametrize("at", ["init", "log"])
def test_a_tracker_that_is_down_is_told_of_once(tmp_path, packages, monkeypatch, caplog, at):
    def fail(*_, **__):
        raise ConnectionError("no network.")

    monkeypatch.setattr(sys.modules["trackio"] if at == "init" else FakeRun, at, fail)
    with caplog.at_level(logging.WARNING):
        tracker = track("trackio", tmp_path)
        for verdicts in ([True], [True, True]):
            write_samples(tmp_path, samples_of(*verdicts))
            tracker.update()
        tracker.finish()
    assert [record.getMessage() for record in caplog.records] == [
        "trackio is not told of this run any more (no network); the run goes on, and its folder has all of it"
    ]


def test_nothing_is_told_unless_it_is_asked_for(tmp_path, packages):
    write_samples(tmp_path, samples_of(True))
    tracker = track(None, tmp_path)
    tracker.update()
    tracker.finish()
    assert packages == []
    with pytest.raises(UserError, match="pip install no-such-tracker"):
        check_package("no-such-tracker")


def test_tensorboard_has_files_that_it_reads(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_samples(tmp_path, samples_of(True, False))
    tracker = track("tensorboard", tmp_path)
    tracker.update()
    tracker.finish()
    events = EventAccumulator(str(tmp_path / "recursivemas"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("accuracy/release")] == [(2, 0.5)]
