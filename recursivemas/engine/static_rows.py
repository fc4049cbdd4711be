"""Rows whose every step stays on the device: nothing is asked of it, and nothing brought to it, in between.

A step is a function of nothing: it reads tensors that stay where they are, and writes them. So it can be
captured once, for so many rows and positions, and replayed.

Shapes: B places for rows, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.row_cache import RowCache
from recursivemas.engine.sampling import NO_TOKEN, TokenChooser
from recursivemas.engine.static_cache import LayerStore, StaticCache, StepCache
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings

Step = Callable[[], None]
Prepare = Callable[[Step], Step]
"""Makes of a step what is called in its place; it may run the step for a trial."""
MIN_LENGTH = 256
"""The least number of positions that are made room for."""


def room_for(count: int, least: int = 1) -> int:
    """Sizes that are made: `least` times a power of two, or one and a half times that."""
    size = least
    while size < count:
        size *= 2
    return size * 3 // 4 if size >= 4 * least and size * 3 // 4 >= count else size


@dataclass(frozen=True)
class Choosing:
    """How tokens are chosen, and which of them end a text."""

    sampling: SamplingSettings
    stop_ids: frozenset[int]


@dataclass(frozen=True)
class RowState:
    """What the device knows of each row, but for its cache."""

    hidden: Tensor
    """[B, D]: the final hidden state at its newest position."""
    lengths: Tensor
    """[B] int64: how many positions it has."""
    going: Tensor
    """[B] bool: whether it goes on. Steps leave the other places alone."""
    left: Tensor
    """[B] int64: how many tokens it may still write."""
    tokens: Tensor
    """[B] int64: the token at hand."""
    fractions: Tensor
    """[B] float64: the random number of the next token."""
    seen: Tensor
    """[B, V] bool: what it has said, where that is penalised."""

    @classmethod
    def empty(cls, backbone: Backbone, num_rows: int) -> RowState:
        device = backbone.device

        def zeros(*shape: int, dtype: torch.dtype = torch.long) -> Tensor:
            return torch.zeros(num_rows, *shape, dtype=dtype, device=device)

        return cls(
            hidden=zeros(backbone.hidden_size, dtype=backbone.dtype),
            lengths=zeros(),
            going=zeros(dtype=torch.bool),
            left=zeros(),
            tokens=zeros(),
            fractions=zeros(dtype=torch.float64),
            seen=zeros(backbone.num_logits, dtype=torch.bool),
        )

    def part(self, num_rows: int) -> RowState:
        """The first rows: the same tensors in part."""
        return RowState(**{spec.name: getattr(self, spec.name)[:num_rows] for spec in fields(self)})


class StaticRows:
    """`num_rows` places for rows; `like` is a row of the model's.

    Steps are taken by the first places, as many as `narrow` has set.
    """

    def __init__(
        self, backbone: Backbone, like: RowCache, num_rows: int, length: int, prepare: Prepare
    ) -> None:
        self._backbone = backbone
        self._prepare = prepare
        self._cache = StaticCache(like, num_rows, length)
        self._state = RowState.empty(backbone, num_rows)
        self._width, self._length = num_rows, length  # what steps look at
        self._parts: dict[tuple[int, int], Steps] = {}

    @property
    def num_rows(self) -> int:
        return self._cache.num_rows

    @property
    def width(self) -> int:
        """How many places take part in steps."""
        return self._width

    def narrow(self, num_rows: int) -> None:
        """Have at least so many of the first places take part in steps, and few more."""
        self._width = min(room_for(num_rows), self.num_rows)

    def reserve(self, length: int) -> None:
        """Have room for so many positions a row, and little more: every step looks at all of it."""
        self._length = room_for(length, MIN_LENGTH)
        if self._length > self._cache.length:
            self._cache.grow(self._length)
            self._parts.clear()  # they are steps on tensors that are gone

    def put(self, place: int, row: RowCache, *, left: int = 0, said: Sequence[int] = ()) -> None:
        """Let a row in, whose hidden state is known; it may write `left` tokens more, and has said others."""
        assert row.hidden is not None, "a row goes on from its hidden state"
        state = self._state
        self._cache.put(place, row)
        state.hidden[place] = row.hidden
        state.lengths[place] = row.length
        state.left[place] = left
        state.going[place] = True
        state.seen[place] = False
        state.seen[place, torch.tensor(said, dtype=torch.long, device=state.seen.device)] = True

    def cut(self, place: int, length: int) -> RowCache:
        """A copy of a row's cache; `length` is what it has."""
        return self._cache.cut(place, length, self._state.hidden[place])

    def free(self, place: int) -> None:
        """Have no row at a place."""
        self._state.going[place] = False

    def clear(self) -> None:
        """Have no row at any place."""
        self._state.going.zero_()

    def move(self, source: int, target: int) -> None:
        """Put a row to a free place."""
        self._cache.move(source, target)
        for spec in fields(self._state):
            tensor = getattr(self._state, spec.name)
            tensor[target] = tensor[source]
        self.free(source)

    def think(self, link: InnerLink) -> tuple[Tensor, Tensor]:
        """One latent step: thoughts inner(h_t) in the link's dtype, and the hidden states h_t+1, [B, D]."""
        steps = self._steps
        return steps.think(link).clone(), steps.state.hidden.clone()

    def choose(self, choosing: Choosing, count: int, fractions: Tensor) -> Tensor:
        """`count` tokens a row, of which all but the last are fed back: [count + 1, B].

        NO_TOKEN stands for a row without finite numbers. What stands behind the token that ends a row has no
        meaning. The last line tells how many positions the rows then have. `fractions` [count, B] are float64
        random numbers, not looked at where the likeliest tokens are taken.
        """
        steps = self._steps
        report = steps.state.tokens.new_empty(count + 1, self._width)
        for number in range(count):
            if number:
                steps.feed()
            steps.state.fractions.copy_(fractions[number])
            steps.choose(choosing)
            report[number] = steps.state.tokens
        report[count] = steps.state.lengths
        return report

    def feed(self) -> None:
        """Feed back the tokens at hand."""
        self._steps.feed()

    @property
    def _steps(self) -> Steps:
        size = self._width, self._length
        if size not in self._parts:
            layers = self._cache.part(*size)
            self._parts[size] = Steps(self._backbone, self._state.part(self._width), layers, self._prepare)
        return self._parts[size]


