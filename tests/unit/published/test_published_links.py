"""The names of the published modeling.py, as a notebook uses them."""

from __future__ import annotations

import pytest
import torch

from modeling import (
    INNER_ADAPTER_TYPE,
    OUTER_ADAPTER_TYPE,
    Adapter,
    CrossModelAdapter,
    infer_inner_adapter_type_from_state_dict,
    infer_outer_adapter_type_from_state_dict,
    normalize_inner_adapter_type,
    normalize_outer_adapter_type,
    resolve_local_pretrained_path,
)
from recursivemas.links import INNER_VARIANTS, OUTER_VARIANTS, InnerLink, LinkError, OuterLink
from recursivemas.release.resolve import ReleaseError


def test_a_published_state_dict_goes_into_an_adapter(toy_release):
    folder = toy_release / "RecursiveMAS" / "Sequential-Light-Planner-Qwen3-1.7B"
    state = torch.load(folder / "adapter(math).pt", weights_only=True)
    hidden_size = len(state["post_ln.weight"])
    adapter = Adapter(hidden_size, INNER_ADAPTER_TYPE)
    adapter.load_state_dict(state)
    x = torch.randn(3, hidden_size)
    y = adapter.proj2(torch.nn.functional.gelu(adapter.proj1(adapter.pre_ln(x))))
    assert torch.equal(adapter(x), adapter.post_ln(x + y))
    assert adapter.adapter_type == "ln_res_adapter"
    assert isinstance(adapter, InnerLink)


def test_a_message_over_a_cross_model_adapter():
    adapter = CrossModelAdapter(in_dim=6, out_dim=4, adapter_type="outer_ln_res_adapter")
    assert {name: tuple(value.shape) for name, value in adapter.state_dict().items()} == {
        "ln_source.weight": (6,),
        "ln_source.bias": (6,),
        "ln_target.weight": (4,),
        "ln_target.bias": (4,),
        "proj1.weight": (8, 6),
        "proj1.bias": (8,),
        "proj2.weight": (4, 8),
        "proj2.bias": (4,),
        "residual_proj.weight": (4, 6),
        "residual_proj.bias": (4,),
    }
    assert adapter(torch.randn(2, 5, 6)).shape == (2, 5, 4)
    assert (adapter.in_dim, adapter.out_dim, adapter.adapter_type) == (6, 4, OUTER_ADAPTER_TYPE)
    assert isinstance(adapter, OuterLink)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "ln_res_adapter"),
        ("2layer_ln_res", "ln_res_adapter"),
        ("1layer", "linear_adapter"),
        (" LN_res_adapter ", "ln_res_adapter"),
        *((name, name) for name in INNER_VARIANTS),
    ],
)
def test_inner_types_have_one_name(given, name):
    assert normalize_inner_adapter_type(given) == name
    assert Adapter(4, given).adapter_type == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "outer_ln_res_adapter"),
        ("ln_adapter", "outer_ln_adapter"),
        ("OUTER_adapter", "outer_adapter"),
        *((name, name) for name in OUTER_VARIANTS),
    ],
)
def test_outer_types_have_one_name(given, name):
    assert normalize_outer_adapter_type(given) == name
    assert CrossModelAdapter(4, 3, given).adapter_type == name


def test_types_that_there_are_not():
    with pytest.raises(LinkError, match="unknown inner adapter type 'lora'; known are linear_adapter"):
        Adapter(4, "lora")
    with pytest.raises(LinkError, match="unknown outer adapter type 'outer_lora'"):
        normalize_outer_adapter_type("lora")


@pytest.mark.parametrize("name", OUTER_VARIANTS)
def test_an_outer_type_is_told_by_its_parameters(name):
    assert infer_outer_adapter_type_from_state_dict(CrossModelAdapter(4, 3, name).state_dict()) == name


def test_an_inner_type_is_told_by_its_parameters_where_they_tell():
    assert infer_inner_adapter_type_from_state_dict(Adapter(4).state_dict()) == "ln_res_adapter"
    for name in ("res_adapter", "adapter"):
        with pytest.raises(LinkError, match=r"those of adapter and res_adapter; adapter_config\.json"):
            infer_inner_adapter_type_from_state_dict(Adapter(4, name).state_dict())
    with pytest.raises(LinkError, match=r"lora_A are those of no inner adapter type"):
        infer_inner_adapter_type_from_state_dict({"lora_A": torch.zeros(1)})


def test_a_local_folder_is_its_own_pretrained_path(tmp_path, monkeypatch):
    assert resolve_local_pretrained_path(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ReleaseError):
        resolve_local_pretrained_path("RecursiveMAS/No-Such-Repository")
