"""The lens: messages in words. What the sender's head would have written, what the receiver's words are near.

Shapes: B batch, L latent steps, D_src and D_tgt the hidden sizes of a link's two ends, K tokens a latent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.engine import Thoughts
from recursivemas.engine.backbone import Backbone
from recursivemas.engine.lens import likeliest_tokens, nearest_tokens
from recursivemas.recursion.channels import LatentMessage
from recursivemas.recursion.loop import Observer, Turn
from recursivemas.recursion.messages import Lens, Token
from recursivemas.styles import LinkSpec

NUM_TOKENS = 5
"""A latent, of each kind."""
BEFORE = "a"
"""What a token is decoded behind: some tokenizers drop the space that a text begins with."""

Rows = list[tuple[tuple[Token, ...], ...]]
"""By row of the batch: tokens of each step."""


class LensLog(Observer):
    """Keeps messages and the hidden states behind them, on the CPU, to be read when the clock has stopped."""

    def __init__(self) -> None:
        self._hidden: dict[str, Tensor | None] = {}
        self._messages: dict[str, tuple[str, LinkSpec, Tensor]] = {}

    def thought(self, turn: Turn, thought: Thoughts) -> None:
        self._hidden[_name(turn)] = None if thought.hidden is None else thought.hidden.cpu()

    def sent(self, turn: Turn, link: LinkSpec, message: LatentMessage) -> None:
        self._messages[f"r{turn.round}/{link}"] = (_name(turn), link, message.cpu())

    def in_words(self, agents: Mapping[str, Agent]) -> list[dict[str, Lens]]:
        """Each row's messages in words, by `r{round}/{source}->{target}`; none where no message was sent.

        Raises UserError where an agent's model is not held in this process.
        """
        said: dict[str, Rows] = {}
        heard: dict[str, Rows] = {}
        for role, agent in agents.items():  # one after the other: each model may have to be brought
            for turn, hidden in self._hidden.items():
                if turn.endswith(f"/{role}") and hidden is not None:
                    said[turn] = _tokens(agent, hidden, likeliest_tokens)
            for name, (_, link, message) in self._messages.items():
                if link.target == role:
                    heard[name] = _tokens(agent, message, nearest_tokens)
        return [
            {
                name: Lens(heard=heard[name][row], said=said[turn][row] if turn in said else ())
                for name, (turn, _, _) in self._messages.items()
            }
            for row in range(max(map(len, heard.values()), default=0))
        ]


def _name(turn: Turn) -> str:
    return f"r{turn.round}/{turn.role}"


def _tokens(agent: Agent, positions: Tensor, find: Callable[..., tuple[Tensor, Tensor]]) -> Rows:
    """The tokens of positions [B, L, D], each with its value to three digits."""
    backbone = Backbone(agent.model)
    num_known = min(len(agent.tokenizer), backbone.num_embeddings)
    ids, values = find(backbone, positions.flatten(0, 1), NUM_TOKENS, num_known)
    in_words = {id_: _in_words(agent, id_) for id_ in ids.unique().tolist()}
    tokens = [
        tuple((in_words[id_], round(value, 3)) for id_, value in zip(*row, strict=True))
        for row in zip(ids.tolist(), values.tolist(), strict=True)
    ]
    num_rows, length, _ = positions.shape
    return [tuple(tokens[row * length : (row + 1) * length]) for row in range(num_rows)]


def _in_words(agent: Agent, id_: int) -> str:
    """A token as it would stand in a text; a special one, which stands in none, by its name."""
    text = agent.text([id_], after=agent.token_ids(BEFORE))
    return text or str(agent.tokenizer.convert_ids_to_tokens(id_))
