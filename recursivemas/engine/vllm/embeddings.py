"""Prompts as input embeddings, while the model itself is in vLLM's hands.

Shapes: T positions of a prompt, V tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from recursivemas.engine.base import Prompt
from recursivemas.errors import UserError


class Embeddings:
    """A model's input embeddings, on the CPU: `embed` gives those of token ids, and is asked once for each.

    `number` is V; `dtype` is the model's.
    """

    def __init__(
        self, embed: Callable[[Sequence[int]], Tensor], number: int, hidden_size: int, dtype: torch.dtype
    ) -> None:
        self.number = number
        self.hidden_size = hidden_size
        self.dtype = dtype
        self._embed = embed
        self._table = torch.empty(number, hidden_size, dtype=dtype)  # [V, D]
        self._known = torch.zeros(number, dtype=torch.bool)

    def of(self, token_ids: Sequence[int]) -> Tensor:
        """[T, D]. Raises UserError for a token that the model does not embed."""
        if max(token_ids, default=0) >= self.number:
            raise UserError(
                f"token {max(token_ids)} has no embedding: the model embeds {self.number} tokens, its "
                "tokenizer knows more"
            )
        ids = torch.tensor(list(token_ids), dtype=torch.long)
        new = ids[~self._known[ids]].unique()
        if len(new):
            self._table[new] = self._embed(new.tolist())
            self._known[new] = True
        return self._table[ids]

    def of_prompt(self, prompt: Prompt) -> Tensor:
        """[T, D]. Raises ValueError for latents of another width, which vLLM would hang on."""
        parts = [self.of(())]
        for piece in prompt:
            if isinstance(piece, tuple):
                parts.append(self.of(piece))
            elif piece.shape[-1] != self.hidden_size:
                raise ValueError(
                    f"latents have {piece.shape[-1]} features and the model embeds {self.hidden_size}"
                )
            else:
                parts.append(piece.to("cpu", self.dtype))
        return torch.cat(parts)
