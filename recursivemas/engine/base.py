"""The engine's door: what an agent's language model can be asked, whatever runs it.

A prompt is a sequence of pieces, token ids and latents, until the engine has it: nothing above this door
knows embeddings of prompts, masks or caches. `local` and `vllm` stand behind it; another engine is one module
with these two classes.

Shapes: B rows, L latent steps, D the model's hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import GenerationConfig

from recursivemas.engine.prefix_cache import PrefixCache
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings

Piece = tuple[int, ...] | Tensor
"""Token ids, or latents [L, D] that stand where input embeddings do, in any dtype and on any device."""
Prompt = Sequence[Piece]
"""Pieces of text may follow each other: what many prompts begin with had better be a piece of its own, as an
engine may keep what it has read of a first piece."""

NOT_FINITE = "not finite"
"""How a row ends whose hidden states became infinite or no numbers; the others are not touched by it."""


@dataclass(frozen=True)
class Positions:
    """What it took to read positions of a row: those of its prompt, and what was put in later."""

    computed: int = 0
    """How many of them the model ran."""
    reused: int = 0
    """How many were kept from before."""

    def __add__(self, other: Positions) -> Positions:
        return Positions(self.computed + other.computed, self.reused + other.reused)


@dataclass(frozen=True)
class Thoughts:
    """What B rows have thought: inner(h_1)..inner(h_L), in the inner link's dtype."""

    latents: Tensor
    """[B, L, D]."""
    failed: tuple[int, ...] = ()
    """The rows whose hidden states or thoughts are not finite: nothing can be made of them."""
    read: tuple[Positions, ...] = ()
    """What was read for them, a row each; empty where the engine does not count it."""
    hidden: Tensor | None = None
    """[B, L, D]: h_1..h_L, in the model's dtype; None where the engine does not hand them out."""


@dataclass(frozen=True, kw_only=True)
class WriteRequest:
    """Text that is wanted after a row."""

    row: int
    """Of the session, in the order of its prompts."""
    stream: random.Random
    """The row's own random numbers; one is used up a token."""
    max_new_tokens: int
    """1 or more; what is inserted does not count."""
    inserted: tuple[int, ...] = ()
    """Token ids to read first, behind all that the row holds: a retry's cue."""
    said: tuple[int, ...] = ()
    """Token ids that count as written before, for the repetition penalty."""


@dataclass(frozen=True)
class Segment:
    """Token ids that follow a row."""

    token_ids: tuple[int, ...]
    written: bool = True
    """Whether the row wrote them; else they were put in for it to read."""


@dataclass(frozen=True)
class Generated:
    """What followed a row."""

    segments: tuple[Segment, ...]
    """In order, the end-of-sequence token left out."""
    num_sampled: int
    """How many tokens were sampled, those that a pause took back among them."""
    ended_by: str
    """`stop`, `length`, NOT_FINITE where there were no numbers to sample from, or what a pause said."""
    read: Positions = field(default_factory=Positions, compare=False)
    """What was read for it, what pauses put in included."""

    @property
    def token_ids(self) -> tuple[int, ...]:
        """What the row wrote itself."""
        return tuple(id_ for segment in self.segments if segment.written for id_ in segment.token_ids)


@dataclass(frozen=True)
class Resumption:
    """How a paused row goes on."""

    written: tuple[int, ...]
    """Takes the place of what the row has written since its last pause."""
    inserted: tuple[int, ...]
    """Follows for the row to read."""
    ended_by: str = ""
    """Where it is not empty, the row ends there instead, for that reason."""


class Pauses(Protocol):
    """Looks at what rows write, and may have one wait for something."""

    def look(self, row: int, written: Sequence[int]) -> Future[Any] | None:
        """What a row has to wait for, if anything; `written` are its token ids since its last pause.

        It is called after every token that a row can go on from.
        """

    def resume(self, row: int, outcome: Any) -> Resumption:
        """How the row goes on, now that what it waited for has come."""


class Session(Protocol):
    """Rows on their way through one model: each holds its prompt and all that has followed it."""

    def __len__(self) -> int:
        """How many rows there are."""

    def think(self, link: InnerLink, steps: int) -> Thoughts:
        """Think for `steps` latent steps after each row, which then goes on behind its thoughts.

        h_1 is read at the row's own last position; inner(h_t) is the next input embedding. 0 steps give
        empty thoughts and run nothing. Raises ValueError for a negative number.
        """

    def fork(self, copies: int) -> Session:
        """All rows, that many times: row r of copy c is row `c * len(self) + r`. This session is spent.

        What the rows hold is read once for all copies.
        """

    def write(
        self,
        requests: Sequence[WriteRequest],
        *,
        sampling: SamplingSettings,
        stop_ids: Collection[int],
        pauses: Pauses | None = None,
        on_step: Callable[[int], None] | None = None,
        rejoin_every: int = 0,
    ) -> Iterator[tuple[int, Generated]]:
        """Write after the rows that are asked for; yields each as it finishes, with its number.

        `sampling` has to be resolved, `stop_ids` are the end-of-sequence tokens. `on_step` is told after each
        token how many rows go on or wait. What `pauses` puts in does not count towards a row's
        `max_new_tokens`. A row that is back joins the others at once; with `rejoin_every` only after every so
        many steps, where all wait for those that are not back yet: then nothing depends on how long pauses
        take, not even rounding. A row can be written after again: it goes on behind what it wrote.
        Raises ValueError for a `max_new_tokens` below 1, and what `pauses` or what it waits for raises.
        """

    def release(self, row: int) -> None:
        """Nothing is asked of that row any more: what is kept of it can go, also while others are written."""


class Engine(Protocol):
    """One language model."""

    prefix_cache: PrefixCache
    """What its sessions keep of what they read. Where it has no room, an engine that keeps things elsewhere
    keeps nothing."""

    @property
    def hidden_size(self) -> int: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device:
        """Where thoughts come out."""

    @property
    def num_embeddings(self) -> int:
        """How many token ids the model embeds: those from 0 up to it."""

    @property
    def max_positions(self) -> int | None:
        """The longest sequence that the model was made for, None where its configuration does not say."""

    @property
    def generation_config(self) -> GenerationConfig | None:
        """The model's own sampling settings, for what is not set."""

    def describe(self) -> dict[str, str]:
        """What computes, for a run's record: `backend` is its name, and decides the results."""

    def open(self, prompts: Sequence[Prompt]) -> Session:
        """A session of one row a prompt.

        Raises ValueError for an empty prompt, UserError for a token that the model does not embed.
        """
