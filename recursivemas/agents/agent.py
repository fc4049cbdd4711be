"""An agent: a language model with its tokenizer and its inner link.

Shapes: B batch, T prompt positions, L latent steps, D the agent's hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from recursivemas.engine import Backbone, PromptBatch
from recursivemas.links import InnerLink
from recursivemas.prompts import ChatPrompt, TokenText


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent of a loaded system.

    `repo_path` is the folder that model and tokenizer were loaded from, `inner_link_path` the inner link's
    file; None where there is none. `inner_adapter` and `inner_adapter_path` are the published names.
    """

    role: str
    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    inner_link: InnerLink
    repo_id: str
    revision: str | None = None
    repo_path: Path | None = None
    inner_link_path: Path | None = None

    @property
    def inner_adapter(self) -> InnerLink:
        return self.inner_link

    @property
    def inner_adapter_path(self) -> Path | None:
        return self.inner_link_path

    @property
    def model(self) -> PreTrainedModel:
        return self.backbone.model

    @property
    def model_name(self) -> str:
        """The last part of the repository's name."""
        return self.repo_id.rpartition("/")[2]

    def __repr__(self) -> str:
        kind, dtype = type(self.model).__name__, str(self.backbone.dtype).removeprefix("torch.")
        return (
            f"<Agent {self.role}: {self.model_name}, {kind}, hidden size {self.hidden_size}, "
            f"{dtype} on {self.device}>"
        )

    @property
    def hidden_size(self) -> int:
        return self.backbone.hidden_size

    @property
    def device(self) -> torch.device:
        return self.backbone.device

    @property
    def stop_ids(self) -> frozenset[int]:
        """What ends a text: the tokenizer's end-of-sequence token (docs/protocol.md, "Decoding")."""
        return frozenset({self.tokenizer.eos_token_id})

    @cached_property
    def closing_ids(self) -> frozenset[int]:
        """Every token that may end a tag: those with a `>` in them, however they are spelled."""
        return frozenset(id_ for token, id_ in self.tokenizer.get_vocab().items() if ">" in token)

    def token_ids(self, text: str) -> list[int]:
        """Token ids of a text as it stands, no special tokens added."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a text from elsewhere that goes on where another one ends, control tokens as text."""
        return self._texts.plain_ids(text)

    def text(self, token_ids: Sequence[int], *, after: Sequence[int] = ()) -> str:
        """The text of token ids, letter by letter, special tokens left out; `after` are the ids before."""
        return self._texts.text(token_ids, after=after)

    def without_controls(self, text: str) -> str:
        """A text in which nothing is spelled like a control token: a space is put into what is."""
        return self._texts.without_controls(text)

    @cached_property
    def _texts(self) -> TokenText:
        return TokenText(self.tokenizer)

    def read(self, prompts: Sequence[ChatPrompt], messages: Mapping[str, Tensor]) -> PromptBatch:
        """Prompts with their slots filled, as a left-padded batch of embeddings.

        `messages` are tensors [B, L, D] by slot, in any dtype and on any device; a row's slots are filled
        from the same row. They are cast to the embeddings' dtype.
        """
        latents = {slot: message.to(self.device, self.backbone.dtype) for slot, message in messages.items()}
        ids = [piece for prompt in prompts for piece in prompt.segments if not isinstance(piece, str)]
        texts = iter(
            self.backbone.embed([id_ for piece in ids for id_ in piece]).split([len(p) for p in ids])
        )
        rows = []
        for row, prompt in enumerate(prompts):
            pieces = [
                latents[piece][row] if isinstance(piece, str) else next(texts) for piece in prompt.segments
            ]
            rows.append(torch.cat(pieces))
        return PromptBatch.left_pad(rows)
