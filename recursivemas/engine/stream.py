"""A batch of sequences on its way through one model: its prompts, its steps, its latent rollout.

Shapes: B batch (rows still running), T prompt positions, S positions so far, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.caches import is_known, join_caches, pad_left, trim_cache
from recursivemas.engine.row_cache import RowCache, cut_row
from recursivemas.links import InnerLink


@dataclass(frozen=True)
class PromptBatch:
    """A left-padded batch of prompts."""

    embeddings: Tensor
    """[B, T, D]."""
    mask: Tensor
    """[B, T] int64: 1 at a prompt's positions, 0 at the padding before them."""
    lengths: tuple[int, ...]
    """How many positions each prompt has."""

    @classmethod
    def left_pad(cls, prompts: Sequence[Tensor]) -> PromptBatch:
        """Prompts [T_i, D] of one dtype and device -> a batch as long as the longest.

        Raises ValueError for an empty prompt: there would be no position to read a hidden state at.
        """
        lengths = [len(prompt) for prompt in prompts]
        check_lengths(lengths)
        longest = max(lengths)
        embeddings = prompts[0].new_zeros(len(prompts), longest, prompts[0].shape[-1])  # [B, T, D]
        mask = torch.zeros(len(prompts), longest, dtype=torch.long, device=prompts[0].device)  # [B, T]
        for row, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
            embeddings[row, longest - length :] = prompt
            mask[row, longest - length :] = 1
        return cls(embeddings, mask, tuple(lengths))


def check_lengths(lengths: Sequence[int]) -> None:
    """Raise ValueError where there is no prompt, or an empty one."""
    if not lengths or min(lengths) == 0:
        raise ValueError(f"prompts have the lengths {lengths}; each needs at least one position")


class Stream:
    """Prefill on creation, then one position a `step`.

    `hidden` [B, D] is always the final-layer hidden state at the newest position: a latent step feeds back
    `inner_link(hidden)`, a text step the embedding of a token sampled from it. `lengths` is how many
    positions each row has so far.

    `cache` may hold what stands before the prompts: `past` says how many positions of each row.
    """

    def __init__(
        self,
        backbone: Backbone,
        prompts: PromptBatch,
        cache: DynamicCache | None = None,
        past: Sequence[int] = (),
    ) -> None:
        self.backbone = backbone
        self._cache = backbone.new_cache() if cache is None else cache
        before = list(past) or [0] * len(prompts.lengths)
        self.lengths = [past + length for past, length in zip(before, prompts.lengths, strict=True)]
        self._mask = torch.cat([_mask_of(before, like=prompts.mask), prompts.mask], dim=1)  # [B, S]
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)  # [B, S]
        self._next_position = positions[:, -1:] + 1  # [B, 1]
        new = positions[:, max(before) :]  # [B, T]
        self.hidden = backbone.hidden(prompts.embeddings, self._mask, new, self._cache)

    def step(self, embeddings: Tensor) -> None:
        """Append one position a row: input embeddings [B, D], cast to the model's dtype."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        inputs = embeddings.to(self.backbone.dtype).unsqueeze(1)  # [B, 1, D]
        self.hidden = self.backbone.hidden(inputs, self._mask, self._next_position, self._cache)
        self._next_position = self._next_position + 1
        self.lengths = [length + 1 for length in self.lengths]

    def cut(self, row: int, until: int) -> RowCache:
        """A copy of the cache of a row's first `until` positions."""
        return cut_row(self._cache, row, self.lengths[row], until, self.hidden[row])

    @classmethod
    def resume(
        cls, backbone: Backbone, cache: DynamicCache, lengths: Sequence[int], hidden: Tensor
    ) -> Stream:
        """Sequences of these lengths that a cache holds, with hidden states [B, D]: nothing is computed."""
        stream = object.__new__(cls)
        stream.backbone, stream._cache, stream.hidden = backbone, cache, hidden
        stream.lengths = list(lengths)
        next_position = torch.tensor(stream.lengths, device=hidden.device).unsqueeze(1)  # [B, 1]
        stream._mask, stream._next_position = _mask_of(lengths, like=next_position), next_position
        return stream

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only, in this order."""
        index = torch.tensor(rows, device=self._mask.device)  # [B left]
        # Beam search's reordering is the one selection that every kind of cache layer knows.
        self._cache.reorder_cache(index)
        self._mask = self._mask[index]
        self._next_position = self._next_position[index]
        self.hidden = self.hidden[index]
        self.lengths = [self.lengths[row] for row in rows]
        self._trim()

    @property
    def can_join(self) -> bool:
        """Whether its kind of cache can be joined."""
        return is_known(self._cache)

    def join(self, other: Stream) -> None:
        """Go on with another stream's rows, too, behind one's own; the other stream must not be used again.

        Both have to be able to.
        """
        join_caches(self._cache, other._cache)
        length = max(self._mask.shape[1], other._mask.shape[1])
        self._mask = torch.cat([pad_left(mask, length, dim=1) for mask in (self._mask, other._mask)])
        self._next_position = torch.cat([self._next_position, other._next_position])
        self.hidden = torch.cat([self.hidden, other.hidden])  # [B + B other, D]
        self.lengths = [*self.lengths, *other.lengths]

    def _trim(self) -> None:
        """Drop the padding that only rows which are gone had needed."""
        padding = self._mask.shape[1] - max(self.lengths)
        if padding and self.can_join:
            trim_cache(self._cache, padding)
            self._mask = self._mask[:, padding:]


def _mask_of(lengths: Sequence[int], *, like: Tensor) -> Tensor:
    """The mask [B, S] of rows of these lengths, padded on the left to the longest."""
    longest = max(lengths)
    places = torch.arange(longest, device=like.device)  # [S]
    starts = like.new_tensor([longest - length for length in lengths])  # [B]
    return (places >= starts.unsqueeze(1)).to(like.dtype)


@dataclass(frozen=True)
class Rollout:
    """What came of thinking for L steps."""

    hidden: Tensor
    """[B, L, D]: h_1..h_L, in the model's dtype."""
    thoughts: Tensor
    """[B, L, D]: inner(h_1)..inner(h_L), in the inner link's dtype."""


def rows_not_finite(*tensors: Tensor) -> list[int]:
    """The rows that hold NaN or an infinity in any of the tensors [B, ...]: nothing can be made of them.

    Waits for the device, once.
    """
    finite = torch.stack([tensor.isfinite().flatten(1).all(dim=1) for tensor in tensors]).all(dim=0)
    return [row for row, is_finite in enumerate(finite.tolist()) if not is_finite]


def roll_out(stream: Stream, inner_link: InnerLink, steps: int) -> Rollout:
    """Think for `steps` steps (1 or more) after what a stream has read.

    h_1 is read at its last position; inner(h_t) is the next input embedding; inner(h_L) is not fed back. So L
    steps cost the prefill and L - 1 single positions. Rows that are not finite are for `rows_not_finite` to
    find: they leave the others as they are. Source: docs/protocol.md, "Latent rollout".
    """
    hidden, thoughts = [stream.hidden], [inner_link(stream.hidden)]
    while len(hidden) < steps:
        stream.step(thoughts[-1])
        hidden.append(stream.hidden)
        thoughts.append(inner_link(stream.hidden))
    return Rollout(torch.stack(hidden, dim=1), torch.stack(thoughts, dim=1))
