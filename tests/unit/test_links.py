"""Links: every variant's function, the file format, and what is refused."""

from __future__ import annotations

import pickle

import pytest
import torch

from recursivemas.links import (
    INNER_ALIASES,
    INNER_VARIANTS,
    OUTER_VARIANTS,
    InnerLink,
    LinkError,
    OuterLink,
    load_inner_link,
    load_outer_link,
    read_state_dict,
    save_link,
)

D, D_SRC, D_TGT = 6, 5, 7
SIDES = {"source": ("planner", D_SRC), "target": ("critic", D_TGT)}


def randomised(link):
    """Every parameter random, layer norms included, so that each one matters."""
    generator = torch.Generator().manual_seed(7)
    for parameter in link.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return link.double()


def written_out(state, x, *, residual_name: str | None, norms: tuple[str, str]):
    """The links' function straight from their state dict, as protocol section 2 writes it."""

    def linear(name, value):
        return value @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, value):
        if f"{name}.weight" not in state:
            return value
        centred = value - value.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    y = linear("proj1", norm(norms[0], x))
    if "proj2.weight" in state:
        y = linear("proj2", 0.5 * y * (1 + torch.erf(y / 2**0.5)))
    if residual_name is not None:
        y = y + (x if residual_name == "identity" else linear(residual_name, x))
    return norm(norms[1], y)


@pytest.mark.parametrize("variant", INNER_VARIANTS)
def test_inner_link_computes_its_formula(variant):
    link = randomised(InnerLink(D, variant))
    x = torch.randn(2, 3, D, dtype=torch.float64)
    residual = "identity" if "_res" in variant or variant.startswith("res") else None
    expected = written_out(link.state_dict(), x, residual_name=residual, norms=("pre_ln", "post_ln"))
    torch.testing.assert_close(link(x), expected)


@pytest.mark.parametrize("variant", OUTER_VARIANTS)
def test_outer_link_computes_its_formula(variant):
    link = randomised(OuterLink(D_SRC, D_TGT, variant))
    x = torch.randn(2, 3, D_SRC, dtype=torch.float64)
    residual = "residual_proj" if "_res" in variant else None
    expected = written_out(link.state_dict(), x, residual_name=residual, norms=("ln_source", "ln_target"))
    torch.testing.assert_close(link(x), expected)


def test_published_shapes():
    outer = {name: tuple(value.shape) for name, value in OuterLink(D_SRC, D_TGT).state_dict().items()}
    assert outer["proj1.weight"] == (2 * D_TGT, D_SRC)
    assert outer["proj2.weight"] == (D_TGT, 2 * D_TGT)
    assert outer["residual_proj.weight"] == (D_TGT, D_SRC)
    assert outer["ln_source.weight"] == (D_SRC,)
    assert outer["ln_target.weight"] == (D_TGT,)
    plain = OuterLink(D_SRC, D_TGT, "outer_res_adapter").state_dict()
    assert tuple(plain["proj1.weight"].shape) == (D_TGT, D_SRC)
    assert set(InnerLink(D).state_dict()) == {
        f"{module}.{kind}"
        for module in ("pre_ln", "proj1", "proj2", "post_ln")
        for kind in ("weight", "bias")
    }


def test_aliases_name_the_same_variants():
    for alias, variant in INNER_ALIASES.items():
        assert InnerLink(D, alias).variant == variant


@pytest.mark.parametrize("variant", INNER_VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_inner_link_survives_saving(tmp_path, variant, dtype):
    link = randomised(InnerLink(D, variant)).to(dtype)
    save_link(link, tmp_path / "adapter.pt")
    loaded = load_inner_link(tmp_path / "adapter.pt", variant=variant, hidden_size=D)
    assert loaded.dtype == dtype
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in link.state_dict().items())


@pytest.mark.parametrize("variant", OUTER_VARIANTS)
def test_outer_variant_is_told_from_the_file(tmp_path, variant):
    save_link(OuterLink(D_SRC, D_TGT, variant), tmp_path / "outer_12.pt")
    loaded = load_outer_link(tmp_path / "outer_12.pt", variant=None, **SIDES)
    assert loaded.variant == variant


def test_dtype_rules(tmp_path):
    save_link(InnerLink(D).to(torch.bfloat16), tmp_path / "adapter.pt")
    kept = load_inner_link(tmp_path / "adapter.pt", variant="ln_res_adapter", hidden_size=D)
    asked = load_inner_link(
        tmp_path / "adapter.pt", variant="ln_res_adapter", hidden_size=D, dtype=torch.float64
    )
    hidden = torch.randn(2, D)
    assert kept(hidden).dtype == torch.bfloat16
    assert asked(hidden).dtype == torch.float64


def test_wrong_dimension_names_both_sides(tmp_path):
    save_link(OuterLink(D_SRC, D_TGT + 1), tmp_path / "outer_12.pt")
    with pytest.raises(LinkError, match=r"planner thinks in 5 dimensions and critic embeds 7"):
        load_outer_link(tmp_path / "outer_12.pt", variant=None, **SIDES)


def test_wrong_hidden_size_is_refused(tmp_path):
    save_link(InnerLink(D), tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match=r"pre_ln.weight has shape \[6\] but \[8\] is needed"):
        load_inner_link(tmp_path / "adapter.pt", variant="ln_res_adapter", hidden_size=8)


def test_loading_is_strict(tmp_path):
    save_link(InnerLink(D, "adapter"), tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match=r"missing post_ln.bias, .*unexpected nothing"):
        load_inner_link(tmp_path / "adapter.pt", variant="ln_res_adapter", hidden_size=D)
    save_link(InnerLink(D), tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match=r"missing nothing, unexpected post_ln.bias"):
        load_inner_link(tmp_path / "adapter.pt", variant="adapter", hidden_size=D)


def test_unknown_variant_lists_the_known():
    with pytest.raises(LinkError, match=r"unknown link variant 'ln_adapter'; known are linear_adapter"):
        InnerLink(D, "ln_adapter")


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


@pytest.mark.parametrize("save", [torch.save, lambda data, path: path.write_bytes(pickle.dumps(data))])
def test_a_pickle_that_carries_code_is_refused_and_not_run(tmp_path, save):
    witness = tmp_path / "ran"
    save({"proj1.weight": torch.zeros(1), "x": Bomb(witness)}, tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match="was refused"):
        read_state_dict(tmp_path / "adapter.pt")
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_a_damaged_file_says_what_to_do(tmp_path, content):
    (tmp_path / "adapter.pt").write_bytes(content)
    with pytest.raises(LinkError, match=r"download it again|was refused"):
        read_state_dict(tmp_path / "adapter.pt")


def test_a_truncated_file_says_what_to_do(tmp_path):
    save_link(InnerLink(D), tmp_path / "adapter.pt")
    whole = (tmp_path / "adapter.pt").read_bytes()
    (tmp_path / "adapter.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LinkError, match="cut short"):
        read_state_dict(tmp_path / "adapter.pt")


def test_something_else_than_a_state_dict_is_refused(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match="holds list, not a state dict"):
        read_state_dict(tmp_path / "adapter.pt")
