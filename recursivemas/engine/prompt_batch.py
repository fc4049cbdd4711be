"""Prompts as embeddings, with their mask.

Shapes: B batch, T prompt positions, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PromptBatch:
    """A left-padded batch of prompts.

    `embeddings` [B, T, D]; `mask` [B, T] int64, 1 at a prompt's positions and 0 at the padding before them.
    """

    embeddings: Tensor
    mask: Tensor

    @classmethod
    def left_pad(cls, prompts: Sequence[Tensor]) -> PromptBatch:
        """Prompts [T_i, D] of one dtype and device -> a batch as long as the longest.

        Raises ValueError for an empty prompt: there would be no position to read a hidden state at.
        """
        lengths = [len(prompt) for prompt in prompts]
        check_lengths(lengths)
        longest = max(lengths)
        embeddings = prompts[0].new_zeros(len(prompts), longest, prompts[0].shape[-1])
        mask = torch.zeros(len(prompts), longest, dtype=torch.long, device=prompts[0].device)
        for row, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
            embeddings[row, longest - length :] = prompt
            mask[row, longest - length :] = 1
        return cls(embeddings, mask)


def check_lengths(lengths: Sequence[int]) -> None:
    """Raise ValueError where there is no prompt, or an empty one."""
    if not lengths or min(lengths) == 0:
        raise ValueError(f"prompts have the lengths {lengths}; each needs at least one position")


def pad_left(tensor: Tensor, length: int, *, dim: int) -> Tensor:
    """The tensor with zeros put in front along a dimension, up to that length."""
    shape = list(tensor.shape)
    shape[dim] = length - shape[dim]
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim)
