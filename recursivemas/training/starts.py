"""Where links start from before they are trained: at random, at the right scale, or by least squares.

A cosine leaves an inner link's scale free, and a layer norm starts at 1, far above most models' embeddings:
rollouts then drift away from anything that was learnt. `scale` starts the last norm at the receiving
embedding's root mean square. `ridge` also fits the link, as far as it is linear, to pairs of vectors:
an inner link from hidden states to the next tokens' embeddings, an outer link from thoughts to the receiver's
embeddings of the same text. Source: docs/training.md, "Starts".

Shapes: N pairs, D_in and D_out a link's sizes, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recursivemas.agents.agent import Agent
from recursivemas.engine.backbone import Backbone
from recursivemas.errors import UserError
from recursivemas.links import InnerLink, OuterLink

RIDGE_STRENGTH = 1e-3
"""Of the penalty, relative to the mean squared feature."""
PATH_SHIFT = 6.0
PATH_GAIN = 0.25
"""A GELU is the identity far above 0: a linear map passes through it shifted there, and made small."""


@dataclass(frozen=True)
class LinearMap:
    """x -> x @ weight.T + bias, [..., D_in] -> [..., D_out], in float64."""

    weight: Tensor
    bias: Tensor


def fit_ridge(
    inputs: Tensor, outputs: Tensor, strength: float = RIDGE_STRENGTH, weights: Tensor | None = None
) -> LinearMap:
    """The map with the least squared error on the pairs [N, D_in] -> [N, D_out], its weight kept small.

    `weights` [N] say how much each pair counts, alike by default.
    """
    x, y = inputs.double(), outputs.double()
    counted = x.new_ones(len(x)) if weights is None else weights.to(x)
    share = (counted / counted.sum()).unsqueeze(1)  # [N, 1]
    x_mean, y_mean = (share * x).sum(dim=0), (share * y).sum(dim=0)
    x, y = share.sqrt() * (x - x_mean), share.sqrt() * (y - y_mean)
    penalty = (strength * x.square().sum() / x.shape[1]).clamp_min(torch.finfo(x.dtype).tiny)
    gram = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(gram, x.T @ y).T  # [D_out, D_in]
    return LinearMap(weight, y_mean - weight @ x_mean)


def even_out(token_ids: Sequence[int]) -> Tensor:
    """Weights [N] with which a token counts by the root of how often it comes.

    Texts repeat their turns of phrase, and what differs between them is what a message has to carry. On toy
    agents this found more of the rare tokens, and no fewer of the frequent ones, than plain counts.
    """
    ids = torch.tensor(token_ids)
    return torch.bincount(ids)[ids].double().rsqrt()


def embedding_rms(agent: Agent) -> float:
    """The root mean square of the coordinates of the agent's input embeddings, as its layers see them."""
    backbone = Backbone(agent.model)
    table = backbone.embed(torch.arange(backbone.num_embeddings, device=backbone.device))  # [V, D]
    return root_mean_square(table)


def root_mean_square(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt())


@torch.no_grad()
def start_at_scale(link: InnerLink | OuterLink, rms: float) -> None:
    """Start the link's last norm so that what it gives has that root mean square.

    Raises UserError for a variant without norms.
    """
    norm = _last_norm(link)
    if norm is None:
        raise UserError(
            f"init 'scale' sets a link's last norm, and the variant {link.variant} has none; take 'ridge', "
            "'random', or a variant with norms"
        )
    norm.weight.fill_(rms)
    norm.bias.zero_()


@torch.no_grad()
def start_by_ridge(
    link: InnerLink | OuterLink, inputs: Tensor, outputs: Tensor, *, rms: float, weights: Tensor | None = None
) -> None:
    """Start the link at the linear map that fits the pairs [N, D_in] -> [N, D_out] best.

    `weights` [N] are those of the pairs. Where the link ends in a norm, that gives root mean square `rms`.
    What a variant adds to the linear map starts at nothing, so the link can learn it.
    """
    inputs, outputs = inputs.to(link.proj1.weight.device), outputs.to(link.proj1.weight.device)
    if _last_norm(link) is not None:
        start_at_scale(link, rms)
        # The norm takes away any scale; at the inputs' own one, what an identity adds is easy to undo.
        outputs = outputs.double() * (inputs.double().square().mean().sqrt() / max(rms, 1e-12))
    if isinstance(link, OuterLink) and link.parts.residual:
        fitted = fit_ridge(inputs, outputs, weights=weights)
        _set(link.residual_proj, fitted.weight, fitted.bias)
        _silence_path(link)
        return
    if link.parts.residual:
        outputs = outputs.double() - inputs.double()
    features = _first_norm(link, inputs) if link.parts.norm else inputs.double()
    fitted = fit_ridge(features, outputs, weights=weights)
    if not link.parts.two_layers:
        _set(link.proj1, fitted.weight, fitted.bias)
        return
    _set_path(link, fitted, spread=float(features.square().mean().sqrt()))