class Steps:
    """The steps that rows of a certain number and of at most a certain length can take."""

    def __init__(
        self, backbone: Backbone, state: RowState, layers: list[LayerStore], prepare: Prepare
    ) -> None:
        self.state = state
        self._backbone = backbone
        self._cache = StepCache(backbone, layers, state.lengths)
        self._prepare = prepare
        self._prepared: dict[Hashable, Step] = {}
        self._thoughts: dict[InnerLink, Tensor] = {}

    def think(self, link: InnerLink) -> Tensor:
        """A latent step; returns the thoughts [B, D] that were fed back, which the next step overwrites."""
        if link not in self._thoughts:
            self._thoughts[link] = torch.zeros_like(self.state.hidden, dtype=link.dtype)
        thoughts = self._thoughts[link]

        def step() -> None:
            thoughts.copy_(link(self.state.hidden))
            self._run(thoughts)

        self._take(link, step)
        return thoughts

    def feed(self) -> None:
        """The second half of a text step: the token at hand is read."""
        self._take("feed", lambda: self._run(self._backbone.embed(self.state.tokens.clamp(min=0))))

    def choose(self, choosing: Choosing) -> None:
        """The first half of a text step: a token is chosen, which may end the row."""
        state = self.state
        chooser = TokenChooser(choosing.sampling)
        stop_ids = torch.tensor(sorted(choosing.stop_ids), dtype=torch.long, device=state.tokens.device)

        def step() -> None:
            logits = self._backbone.logits(state.hidden)
            seen = state.seen if chooser.penalises else None
            tokens = chooser.choose(logits, None if choosing.sampling.greedy else state.fractions, seen)
            state.tokens.copy_(tokens)
            said = tokens.clamp(min=0).unsqueeze(1)  # [B, 1]
            state.seen.scatter_(1, said, state.seen.gather(1, said) | state.going.unsqueeze(1))
            state.left.sub_(state.going.long())
            ends = (tokens.unsqueeze(1) == stop_ids).any(dim=1) | (tokens == NO_TOKEN) | (state.left <= 0)
            state.going.logical_and_(~ends)

        self._take(choosing, step)

    def _run(self, inputs: Tensor) -> None:
        """Append one position a row that is going: input embeddings [B, D]."""
        state = self.state
        mask = self._cache.aim()
        restore_states = self._cache.keeping_states(state.going)
        hidden = self._backbone.step(inputs, mask, state.lengths, self._cache.cache)
        restore_states()
        state.hidden.copy_(torch.where(state.going.unsqueeze(1), hidden, state.hidden))
        state.lengths.add_(state.going.long())

    def _take(self, key: Hashable, step: Step) -> None:
        """Take a step, as it was prepared when it was first asked for: with no row going, so that a trial
        changes nothing that counts."""
        if key not in self._prepared:
            going = self.state.going.clone()
            self.state.going.zero_()
            self._prepared[key] = self._prepare(step)
            self.state.going.copy_(going)
        self._prepared[key]()
