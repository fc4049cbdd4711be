"""What a run will take, told before any weights are there: gigabytes to download and to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig

from recursivemas.release.resolve import ReleaseFiles
from recursivemas.settings import RunSettings
from recursivemas.styles import Style

OVERHEAD = 1.25
"""Peak memory over the weights', at most, in the measurements of `benchmarks/memory.py`."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes of all files, of those still to be downloaded, of weights in memory, and of a batch's cache."""

    files: int
    missing: int
    weights: int
    cache: int | None


def estimate(
    settings: RunSettings, style: Style, paths: ReleaseFiles, configs: Mapping[str, PreTrainedConfig]
) -> Footprint:
    """From the sizes that the release lists for its files, and the models' configurations."""
    missing = sum(size for path, size in paths.sizes.items() if not path.is_file())
    models = {
        files.model_dir.resolve(): role for role, files in paths.agents.items()
    }  # shared ones count once
    weights = sum(paths.weight_bytes(role) * _widening(settings, configs[role]) for role in models.values())
    links = [
        *(files.inner_link for files in paths.agents.values()),
        *(link.path for link in paths.links.values()),
    ]
    weights += sum(paths.sizes.get(path, 0) for path in links if path is not None)
    return Footprint(
        files=sum(paths.sizes.values()),
        missing=missing,
        weights=int(weights),
        cache=_cache_bytes(settings, configs[style.answering_role]),
    )


def _widening(settings: RunSettings, config: PreTrainedConfig) -> float:
    """How much wider than stored a model's numbers are held."""
    if settings.model.dtype == "auto" or config.dtype is None:
        return 1.0
    return getattr(torch, settings.model.dtype).itemsize / config.dtype.itemsize


def _cache_bytes(settings: RunSettings, config: PreTrainedConfig) -> int | None:
    """Keys and values of a batch of answers of full length; layers of other kinds keep next to nothing.

    None for a configuration of a repository's own that does not name these sizes as others do.
    """
    num_heads = getattr(config, "num_attention_heads", None)
    num_layers = getattr(config, "num_hidden_layers", None)
    if not num_heads or num_layers is None:
        return None
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * num_layers
    num_kept = getattr(config, "num_key_value_heads", None) or num_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // num_heads
    dtype = config.dtype if settings.model.dtype == "auto" else getattr(torch, settings.model.dtype)
    positions = settings.solve.batch_size * settings.solve.max_new_tokens
    width = (dtype or torch.float32).itemsize
    return 2 * kinds.count("full_attention") * num_kept * head_dim * positions * width


def describe_footprint(footprint: Footprint) -> str:
    peak = _gigabytes(int(footprint.weights * OVERHEAD) + (footprint.cache or 0))
    what = "with a batch of full answers (prompts come on top)"
    if footprint.cache is None:
        what = "without caches, whose size the answering model's configuration does not tell"
    return (
        f"files: {_gigabytes(footprint.files)}, of which {_gigabytes(footprint.missing)} still to download. "
        f"Memory: {_gigabytes(footprint.weights)} of weights, expected peak {peak} {what}"
    )


def _gigabytes(num_bytes: int) -> str:
    """In units of 10^9 bytes, to three digits."""
    return f"{num_bytes / 1e9:.3g} GB"
