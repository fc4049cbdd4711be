"""Links: every variant's function, the file format, and what is refused."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from copy import copy
from pathlib import Path

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
    """The links' function straight from their state dict, as docs/protocol.md, "Links", writes it."""

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


@pytest.mark.parametrize(
    "save", [torch.save, lambda data, path: path.write_bytes(pickle.dumps(data, protocol=2))]
)
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


class Buffer:
    """Unpickling this fills the memory, with nothing but names that torch allows."""

    def __reduce__(self):
        return (bytearray, (1 << 40,))


def packed(path: Path) -> None:
    """The same tensors, deflated: zeros shrink a thousandfold."""
    whole = io.BytesIO()
    torch.save({"proj1.weight": torch.zeros(4096, 4096)}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))


def overlapping(path: Path) -> None:
    """One tensor's bytes that the directory lists a hundred times."""
    torch.save({"proj1.weight": torch.zeros(4096)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith("data/0"))
        for number in range(100):
            again = copy(entry)
            again.filename = entry.filename.replace("data/0", f"data/{number + 1}")
            archive.filelist.append(again)
        archive.writestr("last", b"")  # writes the directory anew


def saved(data, **options):
    return lambda path: torch.save(data, path, **options)


HOSTILE = {
    "deflated": (packed, r"is compressed, to \d+ bytes of 67108864"),
    "overlapping": (overlapping, r"claims to hold"),
    "a buffer": (saved({"a": Buffer()}), r"asks for (__builtin__|builtins)\.bytearray"),
    "a buffer, old format": (
        saved({"a": Buffer()}, _use_new_zipfile_serialization=False),
        r"asks for (__builtin__|builtins)\.bytearray",
    ),
    "meta": (saved({"a": torch.empty(2, device="meta")}), "a tensor without data"),
    "float8": (
        saved({"a": torch.zeros(2).to(torch.float8_e4m3fn)}),
        r"a is a .*float8_e4m3fn tensor, not a dense one of float64",
    ),
    "int8": (saved({"a": torch.zeros(2, dtype=torch.int8)}), "int8 tensor"),
    "complex": (saved({"a": torch.zeros(2, dtype=torch.complex64)}), "complex64 tensor"),
    "sparse": (saved({"a": torch.eye(3).to_sparse()}), "holds more than tensors"),
    "expanded": (saved({"a": torch.zeros(1).expand(10**6, 10**6)}), "holds fewer numbers"),
    "nan": (saved({"a": torch.tensor([1.0, float("nan")])}), "not finite"),
    "inf": (saved({"a": torch.tensor([1.0, float("-inf")])}), "not finite"),
    "keys that are no text": (saved({1: torch.zeros(1)}), "not a state dict"),
    "a model": (saved(InnerLink(D)), "holds more than tensors"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words_of_our_own(tmp_path, name):
    write, says = HOSTILE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match=says) as caught:
        read_state_dict(tmp_path / "adapter.pt")
    assert str(tmp_path / "adapter.pt") in str(caught.value)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("kind", [dict, torch.nn.ParameterDict])
def test_plain_state_dicts_in_either_format_are_read(tmp_path, new_format, kind):
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        state = {"a": torch.arange(6, dtype=dtype).reshape(2, 3), "b": torch.nn.Parameter(torch.ones(2))}
        state = state if kind is dict else torch.nn.ParameterDict(state).state_dict()
        torch.save(state, tmp_path / "adapter.pt", _use_new_zipfile_serialization=new_format)
        read = read_state_dict(tmp_path / "adapter.pt")
        assert all(torch.equal(read[name], value) for name, value in state.items())


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    save_link(InnerLink(D), tmp_path / "adapter.pt")
    monkeypatch.setattr(Path, "open", refuse)  # the superuser may read every file
    with pytest.raises(LinkError, match=r"adapter\.pt may not be read .*Nothing is damaged: give permission"):
        read_state_dict(tmp_path / "adapter.pt")
    with pytest.raises(LinkError, match=r"nowhere\.pt is not there"):
        read_state_dict(tmp_path / "nowhere.pt")
