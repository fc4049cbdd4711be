"""Controls: other links than the trained ones, or messages that were tampered with.

Whether messages do anything shows in what happens without them: a system that is as good with `zero` or
`shuffle` as with its trained links has not used them.

Shapes: B batch, L latent steps, D_src/D_tgt the hidden sizes at a link's ends, V tokens that both ends know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from recursivemas.agents.agent import Agent
from recursivemas.engine import random_stream
from recursivemas.links import OuterLink
from recursivemas.recursion.channels import Batch
from recursivemas.recursion.loop import Turn
from recursivemas.settings import LinkControl
from recursivemas.styles import LinkSpec

Edge = tuple[str, str]
RANDOM_SEED = 0
RIDGE = 1e-3
"""Of the map between two vocabularies, relative to the mean square of what it reads."""


def choose_links(
    control: LinkControl, trained: Mapping[Edge, OuterLink], agents: Mapping[str, Agent]
) -> dict[Edge, Callable[[Tensor], Tensor]]:
    """What carries thoughts [B, L, D_src] over each link as messages [B, L, D_tgt], in the link's dtype.

    `random` gives untrained links of the same variant, `identity` the thoughts themselves, or, where two
    agents differ in hidden size, a linear map between their input embeddings. The others give the trained
    links.
    """
    if control.kind == "random":
        return {edge: _untrained(link, number) for number, (edge, link) in enumerate(sorted(trained.items()))}
    if control.kind == "identity":
        return {
            edge: _nearest_to_identity(link, *(agents[role] for role in edge))
            for edge, link in trained.items()
        }
    return dict(trained)


def _untrained(link: OuterLink, number: int) -> OuterLink:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED + number)
        fresh = OuterLink(link.source_size, link.target_size, link.variant)
    return fresh.to(next(link.parameters())).eval().requires_grad_(False)


def _nearest_to_identity(link: OuterLink, source: Agent, target: Agent) -> Callable[[Tensor], Tensor]:
    if link.source_size == link.target_size:
        return lambda thoughts: thoughts.to(link.dtype)
    matrix = _between_embeddings(source, target).to(next(link.parameters()))
    return lambda thoughts: thoughts.to(link.dtype) @ matrix


def _between_embeddings(source: Agent, target: Agent) -> Tensor:
    """The ridge regression [D_src, D_tgt] from one agent's input embeddings to those of the other, over the
    tokens of the same text."""
    ids_by_text = {
        target.text([id_]): id_ for id_ in range(min(target.engine.num_embeddings, len(target.tokenizer)))
    }
    count = min(source.engine.num_embeddings, len(source.tokenizer))
    common = [(id_, ids_by_text[text]) for id_ in range(count) if (text := source.text([id_])) in ids_by_text]
    ends = zip((source, target), zip(*common, strict=True), strict=True)
    x, y = (_embed(agent, ids) for agent, ids in ends)  # [V, D_src], [V, D_tgt]
    damping = RIDGE * x.square().sum(dim=0).mean()
    return torch.linalg.solve(x.T @ x + damping * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)


def _embed(agent: Agent, ids: tuple[int, ...]) -> Tensor:
    embedding: nn.Module = agent.model.get_input_embeddings()
    with torch.no_grad():
        return embedding(torch.tensor(ids, device=agent.device)).double().cpu()


class Tampering:
    """Changes messages on their way, as the control says; `seed` is that of the noise."""

    def __init__(self, control: LinkControl, batch: Batch, seed: int) -> None:
        self._control = control
        self._batch = batch
        self._seed = seed

    def __call__(self, turn: Turn, link: LinkSpec, message: Tensor) -> Tensor:
        """message [B, L, D_tgt] -> what arrives, of the same shape and dtype."""
        if self._control.kind == "zero":
            return torch.zeros_like(message)
        if self._control.kind == "shuffle":
            return self._shuffled(message)
        if self._control.kind == "noise":
            return message + self._noise(turn, link, message)
        return message

    def _shuffled(self, message: Tensor) -> Tensor:
        """Each question gets the message of the next one in its batch, the last one that of the first.

        A question that has nobody to swap with fails.
        """
        rows = self._batch.going
        if len(rows) == 1:
            question = self._batch.question(rows[0])
            self._batch.fail(
                rows[0],
                f"question {question.id!r} is alone in its batch, and links shuffle gives it another one's "
                "messages; choose a --batch_size or --num_samples that leaves no question alone",
            )
        arrived = message.clone()
        arrived[rows] = message[[*rows[1:], *rows[:1]]]
        return arrived

    def _noise(self, turn: Turn, link: LinkSpec, message: Tensor) -> Tensor:
        """Normal noise, `sigma` times as large as the root mean square of a question's own message."""
        rows = []
        for row in range(len(self._batch)):
            stream = random_stream(self._seed, f"{self._batch.question(row).id}\0{turn.round}\0{link}")
            generator = torch.Generator().manual_seed(stream.getrandbits(63))
            rows.append(torch.randn(message.shape[1:], generator=generator))
        noise = torch.stack(rows).to(message)  # [B, L, D_tgt]
        size = message.square().mean(dim=(1, 2), keepdim=True).sqrt()  # [B, 1, 1]
        return self._control.sigma * size * noise
