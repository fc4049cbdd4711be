"""Models that take turns: who is there when, where the others wait, and that nothing of them is left."""

from __future__ import annotations

import copy
import gc
from pathlib import Path

import pytest
import torch
from torch import nn

from recursivemas.agents import parking
from recursivemas.agents.checkpoint import LoadError
from recursivemas.agents.residency import MovedModel, Residency
from recursivemas.engine import LocalEngine
from tests.support.backbones import BACKBONES, tiny_inner_link, tiny_model

CPU = torch.device("cpu")
PROMPTS = [[(5, 6, 7, 8)], [(9, 10)]]


def save(model, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def settle(tmp_path, place, num_seats, count=3, dtype=torch.float32) -> tuple[list[LocalEngine], list]:
    """Engines whose models take turns on the CPU, and twins of them that stay."""
    models = [tiny_model(name, dtype) for name in BACKBONES[:count]]
    folders = [save(model, tmp_path / str(n)) for n, model in enumerate(models)]
    stay = [LocalEngine(copy.deepcopy(model)) for model in models]
    moved = [MovedModel(model, folder, CPU, place) for model, folder in zip(models, folders, strict=True)]
    Residency(CPU, moved, num_seats)
    return [LocalEngine(model) for model in models], [stay, moved]


def think(engine: LocalEngine) -> torch.Tensor:
    return engine.open(PROMPTS).think(tiny_inner_link(engine), 4).latents


def is_there(model: nn.Module) -> bool:
    return all(parameter.numel() > 0 for parameter in model.parameters())


@pytest.mark.parametrize(("place", "num_seats"), [("disk", 1), ("cpu", 1), ("cpu", 2)])
def test_models_that_move_have_the_same_bits(tmp_path, place, num_seats):
    engines, (stay, moved) = settle(tmp_path, place, num_seats, count=len(BACKBONES))
    assert not any(is_there(one.model) for one in moved)
    for _ in range(2):
        for engine, twin in zip(engines, stay, strict=True):
            # To the bit are weights; sums depend on where in memory these begin.
            assert torch.allclose(think(engine), think(twin), rtol=1e-4, atol=1e-5)
            pairs = zip(engine.model.parameters(), twin.model.parameters(), strict=True)
            assert all(torch.equal(*pair) for pair in pairs)
            assert sum(is_there(one.model) for one in moved) == 1
    # In a circle each comes once a time; where there are two seats, the first one has come again already.
    assert [one.num_arrivals for one in moved] == [2 + (num_seats == 2), *[2] * (len(moved) - 1)]


def test_an_agent_that_goes_on_need_not_come_again(tmp_path):
    (first, second, _), (_, moved) = settle(tmp_path, "disk", 1)
    session = first.open(PROMPTS)
    link = tiny_inner_link(first)
    session.think(link, 3)
    think(first)
    assert moved[0].num_arrivals == 1
    think(second)
    assert session.think(link, 3).latents.isfinite().all()
    assert moved[0].num_arrivals == 2, "a session that is gone on with brings its model back"


def test_callers_of_the_model_itself_find_its_weights(tmp_path):
    (first, second, _), ((twin, *_), _) = settle(tmp_path, "cpu", 1)
    think(second)
    ids = torch.tensor([[5, 6, 7]])
    told = [one.model.generate(ids, max_new_tokens=4, do_sample=False) for one in (first, twin)]
    assert torch.equal(*told)


def test_what_is_gone_says_where_it_belongs(tmp_path):
    (first, second, _), _ = settle(tmp_path, "disk", 1, dtype=torch.bfloat16)
    think(second)
    assert (first.dtype, first.device, first.num_embeddings) == (torch.bfloat16, CPU, 211)


@pytest.mark.parametrize("tied", ["one parameter", "one memory"])
@pytest.mark.parametrize("place", ["cpu", "disk"])
def test_tied_weights_move_once(tmp_path, tied, place):
    model = tiny_model("qwen3", torch.float32)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if tied == "one parameter":
        head.weight = embedding.weight
    else:
        head.weight = nn.Parameter(embedding.weight.data, requires_grad=False)
    moved = MovedModel(model, save(tiny_model("qwen3", torch.float32), tmp_path), CPU, place)
    Residency(CPU, [moved], 1)
    embedding(torch.tensor([1]))
    assert head.weight.data_ptr() == embedding.weight.data_ptr()
    assert len(moved.parking.open()) == len({id(one) for one in model.parameters()}) - (tied == "one memory")


def mapped(folder: Path) -> list[str]:
    """The mappings of files in that folder, or of files of ours, that this process has."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if str(folder) in line]


@pytest.mark.parametrize("name", ["qwen3", "gemma3", "qwen3_5"])
def test_a_checkpoints_own_files_are_used_and_let_go(tmp_path, name, monkeypatch):
    monkeypatch.setattr(parking, "_write", lambda weights: pytest.fail("written once more"))
    models = [tiny_model(name, torch.float32, seed) for seed in range(2)]
    moved = []
    for number, model in enumerate(models):
        folder = save(model, tmp_path / str(number))
        moved.append(MovedModel(model, folder, CPU, "disk"))
    Residency(CPU, moved, 1)
    gc.collect()
    assert mapped(tmp_path) == []
    for number, model in enumerate(models):
        think(LocalEngine(model))
        assert {line.split("/")[-2] for line in mapped(tmp_path)} == {str(number)}, "the other one is let go"


def test_what_a_checkpoint_does_not_hold_is_written_once(tmp_path, monkeypatch):
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "cache"))
    model = tiny_model("llama", torch.float32)
    twin = LocalEngine(copy.deepcopy(model).double())
    moved = MovedModel(model.double(), save(tiny_model("llama", torch.float32), tmp_path), CPU, "disk")
    Residency(CPU, [moved], 1)
    assert list((tmp_path / "cache").iterdir()) == [], "it has no name"
    assert torch.equal(think(LocalEngine(model)), think(twin))
    assert len(mapped(tmp_path / "cache")) == 1


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    folder = save(tiny_model("llama", torch.float32), tmp_path / "model")
    with pytest.raises(LoadError, match=r"needs \d+ bytes in .*, and 100 are free; set RECURSIVEMAS_CACHE"):
        MovedModel(tiny_model("llama", torch.float64), folder, CPU, "disk")
