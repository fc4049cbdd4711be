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

from recursivemas.engine import Engine, LocalEngine, Prompt
from recursivemas.errors import UserError
from recursivemas.links import InnerLink
from recursivemas.prompts import ChatPrompt, TokenText


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent of a loaded system. `inner_adapter` and `inner_adapter_path` are the published names."""

    role: str
    """Its name within the style."""
    engine: Engine
    """What runs its language model."""
    tokenizer: PreTrainedTokenizerBase
    inner_link: InnerLink
    """From its last hidden states to its input embeddings."""
    repo_id: str
    """`owner/name`, or the path of a folder of one's own."""
    revision: str | None = None
    """The commit of its repository, None where that is a folder."""
    repo_path: Path | None = None
    """The folder that model and tokenizer were loaded from."""
    inner_link_path: Path | None = None
    """The inner link's file, None where it is untrained."""

    @property
    def inner_adapter(self) -> InnerLink:
        return self.inner_link

    @property
    def inner_adapter_path(self) -> Path | None:
        return self.inner_link_path

    @property
    def model(self) -> PreTrainedModel:
        """The model itself. Raises UserError where its engine does not hold it in this process."""
        if self.held_model is None:
            raise UserError(
                f"the {self.role}'s model is run by {type(self.engine).__name__}, not held here; where the "
                "model itself is needed, give --backend transformers"
            )
        return self.held_model

    @property
    def held_model(self) -> PreTrainedModel | None:
        """The model itself; None where its engine does not hold it in this process."""
        return self.engine.model if isinstance(self.engine, LocalEngine) else None

    @property
    def model_name(self) -> str:
        """The last part of the repository's name."""
        return self.repo_id.rpartition("/")[2]

    def __repr__(self) -> str:
        runs = self.held_model or self.engine
        dtype = str(self.engine.dtype).removeprefix("torch.")
        return (
            f"<Agent {self.role}: {self.model_name}, {type(runs).__name__}, hidden size {self.hidden_size}, "
            f"{dtype} on {self.device}>"
        )

    @property
    def hidden_size(self) -> int:
        return self.engine.hidden_size

    @property
    def device(self) -> torch.device:
        return self.engine.device

    @property
    def steps(self) -> str:
        """How its engine takes steps, for the record."""
        engine = self.engine
        return engine.steps if isinstance(engine, LocalEngine) else f"by {type(engine).__name__}"

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

    def fill(self, prompts: Sequence[ChatPrompt], messages: Mapping[str, Tensor]) -> list[Prompt]:
        """These prompts as the engine reads them, their slots filled.

        `messages` are tensors [B, L, D] by slot, in any dtype and on any device; a row's slots are filled
        from the same row.
        """
        return [
            [messages[piece][row] if isinstance(piece, str) else piece for piece in prompt.segments]
            for row, prompt in enumerate(prompts)
        ]
