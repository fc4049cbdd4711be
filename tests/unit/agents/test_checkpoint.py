"""What a model's folder has to hold: each file taken away, each kind of damage, before any weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from recursivemas.agents.checkpoint import LoadError, read_outline, reading
from recursivemas.agents.load import load_engine
from recursivemas.errors import UserError
from recursivemas.links import read_state_dict
from recursivemas.release.resolve import resolve_release
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.system import read_outlines

FAMILIES = {
    "Qwen3": ("sequential_light", "planner"),
    "Llama": ("sequential_light", "critic"),
    "Qwen2": ("sequential_light", "solver"),
    "Gemma3": ("sequential_scaled", "planner"),
    "Qwen3.5": ("sequential_scaled", "solver"),
    "DeepSeek": ("mixture", "math"),
    "Mistral": ("mixture", "science"),
    "Qwen3.5 text": ("mixture", "summarizer"),
}
OWN_CLASSES = {
    "Qwen3": "Qwen2Tokenizer",
    "Llama": "PreTrainedTokenizerFast",
    "Qwen2": "Qwen2Tokenizer",
    "Gemma3": "GemmaTokenizer",
    "Qwen3.5": "Qwen2Tokenizer",
    "DeepSeek": "LlamaTokenizerFast",
    "Mistral": "LlamaTokenizer",
    "Qwen3.5 text": "Qwen2Tokenizer",
}
"""The classes that published tokenizers name; transformers builds some of them without a vocabulary."""
UNNEEDED = {"adapter_config.json", "adapter(code).pt", "pytorch_model.bin", "outerlink_config.json"}
"""Without these a run in the toy release is the same: defaults, conventions and what it does not use."""


def change_json(path: Path, **changes: Any) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, **changes}), encoding="utf-8")


@pytest.fixture
def release_with(toy_release: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A release in which one repository is a copy; returns that."""

    def release_with(repo: str) -> Path:
        home = tmp_path / "release" / "RecursiveMAS"
        home.mkdir(parents=True)
        for folder in (toy_release / "RecursiveMAS").iterdir():
            if folder.name == repo:
                shutil.copytree(folder, home / repo)
            else:
                (home / folder.name).symlink_to(folder)
        return home / repo

    return release_with


def prepare(style_name: str, release: Path) -> Any:
    """What loading does before weights."""
    style = PUBLISHED_STYLES[style_name]
    paths = resolve_release(style, "math", release=release)
    outlines = read_outlines(paths)
    for link in paths.links.values():
        read_state_dict(link.path)
    return paths, outlines


