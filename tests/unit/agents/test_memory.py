"""What models take of memory, told beforehand: held against models that are loaded, and their caches."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedConfig

from recursivemas.agents import memory
from recursivemas.agents.checkpoint import read_outline
from recursivemas.agents.load import load_engine
from recursivemas.agents.memory import cache_bytes, free_bytes, weight_bytes, work_bytes
from recursivemas.engine.stream import PromptBatch, Stream
from recursivemas.styles import HUB_ORGANISATION
from tests.support.backbones import BACKBONES, SLIDING_WINDOW, tiny_backbone
from tests.support.toy_agents import ROLE_IDS, ROLES

CPU = torch.device("cpu")


def real_cache_bytes(stream: Stream) -> int:
    """Of all tensors that the cache's layers hold by row."""
    total = 0
    for layer in stream._cache.layers:
        held = [getattr(layer, name, None) for name in ("keys", "values")]
        for name in ("conv_states", "recurrent_states"):
            held += list(getattr(layer, name, {}).values())
        total += sum(tensor.nbytes for tensor in held if tensor is not None)
    return total


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_a_rows_cache_is_what_the_cache_holds(name, dtype):
    backbone = tiny_backbone(name, dtype)
    stream = Stream(backbone, PromptBatch.left_pad([backbone.embed([3] * length) for length in (5, 6)]))
    for positions in (6, SLIDING_WINDOW - 1, 2 * SLIDING_WINDOW + 1):
        while stream._mask.shape[1] < positions:
            stream.step(backbone.embed([4, 5]))
        assert real_cache_bytes(stream) == 2 * cache_bytes(backbone.config, dtype, positions)


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_weights_are_what_a_loaded_model_holds(toy_release, style, role):
    dtype = torch.float16 if role == style.answering_role else None
    folder = toy_release / HUB_ORGANISATION / style.agent(role).repo
    outline = read_outline(folder)
    told = weight_bytes(outline, dtype=dtype, quantization=None, stored_bytes=0)
    engine, _ = load_engine(folder, device=CPU, dtype=dtype, trust_remote_code=False, outline=outline)
    tensors = [*engine.model.parameters(), *engine.model.buffers()]
    assert told == sum(tensor.nbytes for tensor in tensors)
    if dtype is None:
        four, eight = (
            weight_bytes(outline, dtype=dtype, quantization=name, stored_bytes=0)
            for name in ("bnb-4bit", "bnb-8bit")
        )
        embeddings = engine.model.get_input_embeddings().weight.nbytes
        assert embeddings < four < eight < told


def test_what_cannot_be_told_is_not_told(toy_release):
    folder = toy_release / HUB_ORGANISATION / ROLES[0][0].agents[0].repo
    outline = read_outline(folder)
    outline.whole.quantization_config = {"quant_method": "gptq"}
    assert weight_bytes(outline, dtype=None, quantization=None, stored_bytes=77) == 77
    assert cache_bytes(PreTrainedConfig(), torch.float32, 10) is None
    other = tiny_backbone("llama").config
    other.layer_types = ["full_attention", "linear_attention", "full_attention"]
    assert cache_bytes(other, torch.float32, 10) is None


def test_plain_attention_takes_its_scores():
    config = tiny_backbone("qwen3").config
    lean, eager = (work_bytes(config, torch.float32, 50, eager=eager) for eager in (False, True))
    assert eager - lean == 50**2 * (config.num_attention_heads * 8 - 1)
    assert work_bytes(config, torch.float32, 100, eager=False) > lean


def test_free_main_memory_is_what_the_system_can_give(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal:  9 kB\nMemFree:  1 kB\nMemAvailable:  5 kB\n")
    monkeypatch.setattr(memory, "MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP_LIMIT", tmp_path / "limit")
    assert free_bytes(CPU) == 5 * 1024
    (tmp_path / "limit").write_text("max\n")
    assert free_bytes(CPU) == 5 * 1024
    (tmp_path / "limit").write_text("3000\n")
    assert free_bytes(CPU) == 3000
    (tmp_path / "meminfo").unlink()
    assert free_bytes(CPU) > 0
    assert free_bytes(torch.device("mps")) is None
