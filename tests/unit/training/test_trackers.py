"""What trackers are told of a training."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from recursivemas import load_mas_system
from recursivemas.errors import UserError
from recursivemas.training import InnerSettings, as_training_rows, train_inner
from recursivemas.training.loop import Steps
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]  # loading a system tries out its chat templates

SETTINGS = {"max_steps": 4, "batch_size": 1, "log_every": 2, "eval_samples": 1, "eval_steps": 4}


@pytest.fixture
def system(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release) as loaded:
        yield loaded


@pytest.fixture
def rows(system):
    return as_training_rows(system.graph, ROWS)


class FakeRun:
    """A run of wandb or trackio, as a training uses one."""

    def __init__(self, **told):
        self.told = told
        self.lines = []
        self.finished = False

    def log(self, values, step=None):
        assert not self.finished
        self.lines.append({"step": step, **values})

    def finish(self):
        self.finished = True


@pytest.fixture(params=["trackio", "wandb"])
def tracker(request, monkeypatch):
    """A tracker's name, and the runs that are begun in a package of that name."""
    runs = []
    package = ModuleType(request.param)

    def init(**told):
        runs.append(FakeRun(**told))
        return runs[-1]

    package.init = init
    monkeypatch.setitem(sys.modules, request.param, package)
    monkeypatch.setattr("recursivemas.runs.trackers.find_spec", lambda name: package)
    return request.param, runs


def test_a_tracker_is_told_what_stands_in_the_metrics(system, rows, tmp_path, tracker):
    name, runs = tracker
    settings = InnerSettings(**SETTINGS, log_with=name)
    train_inner(system, "expert", rows, settings, save_dir=tmp_path / "links")
    [run] = runs
    lines = [json.loads(line) for line in (tmp_path / "links" / "metrics.jsonl").read_text().splitlines()]
    assert run.lines == lines
    assert [line["step"] for line in lines] == [2, 4, 4]
    assert {"loss", "learning_rate", "gradient_norm/expert", "eval/loss"} <= {*lines[0], *lines[2]}
    assert (run.told["project"], run.told["name"], run.finished) == ("recursivemas", "links", True)
    assert run.told["config"]["adapter_lr"] == 5e-4
    assert run.told.get("dir") == (str(tmp_path / "links") if name == "wandb" else None)


def test_a_run_ends_with_its_training_however_that_ends(system, rows, tmp_path, tracker, monkeypatch):
    name, runs = tracker

    def fail(*_, **__):
        raise UserError("no more")

    monkeypatch.setattr(Steps, "take", fail)
    with pytest.raises(UserError, match="no more"):
        train_inner(system, "expert", rows, InnerSettings(**SETTINGS, log_with=name), save_dir=tmp_path)
    assert [run.finished for run in runs] == [True]


def test_a_tracker_that_cannot_begin_is_told_of(system, rows, tmp_path, tracker, monkeypatch):
    def refuse(**_):
        raise RuntimeError("No API key configured.")

    monkeypatch.setattr(sys.modules[tracker[0]], "init", refuse)
    settings = InnerSettings(**SETTINGS, log_with=tracker[0])
    with pytest.raises(UserError, match=r"cannot begin \(No API key configured\)\. .*WANDB_MODE=offline"):
        train_inner(system, "expert", rows, settings, save_dir=tmp_path)
    assert not (tmp_path / "train_args.json").exists()


def test_a_tracker_that_is_not_there_is_told_of(system, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("recursivemas.runs.trackers.find_spec", lambda name: None)
    settings = InnerSettings(**SETTINGS, log_with="wandb")
    with pytest.raises(UserError, match="pip install wandb"):
        train_inner(system, "expert", rows, settings, save_dir=tmp_path)
    with pytest.raises(UserError, match="give a save_dir"):
        train_inner(system, "expert", rows, settings)
