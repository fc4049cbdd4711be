"""What a dry run tells of memory, and that the run which follows takes the same."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recursivemas import Question, load_mas_system
from recursivemas.agents.memory import cache_bytes
from recursivemas.cli.footprint import describe_files, describe_memory, read_plan
from recursivemas.cli.main import run_main
from recursivemas.engine.growing_cache import GrowingLayer
from recursivemas.errors import UserError
from recursivemas.output.sizes import format_size, format_sizes
from recursivemas.recursion import memory
from recursivemas.runs.prepare import PreparedRun, prepare
from recursivemas.settings import SWEPT_LENGTHS, SolveSettings

pytestmark = pytest.mark.process

CPU = torch.device("cpu")
SMALL = {"num_recursive_rounds": 2, "latent_length": 3, "max_new_tokens": 6}


@pytest.fixture
def questions(tmp_path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"problem": f"What is {n} + {n}?" + n * "?", "answer": str(2 * n)} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def free(monkeypatch) -> dict[str, int | None]:
    """How much is free, to be set; nothing is known of what is not set."""
    budget: dict[str, int | None] = {}
    monkeypatch.setattr(memory, "free_bytes", lambda device: budget.get(str(device)))
    return budget


def run_of(toy_release, questions, **given) -> PreparedRun:
    usual = {"style": "mixture", "release": str(toy_release), "device": "cpu", **SMALL}
    return prepare(dataset_path=str(questions), **{**usual, **given})


def test_files_count_once_and_those_that_are_there_are_not_missing(tmp_path):
    (tmp_path / "here").write_bytes(b"x")
    paths = SimpleNamespace(sizes={tmp_path / "here": 2 * 10**9, tmp_path / "there": 10**9})
    assert describe_files(paths) == "files: 3 GB, of which 1 GB still to download"


def test_sizes_that_stand_beside_each_other_have_one_unit():
    assert format_sizes([3_440_000_000, 82_300_000, 0, None]) == ["3.44 GB", "0.0823 GB", "0 GB", "not known"]
    assert [format_size(size) for size in (999_000_000, 1234, 0)] == ["999 MB", "1.23 kB", "0 kB"]


def test_static_caches_count_for_each_agent(toy_release, questions):
    run = run_of(toy_release, questions, static_cache="on", num_samples=3)
    told = read_plan(run)
    with run.load() as system:
        plan = system.plan_memory(run.settings.solve, run.toolbox, run.questions)
        system.solve(run.questions, **SMALL)
        for one in plan.agents:
            layers = system.agents[one.role].engine.static_pool._kept._cache._layers
            held = sum(tensor.nbytes for layer in layers for tensor in layer.tensors())
            assert one.stays <= held <= 3 * one.stays
    assert [one.stays for one in told.agents] == [one.stays for one in plan.agents]
    stay = sum(one.stays for one in plan.agents)
    assert told.row(CPU) == plan.row(CPU) == stay + max(one.row - one.stays for one in plan.agents)
    dynamic = read_plan(run_of(toy_release, questions, num_samples=3))
    assert dynamic.row(CPU) == max(one.row for one in dynamic.agents) < told.row(CPU)


def test_a_row_counts_with_the_room_that_is_made_behind_it(toy_release, questions, monkeypatch):
    run = run_of(toy_release, questions, num_samples=1, style="sequential_light")
    held: dict[tuple[int, int], int] = {}
    append = GrowingLayer._append

    def noting(layer, which, new):
        found = append(layer, which, new)
        held[id(layer), which] = found.untyped_storage().nbytes()
        return found

    monkeypatch.setattr(GrowingLayer, "_append", noting)
    with run.load() as system:
        one = system.plan_memory(run.settings.solve, run.toolbox, run.questions).agents[0]
        agent = system.agents[one.role]
        agent.engine.open([[(5,) * one.prompt]]).think(agent.inner_link, one.positions - one.prompt + 1)
    assert sum(held.values()) > one.cache
    work = memory.work_bytes(one.model.config, one.model.dtype, one.prompt, eager=one.model.eager)
    assert one.row - work >= sum(held.values())


@pytest.mark.parametrize("offload", ["none", "disk"])
def test_the_plan_is_that_of_the_loaded_system(toy_release, questions, free, offload):
    free["cpu"] = 10**9
    run = run_of(toy_release, questions, offload=offload)
    told = read_plan(run)
    with run.load() as system:
        loaded = system.plan_memory(run.settings.solve, run.toolbox, run.questions)
        pairs = [(one, system.agents[one.role]) for one in told.agents]
    sizes = [one.model.weights for one in told.agents]
    assert told.weights(CPU) == loaded.weights(CPU) == (sum(sizes) if offload == "none" else max(sizes))
    assert sizes == [one.model.weights for one in loaded.agents]
    assert loaded.free[CPU] == told.free[CPU] + told.weights(CPU), "the weights are there already"
    for one, agent in pairs:
        last = one.role == "summarizer"
        assert one.positions == one.prompt + (SMALL["max_new_tokens"] if last else SMALL["latent_length"])
        config = agent.model.config.get_text_config()
        assert one.cache == cache_bytes(config, agent.engine.dtype, one.positions)
        assert one.row > one.cache
    for before, after in zip(told.agents, loaded.agents, strict=True):
        assert (before.prompt, before.positions, before.row) == (after.prompt, after.positions, after.row)
        assert before.kept == after.kept


def test_prompts_are_as_long_as_the_longest_that_is_read(toy_release, questions, free):
    run = run_of(toy_release, questions, latent_length=5)
    plan = {one.role: one for one in read_plan(run).agents}
    with run.load() as system:
        solutions = system.solve(run.questions, num_rounds=2, latent_length=5, max_new_tokens=2)
    for role, one in plan.items():
        usages = [usage for solution in solutions for usage in solution.usage if usage.role == role]
        assert one.prompt == max(usage.prompt_tokens + usage.latents_read for usage in usages)


def test_texts_sweeps_and_forks_make_rows_longer(toy_release, questions, free):
    latents = read_plan(run_of(toy_release, questions, max_new_tokens=2)).agents[0]
    texts = read_plan(run_of(toy_release, questions, mode="text", max_new_tokens=40)).agents[0]
    assert abs(texts.prompt - (latents.prompt - SMALL["latent_length"] + 40)) < 3, "words may join otherwise"
    assert texts.positions == texts.prompt + 40
    swept = read_plan(run_of(toy_release, questions, latent_length=-1)).agents[0]
    assert swept.positions - swept.prompt == max(SWEPT_LENGTHS)
    forked = read_plan(run_of(toy_release, questions, max_new_tokens=2, num_rollouts=2)).agents[0]
    assert forked.row > latents.row
    assert forked.cache == latents.cache
    alone = read_plan(run_of(toy_release, questions, mode="single", max_new_tokens=40)).agents
    assert [one.positions - one.prompt for one in alone] == [40]


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_no_more_is_kept_than_the_plan_says(toy_release, questions, free, mode):
    run = run_of(
        toy_release, questions, mode=mode, num_rollouts=2, dtype="float32", num_samples=4, answer_window=2
    )
    plan = read_plan(run)
    with run.load() as system:
        batches = system.batches(run.settings.solve, run.toolbox, run.questions, size=2)
        list(batches.solve(run.questions))
    held = batches.figures()["prefix_cache"]["most_bytes"]
    assert 0.3 * plan.kept(CPU, 2) < held <= plan.kept(CPU, 2)


def test_auto_takes_what_fits(toy_release, questions, free):
    run = run_of(toy_release, questions, batch_size="auto")
    plan = read_plan(run)
    weights, row = plan.weights(CPU), plan.row(CPU) + plan.kept(CPU, 1)
    assert plan.row(CPU) == max(one.row for one in plan.agents)
    assert plan.kept(CPU, 1) == sum(one.kept for one in plan.agents)
    for rows, taken in ((0, 1), (1, 1), (5, 5), (20, 12)):
        free["cpu"] = int((weights + rows * row + row // 2) / memory.USABLE)
        assert read_plan(run).batch_size(12) == taken
        told = list(describe_memory(run))
        assert told[-1] == f"--batch_size auto would take {taken}; set is auto"
        assert (
            f"with them fit {rows} questions" in told[1]
            if rows
            else "not even" in told[1].replace("with even", "not even")
        )
    free["cpu"] = 10**12
    assert read_plan(run).batch_size(10**6) == memory.MOST_ROWS


def test_no_more_is_counted_than_may_be_kept(toy_release, questions, free):
    plan = read_plan(run_of(toy_release, questions, prefix_cache=0))
    weights, row = plan.weights(CPU), plan.row(CPU)
    assert plan.kept(CPU, 5) == 0
    for budget in (0, row):
        free["cpu"] = int((weights + 5.5 * row + budget) / memory.USABLE)
        run = run_of(toy_release, questions, prefix_cache=budget)
        assert read_plan(run).rows_that_fit(CPU) == 5
        assert f"5 questions side by side and {format_size(budget)} kept" in list(describe_memory(run))[1]


def test_what_is_not_known_is_said(toy_release, questions, free):
    run = run_of(toy_release, questions, device="cuda:7", batch_size="auto")
    assert read_plan(run).batch_size(12) is None
    told = list(describe_memory(run))
    assert told[1].startswith("cuda:7: ")
    assert "what is free there is not known here" in told[1]
    assert told[2] == "--offload auto cannot be told here: it needs to know what is free; set is auto"
    assert told[3] == "--batch_size auto cannot be told here: it needs to know what is free"


def test_the_run_takes_what_the_dry_run_said_and_keeps_to_it(toy_release, questions, free, tmp_path, capsys):
    plan = read_plan(run_of(toy_release, questions))
    weights, row = plan.weights(CPU), plan.row(CPU) + plan.kept(CPU, 1)
    free["cpu"] = int((weights + 5.5 * row) / memory.USABLE)
    flags = ["--style", "mixture", "--release", str(toy_release), "--device", "cpu"]
    flags += ["--dataset_path", str(questions), *(f"--{name}={value}" for name, value in SMALL.items())]
    flags += ["--batch_size", "auto", "--output_dir", str(tmp_path / "run")]
    assert run_main([*flags, "--dry_run"]) == 0
    assert "--batch_size auto would take 5; set is auto" in capsys.readouterr().out
    free["cpu"] -= weights  # they are loaded when the run asks
    assert run_main(flags) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["batch_size"] == 5
    assert config["settings"]["batch_size"] == {"value": "auto", "origin": "explicit"}
    lines = (tmp_path / "run" / "samples.jsonl").read_text().splitlines()
    (tmp_path / "run" / "samples.jsonl").write_text("".join(f"{line}\n" for line in lines[:7]))
    free["cpu"] = 10**12
    assert run_main([*flags, "--resume"]) == 0
    again = (tmp_path / "run" / "samples.jsonl").read_text().splitlines()
    assert again[:7] == lines[:7]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["batch_size"] == 5


def test_solve_takes_auto_and_says_where_it_cannot(toy_release, free):
    asked = [Question(id=str(n), text=f"{n} + 1?") for n in range(3)]
    with load_mas_system("mixture", device="cpu", release=toy_release, dtype="float64") as system:
        with pytest.raises(UserError, match=r"batch_size 'auto' cannot be chosen: what is free on cpu"):
            system.solve(asked, batch_size="auto")
        free["cpu"] = 10**9
        auto = system.solve(asked, batch_size="auto", num_rounds=1, latent_length=1, max_new_tokens=2)
        fixed = system.solve(asked, batch_size=1, num_rounds=1, latent_length=1, max_new_tokens=2)
    assert [one.text for one in auto] == [one.text for one in fixed]


def test_other_words_are_refused(capsys):
    with pytest.raises(UserError, match="batch_size is 'all'; it has to be a whole number or auto"):
        SolveSettings(batch_size="all")
    with pytest.raises(SystemExit):
        run_main(["--batch_size", "many"])
    assert "'many' is neither a whole number nor auto" in capsys.readouterr().err
