"""Toy weights: random, but scaled so that agents write varied text and latents do not run away.

Every random number comes from a seed made of a repository's name and of what the number is for, so that no
repository depends on another one or on the order of building.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from recursivemas.links import InnerLink, OuterLink
from recursivemas.zoo.backbones import Family, Tokens

EMBEDDING_RMS = 1.0
"""Of an input embedding's coordinates, as an agent's layers see them (so Gemma's after its scaling)."""
LOGIT_STD = 2.5
UNUSED_SCALE = 0.25
"""Of the vocabulary rows of tokens that the corpus never uses, such as stray bytes: they are rarely said."""
RESIDUAL_WRITES = {"o_proj.weight": 0.6, "down_proj.weight": 0.6, "out_proj.weight": 0.2}
"""Scale of the matrices that write into the residual stream; the last one is Qwen3.5's linear attention."""
NEGATIVE_SHARE = 0.8
"""Of the final norm's gains. With tied embeddings and positive gains, untrained models repeat themselves."""
LINK_SIGNAL = 0.55
"""Root of the share of a link's output variance that depends on its input; the rest is constant.

The values from RESIDUAL_WRITES on were chosen together: text varies, latents keep moving, and a rounding
difference grows by less than 10^4 in 32 latent steps. With the plain initialisation it grows 10^7-fold.
"""


def seed_for(*purpose: str) -> int:
    return int.from_bytes(hashlib.sha256("/".join(purpose).encode()).digest()[:7], "big")


@contextmanager
def isolated_torch() -> Iterator[None]:
    """Float32 on the CPU, no gradients; random state and defaults are put back afterwards."""
    dtype = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float32)
        with torch.random.fork_rng(devices=[]), torch.device("cpu"), torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)


def make_backbone(
    family: Family,
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden_size: int,
    token_counts: Sequence[int],
    repo: str,
    **changes: Any,
) -> PreTrainedModel:
    """A model in float32, with `changes` to its (text) configuration.

    To be called in `isolated_torch`: it seeds PyTorch's CPU generator.
    """
    torch.default_generator.manual_seed(seed_for(repo, "backbone"))
    model = family.make_model(hidden_size, Tokens.of(tokenizer), **changes)
    for name, parameter in model.named_parameters():
        for ending, scale in RESIDUAL_WRITES.items():
            if name.endswith(ending):
                parameter.mul_(scale)
    used = torch.tensor(token_counts) > 0
    used[tokenizer.eos_token_id] = True
    _scale_vocabulary(model, used, _generator(repo, "vocabulary"))
    return model.eval()


def _scale_vocabulary(model: PreTrainedModel, used: Tensor, generator: torch.Generator) -> None:
    """Scale input embeddings, output matrix and final norm. `used` [V] tells which tokens the corpus has."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    norm = model.get_decoder().norm
    embedding.weight.mul_(EMBEDDING_RMS / _std(embedding(torch.arange(len(used)))))
    negative = torch.rand(norm.weight.shape, generator=generator) < NEGATIVE_SHARE
    gain = LOGIT_STD / (_std(head.weight) * norm.weight.numel() ** 0.5)
    # Every family initialises its norms to a gain of 1, which some store as 1 and some as 0.
    norm.weight.add_(torch.where(negative, -gain, gain) - 1.0)
    embedding.weight[~used] *= UNUSED_SCALE
    if head.weight is not embedding.weight:
        head.weight[~used] *= UNUSED_SCALE


def _std(values: Tensor) -> float:
    """To six digits: the last bits of a sum depend on the number of threads, and a build must not."""
    return float(f"{values.double().std().item():.6g}")


def make_inner_link(hidden_size: int, repo: str, name: str) -> InnerLink:
    link = InnerLink(hidden_size)
    _fill_link(link, "post_ln", repo, name)
    return link


def make_outer_link(source_size: int, target_size: int, repo: str, name: str) -> OuterLink:
    link = OuterLink(source_size, target_size)
    _fill_link(link, "ln_target", repo, name)
    return link


def _fill_link(link: InnerLink | OuterLink, last_norm: str, repo: str, name: str) -> None:
    """Random parameters; the last norm brings outputs to the rms of input embeddings."""
    for key, parameter in link.named_parameters():
        noise = torch.randn(parameter.shape, generator=_generator(repo, name, key))
        module, _, kind = key.rpartition(".")
        if parameter.ndim == 2:
            value = noise / parameter.shape[1] ** 0.5
        elif module == last_norm:
            share = LINK_SIGNAL if kind == "weight" else (1 - LINK_SIGNAL**2) ** 0.5 * noise
            value = EMBEDDING_RMS * share * torch.ones_like(noise)
        else:
            value = 0.1 * noise + (1.0 if "ln" in module and kind == "weight" else 0.0)
        parameter.copy_(value)


def _generator(*purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(seed_for(*purpose))
