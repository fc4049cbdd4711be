"""The names of the published `modeling.py`.

Shapes: B batch, L latent steps, D an agent's hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from recursivemas.links import (
    DEFAULT_OUTER_VARIANT,
    INNER_ALIASES,
    INNER_VARIANTS,
    OUTER_VARIANTS,
    InnerLink,
    LinkError,
    LinkVariant,
    OuterLink,
)
from recursivemas.published.repositories import snapshot_repo
from recursivemas.styles import DEFAULT_INNER_VARIANT

INNER_ADAPTER_TYPE = DEFAULT_INNER_VARIANT
OUTER_ADAPTER_TYPE = DEFAULT_OUTER_VARIANT
OUTER_PREFIX = "outer_"


class Adapter(InnerLink):
    """An inner link, untrained: hidden states [..., D] -> input embeddings [..., D]."""

    def __init__(self, hidden_size: int, adapter_type: str = INNER_ADAPTER_TYPE) -> None:
        super().__init__(hidden_size, normalize_inner_adapter_type(adapter_type))


class CrossModelAdapter(OuterLink):
    """An outer link, untrained: thoughts [..., in_dim] -> a message [..., out_dim]."""

    def __init__(self, in_dim: int, out_dim: int, adapter_type: str = OUTER_ADAPTER_TYPE) -> None:
        super().__init__(in_dim, out_dim, normalize_outer_adapter_type(adapter_type))


def normalize_inner_adapter_type(adapter_type: str | None) -> str:
    """The type's one name: aliases (`2layer_ln_res`) and letter case go, None is the default.

    Raises LinkError for a type that there is not.
    """
    name = (adapter_type or INNER_ADAPTER_TYPE).strip().lower()
    return _known(INNER_ALIASES.get(name, name), INNER_VARIANTS, "inner")


def normalize_outer_adapter_type(adapter_type: str | None) -> str:
    """The type's one name: letter case goes, `outer_` may be missing, None is the default.

    Raises LinkError for a type that there is not.
    """
    name = (adapter_type or OUTER_ADAPTER_TYPE).strip().lower()
    name = name if name.startswith(OUTER_PREFIX) else OUTER_PREFIX + name
    return _known(name, OUTER_VARIANTS, "outer")


def infer_inner_adapter_type_from_state_dict(state: Mapping[str, Tensor]) -> str:
    """The type whose parameters these are.

    Raises LinkError where none has them, or where two have: a residual path inside an agent has no
    parameters, so without layer norms only adapter_config.json says whether there is one.
    """
    return _infer(state, {name: InnerLink(1, name) for name in INNER_VARIANTS}, "inner")


def infer_outer_adapter_type_from_state_dict(state: Mapping[str, Tensor]) -> str:
    """The type whose parameters these are. Raises LinkError where none has them."""
    return _infer(state, {name: OuterLink(1, 1, name) for name in OUTER_VARIANTS}, "outer")


def resolve_local_pretrained_path(name_or_path: str | Path) -> Path:
    """A folder to load a model from: the path itself where there is one, else the repository, downloaded.

    Raises ReleaseError where it cannot be had.
    """
    folder = Path(name_or_path).expanduser()
    return folder if folder.is_dir() else snapshot_repo(str(name_or_path))


def _known(name: str, variants: Mapping[str, LinkVariant], side: str) -> str:
    if name not in variants:
        raise LinkError(f"unknown {side} adapter type {name!r}; known are {', '.join(variants)}")
    return name


def _infer(state: Mapping[str, Tensor], links: Mapping[str, InnerLink | OuterLink], side: str) -> str:
    fitting = [name for name, link in links.items() if set(link.state_dict()) == set(state)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(sorted(state)) or "nothing"
    if fitting:
        raise LinkError(
            f"the parameters {names} are those of {' and '.join(fitting)}; adapter_config.json beside the "
            "file says which it is"
        )
    raise LinkError(f"the parameters {names} are those of no {side} adapter type ({', '.join(links)})")