@pytest.mark.process
@pytest.mark.parametrize("own_class", [False, True], ids=["as saved", "as published"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_file_that_is_taken_away_is_named_or_not_needed(toy_release, release_with, family, own_class):
    style_name, role = FAMILIES[family]
    folder = release_with(PUBLISHED_STYLES[style_name].agent(role).repo)
    release = folder.parent.parent
    if own_class:
        change_json(folder / "tokenizer_config.json", tokenizer_class=OWN_CLASSES[family])
    whole, outlines = prepare(style_name, release)
    ids = outlines[role].tokenizer("What is 12 + 30?").input_ids
    for path in sorted(folder.iterdir()):
        kept = path.read_bytes()
        path.unlink()
        if path.name in UNNEEDED:
            found, outlines = prepare(style_name, release)
            assert found.agents[role].inner_variant == whole.agents[role].inner_variant
            assert outlines[role].tokenizer("What is 12 + 30?").input_ids == ids
        else:
            with pytest.raises(UserError) as caught:
                prepare(style_name, release)
            assert str(folder) in str(caught.value), path.name
            stem = "weights" if path.name == "model.safetensors" else path.name.split(".")[0]
            assert stem.replace("_", " ") in str(caught.value).replace("_", " "), path.name
        path.write_bytes(kept)


@pytest.mark.parametrize("style_name", PUBLISHED_STYLES)
def test_every_link_that_is_taken_away_is_named(release_with, style_name):
    folder = release_with(PUBLISHED_STYLES[style_name].outer_repo)
    for path in sorted(folder.iterdir()):
        if path.name in UNNEEDED or "(code)" in path.name:
            continue
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(UserError) as caught:
            prepare(style_name, folder.parent.parent)
        assert path.name in str(caught.value)
        path.write_bytes(kept)


# ---------------------------------------------------------------------------------------------------------
# Damage


def write(name: str, text: str | bytes) -> Callable[[Path], None]:
    data = text.encode() if isinstance(text, str) else text
    return lambda folder: (folder / name).write_bytes(data) and None


def change(name: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / name, **changes)


def rewrite_weights(edit: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def to_float8(weights: dict[str, torch.Tensor]) -> None:
    for name, value in weights.items():
        weights[name] = value.to(torch.float8_e4m3fn)


def shard_wrongly(folder: Path) -> None:
    """Two shards whose index says the wrong one of a tensor."""
    with reading(folder) as view:
        model = AutoModelForCausalLM.from_pretrained(view)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="1MB")
    index = folder / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    first, second = sorted(set(places.values()))[:2]
    moved = next(key for key, place in places.items() if place == first)
    change_json(index, weight_map={**places, moved: second})


def another_vocabulary(folder: Path) -> None:
    """The tokenizer of a model with far fewer tokens."""
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    for token in data["added_tokens"]:
        token["id"] -= 350
    merges = data["model"]["merges"][:-350]
    kept = sorted(data["model"]["vocab"].items(), key=lambda item: item[1])[:-350]
    data["model"] |= {"merges": merges, "vocab": dict(kept)}
    path.write_text(json.dumps(data))


def without_letters(folder: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    data["pre_tokenizer"] = data["normalizer"] = None
    data["model"] |= {"vocab": {"a": 0}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(data))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "config deep": (write("config.json", "[" * 200_000), "config.json is damaged: it is nested too deeply"),
    "config a list": (write("config.json", "[]"), "config.json is damaged: it holds a list"),
    "config not text": (write("config.json", b"\xff\xfe"), "config.json is damaged: it is not valid JSON"),
    "no model_type": (change("config.json", model_type=None), "model_type None, which transformers"),
    "unknown model_type": (change("config.json", model_type="qwen9"), "'qwen9', .* update transformers"),
    "own code": (
        change("config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"}),
        "brings code of its own: .*--trust_remote_code",
    ),
    "a model that writes nothing": (change("config.json", model_type="vit"), "'vit', which writes no text"),
    "hidden size a text": (change("config.json", hidden_size="big"), "config.json"),
    "hidden size below 0": (change("config.json", hidden_size=-8), "config.json"),
    "a billion layers": (
        change("config.json", num_hidden_layers=10**9, layer_types=None),
        "config.json says 1000000000 layers; no model has more than",
    ),
    "more layers than tensors": (
        change("config.json", num_hidden_layers=1000, layer_types=None),
        "config.json says 1000 layers, and the weights hold",
    ),
    "generation config deep": (write("generation_config.json", "[" * 200_000), "nested too deeply"),
    "generation config a number": (write("generation_config.json", "5"), "it holds a int"),
    "top_k a text": (change("generation_config.json", top_k="20"), "gives top_k as '20'; .* a number"),
    "top_k a fraction": (change("generation_config.json", top_k=2.5), "it has to be a whole number"),
    "temperature a list": (change("generation_config.json", temperature=[1]), "gives temperature as"),
    "penalty nan": (change("generation_config.json", repetition_penalty=float("nan")), "as nan"),
    "min_p true": (change("generation_config.json", min_p=True), "gives min_p as True"),
    "end a text": (change("generation_config.json", eos_token_id="</s>"), "gives eos_token_id as"),
    "tokenizer config a list": (write("tokenizer_config.json", "[]"), "tokenizer_config.json is damaged"),
    "tokenizer empty": (write("tokenizer.json", ""), "the tokenizer in .* cannot be read"),
    "tokenizer of no shape": (write("tokenizer.json", '{"a": 1}'), "the tokenizer in .* cannot be read"),
    "tokenizer deep": (write("tokenizer.json", "[" * 200_000), "the tokenizer in .* cannot be read"),
    "a tokenizer of one letter": (without_letters, "no question could be read"),
    "another model's tokenizer": (another_vocabulary, "has 290 tokens and the model embeds 640"),
    "no end": (change("tokenizer_config.json", eos_token=None), "names no eos_token"),
    "weights cut": (
        lambda folder: write("model.safetensors", (folder / "model.safetensors").read_bytes()[:5000])(folder),
        r"model\.safetensors is damaged or cut short",
    ),
    "weights empty": (write("model.safetensors", ""), r"model\.safetensors is damaged or cut short"),
    "weights float8": (rewrite_weights(to_float8), "as F8_E4M3, and config.json names no quantization"),
    "index wrong": (shard_wrongly, r"which model\.safetensors\.index\.json places there"),
}
LATE = {
    "a tensor missing": (rewrite_weights(dict.popitem), "1 missing keys"),
}


@pytest.fixture
def folder(toy_release: Path, tmp_path: Path) -> Path:
    name = PUBLISHED_STYLES["sequential_light"].agent("solver").repo
    return Path(shutil.copytree(toy_release / "RecursiveMAS" / name, tmp_path / name))


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_an_error_in_words_before_weights(folder, name):
    damage, says = DAMAGE[name]
    damage(folder)
    with pytest.raises(LoadError, match=says) as caught:
        read_outline(folder)
    assert str(folder) in str(caught.value)
    assert "delete the folder" not in str(caught.value)


@pytest.mark.parametrize("name", LATE)
def test_damage_that_only_loading_shows(folder, name):
    damage, says = LATE[name]
    damage(folder)
    with pytest.raises(LoadError, match=says):
        load_engine(folder, device=torch.device("cpu"), dtype=None, trust_remote_code=False)


def test_ends_that_no_token_is_are_another_tokenizers(folder):
    change_json(folder / "generation_config.json", eos_token_id=[100_000])
    read_outline(folder)
    change_json(folder / "config.json", eos_token_id=100_001)
    with pytest.raises(LoadError, match="ends texts with token 100000"):
        read_outline(folder)


@pytest.mark.parametrize("padding", [1, 200, 300])
def test_padded_embeddings_are_fine(folder, padding):
    def pad(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if "embed_tokens" in name or "lm_head" in name]:
            weights[name] = torch.cat([weights[name], torch.zeros(padding, weights[name].shape[1])])

    rewrite_weights(pad)(folder)
    change_json(folder / "config.json", vocab_size=640 + padding)
    backbone, tokenizer = load_engine(folder, device=torch.device("cpu"), dtype=None, trust_remote_code=False)
    assert (backbone.num_embeddings, len(tokenizer)) == (640 + padding, 640)


def test_a_file_that_may_not_be_read_is_not_called_damaged(folder, monkeypatch):
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "tokenizer.json":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)  # the superuser may read every file
    with pytest.raises(LoadError, match=r"tokenizer\.json may not be read .*give permission"):
        read_outline(folder)


def test_a_link_to_nothing_is_named(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(folder / "gone")
    with pytest.raises(LoadError, match=r"tokenizer\.json is not there"):
        read_outline(folder)


def test_a_panic_of_a_library_in_rust_is_an_error_in_words(folder):
    class PanicException(BaseException):
        """As pyo3 raises it."""

    with (
        pytest.raises(LoadError, match=r"the tokenizer in .*PanicException: out of range"),
        reading(folder, "tokenizer"),
    ):
        raise PanicException("out of range")
    with pytest.raises(KeyboardInterrupt), reading(folder):
        raise KeyboardInterrupt
