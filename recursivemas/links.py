"""RecursiveLinks: the small trained modules that carry thoughts inside an agent and between agents.

Shapes: B batch, L latent steps, D an agent's hidden size, D_src/D_tgt across an outer link.

An inner link turns an agent's last hidden state into its next input embedding (D -> D). An outer link turns a
source agent's latent thoughts into a message that a target agent reads (D_src -> D_tgt). State dicts are the
published ones: module names below are file format.

Source: docs/protocol.md, "Links"; the paper's equations for the inner and outer RecursiveLink (arXiv
2604.25917).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recursivemas.errors import UserError, unreadable
from recursivemas.files.archives import ArchiveError, check_archive
from recursivemas.styles import DEFAULT_INNER_VARIANT

LAYER_NORM_EPS = 1e-5
LFS_POINTER = b"version https://git-lfs"
LFS_POINTER_BYTES = 1024
LINK_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
GET_ANOTHER = "Get the link from its publisher again, or save it as a plain state dict."


@dataclass(frozen=True, kw_only=True)
class LinkVariant:
    """What a link is made of: one or two layers, a residual path, layer norms around it."""

    two_layers: bool
    """`proj2(gelu(proj1(x)))`, rather than `proj1` alone."""
    residual: bool
    """What went in is added: as it is inside an agent, through `residual_proj` between two."""
    norm: bool
    """A layer norm before the first layer and one at the end."""


INNER_VARIANTS: dict[str, LinkVariant] = {
    "linear_adapter": LinkVariant(two_layers=False, residual=False, norm=False),
    "linear_res_adapter": LinkVariant(two_layers=False, residual=True, norm=False),
    "adapter": LinkVariant(two_layers=True, residual=False, norm=False),
    "res_adapter": LinkVariant(two_layers=True, residual=True, norm=False),
    "ln_res_adapter": LinkVariant(two_layers=True, residual=True, norm=True),
}
INNER_ALIASES = {
    "1layer": "linear_adapter",
    "1layer_res": "linear_res_adapter",
    "2layer": "adapter",
    "2layer_res": "res_adapter",
    "2layer_ln_res": "ln_res_adapter",
}
OUTER_VARIANTS: dict[str, LinkVariant] = {
    "outer_linear_adapter": LinkVariant(two_layers=False, residual=False, norm=False),
    "outer_linear_res_adapter": LinkVariant(two_layers=False, residual=True, norm=False),
    "outer_adapter": LinkVariant(two_layers=True, residual=False, norm=False),
    "outer_res_adapter": LinkVariant(two_layers=True, residual=True, norm=False),
    "outer_ln_adapter": LinkVariant(two_layers=True, residual=False, norm=True),
    "outer_ln_res_adapter": LinkVariant(two_layers=True, residual=True, norm=True),
}
DEFAULT_OUTER_VARIANT = "outer_ln_res_adapter"


class LinkError(UserError):
    """A link's file is damaged, unsafe or made for other dimensions."""


class InnerLink(nn.Module):
    """Last hidden state -> next input embedding of the same agent.

    `post_ln(x + proj2(gelu(proj1(pre_ln(x)))))` for the published variant; the others leave parts out.
    """

    def __init__(self, hidden_size: int, variant: str = DEFAULT_INNER_VARIANT) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.variant = INNER_ALIASES.get(variant, variant)
        self.parts = _look_up_variant(self.variant, INNER_VARIANTS, INNER_ALIASES)
        if self.parts.norm:
            self.pre_ln = nn.LayerNorm(hidden_size, eps=LAYER_NORM_EPS)
            self.post_ln = nn.LayerNorm(hidden_size, eps=LAYER_NORM_EPS)
        self.proj1 = nn.Linear(hidden_size, hidden_size)
        if self.parts.two_layers:
            self.proj2 = nn.Linear(hidden_size, hidden_size)

    @property
    def dtype(self) -> torch.dtype:
        return self.proj1.weight.dtype

    @property
    def adapter_type(self) -> str:
        """The variant, by its published name."""
        return self.variant

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden [..., D] in any floating dtype -> [..., D] in the link's dtype."""
        x = hidden.to(self.dtype)
        y = self.proj1(self.pre_ln(x) if self.parts.norm else x)  # [..., D]
        if self.parts.two_layers:
            y = self.proj2(F.gelu(y))  # [..., D]
        if self.parts.residual:
            y = x + y
        return self.post_ln(y) if self.parts.norm else y


