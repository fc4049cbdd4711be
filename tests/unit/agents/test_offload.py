"""Which agents move, and to where: what is refused, what `auto` takes, what is said and recorded of it."""

from __future__ import annotations

import json
import weakref
from types import SimpleNamespace

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.agents import offload
from recursivemas.agents.checkpoint import LoadError
from recursivemas.agents.offload import Moving, Weights, check_movable, check_offload, choose_offload
from recursivemas.cli.main import run_main

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = {"num_recursive_rounds": 2, "latent_length": 2, "max_new_tokens": 3, "num_samples": 2}


@pytest.fixture
def free(monkeypatch) -> dict[torch.device, int | None]:
    """How much is free, to be set; nothing is known of what is not set."""
    budget: dict[torch.device, int | None] = {}
    monkeypatch.setattr(offload, "free_bytes", budget.get)
    return budget


def three(device, *, sizes=(30, 40, 20), movable=True) -> list[Weights]:
    """Three models, the first of them shared by two agents."""
    models = [
        Weights(device=device, name=str(n), num_bytes=size, movable=movable) for n, size in enumerate(sizes)
    ]
    return [*models, models[0]]


@pytest.mark.parametrize(
    ("asked", "devices", "says"),
    [
        (("ram", None), {"critic": CPU}, "offload 'ram' is not one of auto, none, cpu, disk"),
        (("disk", "bnb-4bit"), {"critic": CUDA}, "quantized ones cannot be moved; drop --offload or"),
        (("disk", None), {"critic": "split"}, "the critic's is split over several devices; .* drop"),
        (("cpu", None), {"critic": CUDA, "solver": CPU}, "the solver is there already, on 'cpu'; .*disk"),
        (("disk", None), {"critic": torch.device("mps")}, "the critic is on 'mps'; drop --offload"),
    ],
)
def test_what_cannot_be_moved_is_an_error(asked, devices, says):
    with pytest.raises(LoadError, match=says):
        check_offload(*asked, devices)
    for lenient in ("auto", "none"):
        check_offload(lenient, asked[1], devices)


def test_models_that_are_stored_quantized_do_not_move():
    outlines = {"critic": SimpleNamespace(quantized=True), "solver": SimpleNamespace(quantized=False)}
    with pytest.raises(LoadError, match="the critic's is stored quantized and cannot be moved; drop"):
        check_movable("cpu", outlines)
    check_movable("auto", outlines)
    check_movable("cpu", {"solver": outlines["solver"]})


@pytest.mark.parametrize(
    ("on_device", "in_main_memory", "taken"),
    [
        (120, 0, None),  # 90 are three quarters of it, and shared weights count once
        (119, 120, Moving("cpu", 2)),
        (107, 120, Moving("cpu", 2)),
        (106, 120, Moving("cpu", 1)),  # two of 40 have no room
        (119, 119, Moving("disk", 2)),
        (119, None, Moving("disk", 2)),
        (None, 120, None),
    ],
)
def test_auto_moves_what_does_not_fit(free, on_device, in_main_memory, taken):
    free |= {CUDA: on_device, CPU: in_main_memory}
    assert choose_offload("auto", three(CUDA)) == ({CUDA: taken} if taken else {})


def test_what_is_asked_for_is_taken(free):
    free |= {CUDA: 1000, CPU: 119}
    assert choose_offload("none", three(CUDA)) == {}
    assert choose_offload("cpu", three(CUDA)) == {CUDA: Moving("cpu", 2)}
    assert choose_offload("disk", three(CUDA)) == {CUDA: Moving("disk", 2)}
    assert choose_offload("disk", three(CPU)) == {CPU: Moving("disk", 1)}
    assert choose_offload("auto", three(CPU)) == {CPU: Moving("disk", 1)}
    assert choose_offload("cpu", three(CUDA)[:2]) == {CUDA: Moving("cpu", 1)}, "two would both stay"
    assert choose_offload("cpu", three(CUDA)[:1]) == {}, "nobody else needs room"
    assert choose_offload("auto", three("split")) == {}
    free[CUDA] = 1
    assert choose_offload("auto", three(CUDA, movable=False)) == {}
    assert choose_offload("disk", [*three(CUDA), *three(torch.device("cuda:1"))[:1]]) == {
        CUDA: Moving("disk", 1)
    }


@pytest.mark.process
def test_a_run_tells_and_records_how_its_agents_moved(toy_release, tmp_path, capsys, free):
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"problem": "1 + 1?", "answer": "2"}\n{"problem": "2 + 2?", "answer": "4"}\n')
    flags = ["--style", "distillation", "--release", str(toy_release), "--device", "cpu", "--offload", "disk"]
    flags += ["--dataset_path", str(questions), *(f"--{name}={value}" for name, value in SMALL.items())]
    flags += ["--batch_size", "1", "--output_dir", str(tmp_path / "run")]
    free[CPU] = 10**3
    assert run_main([*flags, "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert "--offload auto would take disk; set is disk" in out
    assert "of weights at a time, of" in out
    assert "that wait on disk" in out
    assert run_main(flags) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert config["settings"]["offload"] == {"value": "disk", "origin": "explicit"}
    assert {role: agent["offload"] for role, agent in config["agents"].items()} == {
        "expert": "disk",
        "learner": "disk",
    }
    # Twice for each batch, but that the second begins with who is there and both answer in one turn.
    told = {"place": "disk", "arrivals": 3}
    assert summary["offload"] == {"expert": told, "learner": told}
    free[CPU] = 10**12
    assert run_main([*flags, "--resume", "--offload", "none"]) == 0, "it decides no result"


@pytest.mark.process
def test_a_closed_system_leaves_nothing(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release, offload="disk") as system:
        model = weakref.ref(system.agents["learner"].model)
    assert model() is None
    assert system.offload.models == ()


@pytest.mark.process
def test_auto_says_that_agents_take_turns(toy_release, free, caplog):
    free[CPU] = 10**3
    with load_mas_system("distillation", device="cpu", release=toy_release) as system:
        assert system.offload.moving == {CPU: Moving("disk", 1)}
        assert "not all agents fit on cpu: they take turns there, and wait on disk" in caplog.text
    caplog.clear()
    free[CPU] = 10**12
    with load_mas_system("distillation", device="cpu", release=toy_release) as system:
        assert system.offload.moving == {}
        assert not caplog.text
