"""What an inner link learns: from a hidden state to the embedding of the token that comes next.

Shapes: T a conversation's positions, N pairs of a batch, D hidden size.
Source: docs/training.md, "Inner links".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from recursivemas.agents.agent import Agent
from recursivemas.engine.backbone import Backbone
from recursivemas.errors import UserError
from recursivemas.links import InnerLink
from recursivemas.training.lessons import Lesson, Taught, read_together, teach
from recursivemas.training.rows import Skipped

PAIRS_AT_ONCE = 256
"""Where pairs are computed again on the way back, so many of them together."""


@dataclass(frozen=True, kw_only=True)
class InnerLoss:
    """The parts of an inner link's loss, and how much each weighs."""

    cos: float = 1.0
    """1 - the cosine of what the link says and the next token's embedding."""
    mse: float = 0.0
    """Their squared difference, averaged over D."""
    relative: float = 0.0
    """Their mean squared error over that of the embeddings: unlike the cosine it also sees the scale."""
    embedding_rms: float = 1.0
    """The root mean square of the model's embeddings, for `relative`."""

    def __call__(self, said: Tensor, embeddings: Tensor) -> Tensor:
        """[N, D] and [N, D] -> [N], in float32, or in float64 where what was said is."""
        wide = torch.promote_types(said.dtype, torch.float32)
        said, embeddings = said.to(wide), embeddings.to(said.device, wide)
        error = (said - embeddings).square()
        loss = said.new_zeros(len(said))
        if self.cos:
            loss = loss + self.cos * (1 - F.cosine_similarity(said, embeddings, dim=-1))
        if self.mse:
            loss = loss + self.mse * error.mean(dim=-1)
        if self.relative:
            loss = loss + self.relative * error.mean(dim=-1) / self.embedding_rms**2
        return loss


@dataclass(frozen=True)
class Pairs:
    """Hidden states h_t [N, D], and the embeddings E[x_{t+1}] [N, D] of the tokens that follow them."""

    hidden: Tensor
    embeddings: Tensor
    next_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.next_ids)


def find_pair_places(taught: Taught, lesson: Lesson, max_length: int) -> range:
    """The positions t of which t + 1 is in the span, ahead of a cue, and among the first `max_length`."""
    end = min(taught.end - lesson.num_after_cue, max_length)
    return range(taught.start - 1, max(end - 1, taught.start - 1))


@torch.no_grad()
def read_pairs(
    agent: Agent,
    lessons: Mapping[str, Lesson | UserError],
    *,
    max_length: int,
    skipped: Skipped,
    cut: Skipped,
) -> Pairs | None:
    """The pairs of a batch of lessons without open slots, by row id; None where there are none.

    A conversation is cut on the right to `max_length`. A row that no prompt can be had for, or whose prompt
    leaves no room for its target, is noted in `skipped`; one whose target is cut, in `cut`.
    """
    backbone = Backbone(agent.model)
    taught: list[Taught] = []
    places: list[range] = []
    for row_id, lesson in lessons.items():
        if isinstance(lesson, UserError):
            skipped.add(f"no prompt ({lesson})", row_id)
            continue
        assert lesson.full is not None
        one = teach(backbone, lesson, lesson.full, {})
        found = find_pair_places(one, lesson, max_length)
        if not found:
            skipped.add(f"a prompt that leaves no room for its target in max_length {max_length}", row_id)
            continue
        if one.end > max_length:
            cut.add(f"a target cut to max_length {max_length}", row_id)
        taught.append(one)
        places.append(found)
    if not taught:
        return None
    states = read_together(backbone, [one.embeddings[:max_length] for one in taught])
    hidden = [state[found.start : found.stop] for state, found in zip(states, places, strict=True)]
    ids: list[int] = []
    for one, found in zip(taught, places, strict=True):
        ids += one.ids[found.start + 1 : found.stop + 1]
    return Pairs(torch.cat(hidden), backbone.embed(ids), tuple(ids))


def pair_losses(
    link: InnerLink, pairs: Pairs, loss: InnerLoss, *, gradient_checkpointing: bool = False
) -> Tensor:
    """The loss of each pair, [N].

    With `gradient_checkpointing` a few at a time, and nothing is kept but the pairs themselves: the link is
    computed again on the way back.
    """

    def losses_of(hidden: Tensor, embeddings: Tensor) -> Tensor:
        return loss(link(hidden), embeddings)

    if not gradient_checkpointing:
        return losses_of(pairs.hidden, pairs.embeddings)
    parts = zip(pairs.hidden.split(PAIRS_AT_ONCE), pairs.embeddings.split(PAIRS_AT_ONCE), strict=True)
    return torch.cat(
        [checkpoint(losses_of, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
    )