class OuterLink(nn.Module):
    """A source agent's latent thoughts -> a message in a target agent's embedding space.

    `ln_target(proj2(gelu(proj1(ln_source(x)))) + residual_proj(x))` for the published variant; the others
    leave parts out. The hidden width is 2 * D_tgt with layer norms and D_tgt without.
    """

    def __init__(self, source_size: int, target_size: int, variant: str = DEFAULT_OUTER_VARIANT) -> None:
        super().__init__()
        self.source_size = source_size
        self.target_size = target_size
        self.variant = variant
        self.parts = _look_up_variant(variant, OUTER_VARIANTS, {})
        if self.parts.norm:
            self.ln_source = nn.LayerNorm(source_size, eps=LAYER_NORM_EPS)
            self.ln_target = nn.LayerNorm(target_size, eps=LAYER_NORM_EPS)
        if self.parts.two_layers:
            width = 2 * target_size if self.parts.norm else target_size
            self.proj1 = nn.Linear(source_size, width)
            self.proj2 = nn.Linear(width, target_size)
        else:
            self.proj1 = nn.Linear(source_size, target_size)
        if self.parts.residual:
            self.residual_proj = nn.Linear(source_size, target_size)

    @property
    def dtype(self) -> torch.dtype:
        return self.proj1.weight.dtype

    @property
    def adapter_type(self) -> str:
        """The variant, by its published name; `in_dim` and `out_dim` are published names, too."""
        return self.variant

    @property
    def in_dim(self) -> int:
        return self.source_size

    @property
    def out_dim(self) -> int:
        return self.target_size

    def forward(self, thoughts: Tensor) -> Tensor:
        """thoughts [..., D_src] in any floating dtype -> message [..., D_tgt] in the link's dtype."""
        x = thoughts.to(self.dtype)  # [..., D_src]
        y = self.proj1(self.ln_source(x) if self.parts.norm else x)  # [..., 2 D_tgt]; else [..., D_tgt]
        if self.parts.two_layers:
            y = self.proj2(F.gelu(y))  # [..., D_tgt]
        if self.parts.residual:
            y = y + self.residual_proj(x)  # [..., D_tgt]
        return self.ln_target(y) if self.parts.norm else y


def _look_up_variant(
    name: str, variants: Mapping[str, LinkVariant], aliases: Mapping[str, str]
) -> LinkVariant:
    if name not in variants:
        raise LinkError(f"unknown link variant {name!r}; known are {', '.join([*variants, *aliases])}")
    return variants[name]


def load_inner_link(
    path: Path, *, variant: str, hidden_size: int, dtype: torch.dtype | None = None
) -> InnerLink:
    """An inner link from a published state dict, on the CPU, in eval mode.

    `dtype` None keeps the file's. Raises LinkError when the file is damaged, carries code, holds other
    parameters than the variant's, or is made for another hidden size.
    """
    link = _build(path, lambda: InnerLink(hidden_size, variant))
    return _fill(link, path, f"its agent's hidden size is {hidden_size}", dtype)


def load_outer_link(
    path: Path,
    *,
    variant: str | None,
    source: tuple[str, int],
    target: tuple[str, int],
    dtype: torch.dtype | None = None,
) -> OuterLink:
    """An outer link from a published state dict, on the CPU, in eval mode.

    `source` and `target` are (role, hidden size). `variant` None is told from the file's parameter names.
    `dtype` None keeps the file's. Raises LinkError as `load_inner_link` does; a wrong dimension names both
    sides.
    """
    state = read_state_dict(path)
    told = variant or _tell_outer_variant(state, path)
    link = _build(path, lambda: OuterLink(source[1], target[1], told))
    emitted = f"{source[0]} thinks in {source[1]} dimensions and {target[0]} embeds {target[1]}"
    return _fill(link, path, emitted, dtype, state)