def _last_norm(link: InnerLink | OuterLink) -> nn.LayerNorm | None:
    if not link.parts.norm:
        return None
    return link.ln_target if isinstance(link, OuterLink) else link.post_ln


def _first_norm(link: InnerLink | OuterLink, inputs: Tensor) -> Tensor:
    """What the first norm gives for the inputs, from now on as it is at the start: weight 1, bias 0."""
    norm = link.ln_source if isinstance(link, OuterLink) else link.pre_ln
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    return nn.functional.layer_norm(inputs.double(), norm.normalized_shape, eps=norm.eps)


def _silence_path(link: OuterLink) -> None:
    """Whatever goes past the residual gives 0 at first."""
    last = link.proj2 if link.parts.two_layers else link.proj1
    last.weight.zero_()
    last.bias.zero_()


def _set_path(link: InnerLink | OuterLink, fitted: LinearMap, *, spread: float) -> None:
    """Start `proj2(gelu(proj1(x)))` at the map, over as many hidden units as it has outputs.

    `spread` is the root mean square of the features.
    """
    width, (num_out, num_in) = link.proj1.out_features, fitted.weight.shape
    first = torch.zeros(width, num_in, dtype=torch.float64, device=fitted.weight.device)
    second = torch.zeros(num_out, width, dtype=torch.float64, device=fitted.weight.device)
    if num_in <= width:  # the units are the features
        gain = PATH_GAIN / max(spread, 1e-12)
        first[:num_in] = gain * torch.eye(num_in, dtype=torch.float64, device=first.device)
        second[:, :num_in] = fitted.weight / gain
    else:  # the units are the outputs
        gain = PATH_GAIN / max(float(fitted.weight.square().sum(dim=1).mean().sqrt()) * spread, 1e-12)
        first[:num_out] = gain * fitted.weight
        second[:, :num_out] = torch.eye(num_out, dtype=torch.float64, device=first.device) / gain
    shift = torch.full((width,), PATH_SHIFT, dtype=torch.float64, device=first.device)
    _set(link.proj1, first, shift)
    _set(link.proj2, second, fitted.bias - second @ nn.functional.gelu(shift))


def _set(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def same_text_embeddings(
    source: Agent, target: Agent, conversation: str, text: str, token_ids: Sequence[int], first: int
) -> Tensor:
    """The target's embeddings [N, D_out] of what the source's tokens from number `first` on say.

    `token_ids` are those of the whole conversation, which holds `text`. In the text a token is matched by the
    target's tokens that cover the same characters (their mean), elsewhere by the token of the same spelling.
    A row of NaN stands for a token that has no match.
    """
    backbone = Backbone(target.model)
    matches = _match_tokens(source, target, conversation, text, token_ids)[first:]
    nothing = torch.full((backbone.hidden_size,), torch.nan, dtype=backbone.dtype, device=backbone.device)
    with torch.no_grad():
        return torch.stack([backbone.embed(ids).mean(dim=0) if ids else nothing for ids in matches])


def _match_tokens(
    source: Agent, target: Agent, conversation: str, text: str, token_ids: Sequence[int]
) -> list[list[int]]:
    """The target's tokens for each of the source's, none where nothing matches."""
    shared = target.tokenizer.get_vocab()
    if source.tokenizer.get_vocab() == shared:
        return [[id_] for id_ in token_ids]
    read = source.tokenizer(conversation, add_special_tokens=False, return_offsets_mapping=True)
    written = target.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    begin = conversation.rfind(text)
    in_step = begin >= 0 and list(read.input_ids) == list(token_ids)
    matches = []
    for number, id_ in enumerate(token_ids):
        low, high = (place - begin for place in read.offset_mapping[number]) if in_step else (-1, -1)
        if 0 <= low < high <= len(text):
            places = zip(written.input_ids, written.offset_mapping, strict=True)
            found = [other for other, (start, end) in places if start < high and low < end]
        elif id_ == source.tokenizer.eos_token_id:
            found = [target.tokenizer.eos_token_id]
        else:
            spelled = source.tokenizer.convert_ids_to_tokens(id_)
            found = [shared[spelled]] if spelled in shared else []
        matches.append(found)
    return matches
