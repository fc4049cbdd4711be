"""What each agent is shown: from a question to the prompt of every turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recursivemas.agent import Agent
from recursivemas.prompts import ChatPrompt, ChatRenderer, PromptPack, Slot
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style

Turn = tuple[str, bool]
"""(role, with feedback?): what decides which of an agent's prompts it is shown."""


@dataclass(frozen=True)
class Prepared:
    """A question, the kind of answer it asks for, and the prompt of each turn with its slots open."""

    question: Question
    kind: TaskKind
    chats: Mapping[Turn, ChatPrompt]


class PromptWriter:
    """Writes prompts for a style's agents under one set of settings; `tools` are those they have, by role."""

    def __init__(
        self,
        style: Style,
        agents: Mapping[str, Agent],
        pack: PromptPack,
        settings: SolveSettings,
        tools: Mapping[str, Sequence[str]],
    ) -> None:
        self._style = style
        self._tools = tools
        self._agents = agents
        self._pack = pack
        self._settings = settings
        self._renderers = {
            role: ChatRenderer(agent.tokenizer, enable_thinking=settings.enable_thinking)
            for role, agent in agents.items()
        }

    def prepare(self, question: Question) -> Prepared:
        """All prompts that the rounds need."""
        turns = {
            (role, self._style.reads_feedback(role, number))
            for number, roles in enumerate(self._style.schedule(self._settings.num_recursive_rounds), start=1)
            for role in roles
        }
        chats = {turn: self.write(question, turn) for turn in sorted(turns)}
        return Prepared(question, self._kind(question, self._style.answering_role), chats)

    def write(self, question: Question, turn: Turn, texts: Mapping[str, str] | None = None) -> ChatPrompt:
        """One turn's prompt: slots open, or filled with `texts` as part of the prompt's own text."""
        role, with_feedback = turn
        spec, kind = self._style.agent(role), self._kind(question, role)
        if self._settings.release_quirks and with_feedback and kind in CODE_KINDS:
            kind = spec.release_feedback_kind or kind
        pieces = self._pack.template(spec.prompt, kind, feedback=with_feedback).render(question)
        if texts is not None:
            pieces = ["".join(texts[piece.name] if isinstance(piece, Slot) else piece for piece in pieces)]
        return self._renderers[role].render(self._pack.system(spec.prompt, self._tools[role]), pieces)

    def explain_misfit(
        self, question: Question, role: str, chat: ChatPrompt, latent_length: int
    ) -> str | None:
        """Why an agent's model cannot read a prompt: too long for its context, or a token that it does not
        embed. None if it can."""
        agent = self._agents[role]
        unknown = chat.first_token_from(agent.backbone.num_embeddings)
        if unknown is not None:
            return (
                f"question {question.id!r} cannot be shown to the {role} ({agent.repo_id}): its prompt holds "
                f"{agent.tokenizer.convert_ids_to_tokens(unknown)!r}, token {unknown} of the tokenizer, and "
                f"the model embeds {agent.backbone.num_embeddings} tokens. Do model and tokenizer belong "
                "together?"
            )
        limit = agent.backbone.max_positions
        # An agent that only answers does not think after its prompt.
        thinks = role != self._style.answering_role or self._settings.num_recursive_rounds > 1
        length = chat.length(latent_length) + (max(latent_length - 1, 0) if thinks else 0)
        if limit is None or length <= limit:
            return None
        return (
            f"question {question.id!r} is too long for the {role} ({agent.repo_id}): with its thoughts, the "
            f"prompt takes {length} positions ({chat.num_text_tokens} tokens and "
            f"{length - chat.num_text_tokens} latents), the model's context has {limit}. "
            "Shorten the question or lower latent_length; the other questions are not affected."
        )

    def _kind(self, question: Question, role: str) -> TaskKind:
        return self._pack.kind_of(question, self._style.agent(role).prompt)
