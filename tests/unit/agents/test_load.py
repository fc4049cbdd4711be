"""Loading an agent: damaged folders, devices and dtypes that are not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from recursivemas import load_mas_system
from recursivemas.agents.load import LoadError, load_engine, resolve_device, resolve_dtype
from recursivemas.errors import UserError
from recursivemas.prompts import PromptsError

REPO = "Sequential-Light-Solver-Qwen2.5-Math-1.5B"


@pytest.fixture
def model_dir(toy_release, tmp_path) -> Path:
    return Path(shutil.copytree(toy_release / "RecursiveMAS" / REPO, tmp_path / REPO))


def load(model_dir: Path):
    return load_engine(model_dir, device=torch.device("cpu"), dtype=None, trust_remote_code=False)


def test_a_whole_folder_loads(model_dir):
    backbone, tokenizer = load(model_dir)
    assert not backbone.model.training
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    assert tokenizer.name_or_path == str(model_dir)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "config.json", "generation_config.json"]
)
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_truncated_file_is_an_error_that_names_the_folder(model_dir, name, keep):
    whole = (model_dir / name).read_bytes()
    (model_dir / name).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(LoadError) as caught:
        load(model_dir)
    assert str(model_dir) in str(caught.value)


def test_missing_weights_are_not_started_at_random(model_dir):
    weights = load_file(model_dir / "model.safetensors")
    dropped = next(name for name in weights if "mlp" in name)
    del weights[dropped]
    save_file(weights, model_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LoadError, match=f"1 missing keys .the first: {dropped}"):
        load(model_dir)


def cut_embeddings(model_dir: Path, num_embeddings: int) -> None:
    """Let the model embed no more than the first tokens of its tokenizer."""
    config = json.loads((model_dir / "config.json").read_text())
    weights = load_file(model_dir / "model.safetensors")
    cut = {name for name in weights if "embed_tokens" in name or "lm_head" in name}
    weights = {
        name: value[:num_embeddings].clone() if name in cut else value for name, value in weights.items()
    }
    save_file(weights, model_dir / "model.safetensors", metadata={"format": "pt"})
    cut_config = {**config, "vocab_size": num_embeddings, "pad_token_id": None}
    (model_dir / "config.json").write_text(json.dumps(cut_config))


@pytest.mark.process
def test_tokens_without_an_embedding_are_warned_of_and_refused_where_they_are_used(
    toy_release, model_dir, caplog
):
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|more|>"]})
    tokenizer.save_pretrained(model_dir)
    num_embeddings = len(tokenizer) - 1
    cut_embeddings(model_dir, num_embeddings)
    engine, tokenizer = load(model_dir)
    (warning,) = [record.message for record in caplog.records if record.name.startswith("recursivemas")]
    assert f"has {num_embeddings + 1} tokens and the model embeds {num_embeddings}" in warning
    with pytest.raises(UserError, match=f"token {num_embeddings} has no embedding"):
        engine.open([[(1, num_embeddings, 2)]])

    with load_mas_system(
        "sequential_light", device="cpu", release=toy_release, overrides={"solver": model_dir}
    ) as system:
        settings = {
            "num_rounds": 1,
            "latent_length": 1,
            "max_new_tokens": 2,
            "batch_size": 2,
        }
        (as_text,) = system.solve(["<|more|>?"], **settings)
        assert as_text.error is None, "what a question spells is text"
        settings["special_tokens_in_questions"] = True
        good, bad = system.solve(["1 + 1?", "<|more|>?"], **settings)
        assert good.error is None
        assert "cannot be shown to the solver" in bad.error
        assert f"'<|more|>', token {num_embeddings} of the tokenizer" in bad.error


def test_loaded_tokenizers_pad_on_the_left_and_have_something_to_pad_with(model_dir):
    path = model_dir / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "pad_token": None, "padding_side": "right"}))
    _, tokenizer = load(model_dir)
    batch = tokenizer(["a", "a longer text"], padding=True)
    assert tokenizer.pad_token == tokenizer.eos_token
    assert batch.attention_mask[0][0] == 0
    assert batch.attention_mask[0][-1] == 1


def test_a_tokenizer_without_an_end_is_refused(model_dir):
    path = model_dir / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["eos_token"] = None
    path.write_text(json.dumps(config))
    with pytest.raises(LoadError, match="names no eos_token"):
        load(model_dir)


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "meta"])
def test_a_device_is_looked_for_before_anything_is_fetched(device, monkeypatch):
    def fetch():
        raise PromptsError("the prompts were asked for first")

    monkeypatch.setattr("recursivemas.prompts.choose.fetch_published", fetch)
    with pytest.raises(LoadError, match=f"device '{device}' is not available here"):
        load_mas_system("sequential_light", device=device)


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "meta"])
def test_a_device_that_is_not_there_names_the_cpu(device):
    with pytest.raises(LoadError, match=f"device '{device}' is not available here .*--device cpu"):
        resolve_device(device)


@pytest.mark.parametrize(
    ("device", "meant"),
    [("gpu", "cuda"), ("GPU:1", "cuda:1"), ("cdua", "cuda"), ("metal", "mps"), ("abacus", None)],
)
def test_a_device_by_another_name_is_asked_after(device, meant):
    with pytest.raises(LoadError) as failure:
        resolve_device(device)
    assert (f"did you mean '{meant}'?" in str(failure.value)) == (meant is not None)
    assert "Expected one of" not in str(failure.value), "no list of all backends there are"


def test_dtypes_by_name():
    assert resolve_dtype("auto") is None
    assert resolve_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(LoadError, match="dtype 'int8' is not one of auto, float64"):
        resolve_dtype("int8")
