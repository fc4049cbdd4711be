"""A batch of sequences on its way through one model.

Shapes: B batch (rows still running), T prompt positions, D hidden size.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.caches import is_known, join_caches, trim_cache
from recursivemas.engine.prompt_batch import PromptBatch, pad_left


class Stream:
    """Prefill on creation, then one position a `step`.

    `hidden` [B, D] is always the final-layer hidden state at the newest position: a latent step feeds back
    `inner_link(hidden)`, a text step the embedding of a token sampled from it.
    """

    def __init__(self, backbone: Backbone, prompts: PromptBatch) -> None:
        self.backbone = backbone
        self._cache = backbone.new_cache()
        self._mask = prompts.mask
        positions = (prompts.mask.cumsum(dim=1) - 1).clamp(min=0)
        self._next_position = positions[:, -1:] + 1
        self.hidden = backbone.hidden(prompts.embeddings, self._mask, positions, self._cache)

    def step(self, embeddings: Tensor) -> None:
        """Append one position a row: input embeddings [B, D], cast to the model's dtype."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        inputs = embeddings.to(self.backbone.dtype).unsqueeze(1)
        self.hidden = self.backbone.hidden(inputs, self._mask, self._next_position, self._cache)
        self._next_position = self._next_position + 1

    def copy(self) -> Stream:
        """The same sequences once more, to go on with in another way."""
        copied = object.__new__(Stream)
        copied.__dict__ |= self.__dict__  # tensors are replaced at each step, the cache is changed in place
        copied._cache = deepcopy(self._cache)
        return copied

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only, in this order."""
        index = torch.tensor(rows, device=self._mask.device)
        # Beam search's reordering is the one selection that every kind of cache layer knows.
        self._cache.reorder_cache(index)
        self._mask = self._mask[index]
        self._next_position = self._next_position[index]
        self.hidden = self.hidden[index]
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
        self.hidden = torch.cat([self.hidden, other.hidden])

    def _trim(self) -> None:
        """Drop the padding that only rows which are gone had needed."""
        padding = int((self._mask.cumsum(dim=1).amax(dim=0) == 0).sum())
        if padding and self.can_join:
            trim_cache(self._cache, padding)
            self._mask = self._mask[:, padding:]
