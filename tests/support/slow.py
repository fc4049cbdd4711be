"""The slow, obvious twins: every step runs the whole sequence through the model again, one row at a time.

They know transformers and our links, and nothing of our engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from recursivemas.links import InnerLink


class SlowModel:
    """A model of transformers, called as its own documentation says: no cache, no padding."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    def embed(self, token_ids: Sequence[int]) -> Tensor:
        """Token ids [T] -> input embeddings [T, D]."""
        with true_double(self.model):
            return self.model.get_input_embeddings()(torch.tensor(token_ids, dtype=torch.long))

    def read(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [T, D] of one sequence -> what the model has at the last position: its hidden state
        [D] behind the final norm, and its logits [V]."""
        with true_double(self.model):
            output = self.model(inputs_embeds=embeddings[None], output_hidden_states=True, use_cache=False)
        return output.hidden_states[-1][0, -1], output.logits[0, -1]


@contextmanager
def true_double(model: PreTrainedModel) -> Iterator[None]:
    """Where a float64 model's code brings float64 down to float32, in its norms say, it stays."""
    change = Tensor.to

    def to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        is_narrowing = any(value is torch.float32 for value in (*args, *kwargs.values()))
        return x if is_narrowing and x.dtype == torch.float64 else change(x, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        if model.dtype == torch.float64:
            patch.setattr(Tensor, "to", to)
            patch.setattr(Tensor, "float", lambda x: to(x, torch.float32))
        yield


def roll_out_slowly(model: SlowModel, link: InnerLink, prompt: Tensor, latent_length: int) -> Tensor:
    """Prompt [T, D] -> h_1..h_L [L, D]."""
    hidden: list[Tensor] = []
    for _ in range(latent_length):
        thoughts = [link(h).to(prompt.dtype) for h in hidden]
        hidden.append(model.read(torch.stack([*prompt, *thoughts]))[0])
    return torch.stack(hidden)


def decode_slowly(model: SlowModel, prompt: Tensor, max_new_tokens: int, stop_ids: set[int]) -> list[int]:
    """Prompt [T, D] -> greedy token ids, the end-of-sequence token left out."""
    return decode_with_insertions(model, prompt, max_new_tokens, stop_ids, lambda ids: None)


def decode_with_insertions(
    model: SlowModel,
    prompt: Tensor,
    max_new_tokens: int,
    stop_ids: set[int],
    insert: Callable[[list[int]], list[int] | None],
) -> list[int]:
    """The same, where `insert` may replace all that follows the prompt while there is room for a token."""
    sequence: list[int] = []
    for left in reversed(range(max_new_tokens)):
        _, logits = model.read(torch.cat([prompt, model.embed(sequence)]))
        token = int(logits.argmax())
        if token in stop_ids:
            break
        sequence.append(token)
        if left and (replaced := insert(sequence)):
            sequence = replaced
    return sequence