def save_link(link: InnerLink | OuterLink, path: Path) -> None:
    """Write the published form: a plain state dict."""
    torch.save({name: value.detach().cpu().clone() for name, value in link.state_dict().items()}, path)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A `.pt` file's tensors by name, read as weights only, so that no code in it ever runs.

    Its directory is looked at first: one that would inflate is refused before it does. Raises LinkError when
    the file cannot be read, carries code, or is no state dict of finite numbers.
    """
    try:
        if path.stat().st_size < LFS_POINTER_BYTES and path.read_bytes().startswith(LFS_POINTER):
            raise LinkError(
                f"{path} is a git-lfs pointer, not the file itself; run git lfs pull in its repository"
            )
        check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except ArchiveError as error:
        raise LinkError(f"{path} was refused: {error}. {GET_ANOTHER}") from error
    except pickle.UnpicklingError as error:  # torch's own words advise to read it with its code
        raise LinkError(f"{path} was refused: it is no plain state dict of tensors. {GET_ANOTHER}") from error
    except OSError as error:
        raise LinkError(unreadable(path, error)) from error
    except UserError:
        raise
    except Exception as error:  # damaged bytes make the reader fail in any way there is
        raise LinkError(
            f"{path} cannot be read as a PyTorch file ({_first_line(error)}). "
            f"It may be cut short: delete {path.resolve()} and download it again."
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise LinkError(
            f"{path} holds {type(state).__name__}, not a state dict from parameter name to tensor"
        )
    for name, value in state.items():
        _check_tensor(path, name, value)
    return dict(state)


def _check_tensor(path: Path, name: str, value: Tensor) -> None:
    """Raise LinkError for numbers that a link cannot compute with."""
    if value.layout != torch.strided or value.dtype not in LINK_DTYPES:
        kinds = ", ".join(str(dtype).removeprefix("torch.") for dtype in LINK_DTYPES)
        raise LinkError(
            f"{path}: {name} is a {value.layout} {value.dtype} tensor, not a dense one of {kinds}; convert "
            "the link to one of these and save it again"
        )
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise LinkError(
            f"{path}: {name} is shaped {list(value.shape)} and the file holds fewer numbers than that; save "
            "the link's tensors whole (contiguous)"
        )
    if not value.isfinite().all():
        raise LinkError(
            f"{path}: {name} holds numbers that are not finite, so no message over this link would be; train "
            "or get the link again"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _tell_outer_variant(state: Mapping[str, Tensor], path: Path) -> str:
    """The outer variant with exactly these parameters (each has its own set)."""
    modules = {name.rpartition(".")[0] for name in state}
    for name, parts in OUTER_VARIANTS.items():
        expected = {"proj1"}
        expected |= {"proj2"} if parts.two_layers else set()
        expected |= {"residual_proj"} if parts.residual else set()
        expected |= {"ln_source", "ln_target"} if parts.norm else set()
        if modules == expected:
            return name
    raise LinkError(
        f"{path} holds the modules {', '.join(sorted(modules)) or 'none'}, which fit no outer link variant"
    )


LinkT = TypeVar("LinkT", InnerLink, OuterLink)


def _build(path: Path, build: Callable[[], LinkT]) -> LinkT:
    """A link of the variant that the manifest beside `path` names."""
    try:
        return build()
    except LinkError as error:
        raise LinkError(
            f"{path} cannot be built: {error}. The manifest beside it names that variant"
        ) from error


def _fill(
    link: LinkT, path: Path, sides: str, dtype: torch.dtype | None, state: Mapping[str, Tensor] | None = None
) -> LinkT:
    """Load `state` strictly into `link`, in the file's dtype or the given one."""
    state = read_state_dict(path) if state is None else state
    own = link.state_dict()
    missing, unexpected = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or unexpected:
        raise LinkError(
            f"{path} does not fit a link of the variant {link.variant}: "
            f"missing {', '.join(missing) or 'nothing'}, unexpected {', '.join(unexpected) or 'nothing'}. "
            "Its manifest may name the wrong adapter_type."
        )
    for name, value in own.items():
        if state[name].shape != value.shape:
            raise LinkError(
                f"{path}: {name} has shape {list(state[name].shape)} but {list(value.shape)} is needed "
                f"({sides}). "
                "Do the repositories belong to the same style?"
            )
    link.to(dtype or state["proj1.weight"].dtype)
    link.load_state_dict(state)
    return link.eval().requires_grad_(False)
