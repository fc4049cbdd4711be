"""What each agent is shown: from a question to the prompt of every turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from recursivemas.agents.agent import Agent
from recursivemas.errors import UserError
from recursivemas.prompts import (
    ChatPrompt,
    ChatRenderer,
    Pieces,
    PromptRequest,
    PromptSource,
    Slot,
    TokenText,
)
from recursivemas.question import CODE_KINDS, Question, QuestionKind
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style
from recursivemas.styles.text_quirks import TextQuirk, text_quirk

PromptKey = tuple[str, bool]
"""(role, with feedback?): what decides which of an agent's prompts it is shown."""


MERGED_TOKENS = 2
"""How many of a text's last tokens may be others when more text follows."""


@dataclass(frozen=True)
class Prepared:
    """A question with its prompts."""

    question: Question
    kind: QuestionKind
    """Of answer that it asks for."""
    chats: Mapping[PromptKey, ChatPrompt]
    """The prompt of each turn, its slots open or empty."""


class PromptWriter:
    """Writes prompts for a style's agents under one set of settings.

    `tokenizers` are the agents' own by role, `tools` the names of those they have.
    """

    def __init__(
        self,
        style: Style,
        tokenizers: Mapping[str, PreTrainedTokenizerBase],
        source: PromptSource,
        settings: SolveSettings,
        tools: Mapping[str, Sequence[str]],
    ) -> None:
        self._style = style
        self._tools = tools
        self._source = source
        self._settings = settings
        self._passes, self._num_rounds = settings.passes, settings.num_rounds
        self._renderers = {
            role: ChatRenderer(tokenizer, enable_thinking=settings.enable_thinking)
            for role, tokenizer in tokenizers.items()
        }
        self._instructions: dict[tuple[str, str], tuple[int, ...]] = {}
        self._texts = {role: TokenText(tokenizer) for role, tokenizer in tokenizers.items()}

    def prepare(self, questions: Sequence[Question]) -> list[Prepared | UserError]:
        """All prompts that the rounds need, of each question; the first error of one that lacks a prompt.

        Where agents pass on text, the prompts stand with empty texts in their slots.
        """
        turns = self._style.turns(self._num_rounds)
        keys = sorted({(role, self._style.reads_feedback(role, number)) for number, role in turns})
        asked = [(question, key, self._empty_texts(key)) for question in questions for key in keys]
        written = iter(self.write(asked))
        return [self._prepared(question, {key: next(written) for key in keys}) for question in questions]

    def _prepared(
        self, question: Question, written: Mapping[PromptKey, ChatPrompt | UserError]
    ) -> Prepared | UserError:
        chats: dict[PromptKey, ChatPrompt] = {}
        for turn, chat in written.items():
            if isinstance(chat, UserError):
                return chat
            chats[turn] = chat
        prompt = self._style.agent(self._style.answering_role).prompt
        return Prepared(question, self._source.kind_of(question, prompt), chats)

    def _empty_texts(self, turn: PromptKey) -> dict[str, str] | None:
        if self._passes != "text":
            return None
        role, with_feedback = turn
        return {link.slot: "" for link in self._style.inbound(role, with_feedback=with_feedback)}

    def write(
        self, asked: Sequence[tuple[Question, PromptKey, Mapping[str, str] | None]]
    ) -> list[ChatPrompt | UserError]:
        """The prompt of each question's turn: slots open, or with texts in them as part of its own."""
        roles = [role for _, (role, _), _ in asked]
        breaks = [self._find_break(question, role) for question, (role, _), _ in asked]
        requests = [self._request(*one, mark) for one, mark in zip(asked, breaks, strict=True)]
        written = [
            self._with_note(pieces, question, role)
            for (question, (role, _), _), pieces in zip(asked, self._source.write(requests), strict=True)
        ]
        rendered = [
            self._render(role, request.prompt, pieces, mark)
            for role, request, pieces, mark in zip(roles, requests, written, breaks, strict=True)
        ]
        return [
            chat if isinstance(chat, UserError) else self._cut_instructions(role, chat, question, texts or {})
            for (question, (role, _), texts), chat in zip(asked, rendered, strict=True)
        ]

    def _cut_instructions(
        self, role: str, chat: ChatPrompt, question: Question, texts: Mapping[str, str]
    ) -> ChatPrompt:
        """The prompt, what stands in it before all that differs between questions as a piece of its own."""
        found = [chat.text.find(text) for text in (question.text, question.text.strip())]
        asked = next((place for place in found if place >= 0), None)
        if asked is None:  # it was put in other words
            return chat
        own = (question.function_name, *texts.values(), *map(Slot, chat.slots))
        ends = [chat.text.find(str(text)) for text in own if text]
        before = chat.text[: min(end for end in (asked, *ends) if end >= 0)]
        if (role, before) not in self._instructions:
            ids = self._renderers[role].tokenizer.encode(before, add_special_tokens=False, verbose=False)
            # What follows may be read as one token with its end.
            self._instructions[role, before] = tuple(ids[:-MERGED_TOKENS])
        ids = self._instructions[role, before]
        first = chat.segments[0]
        is_whole = len(ids) < len(first) and first[: len(ids)] == ids
        return chat.cut(len(ids)) if ids and is_whole else chat

    def _with_note(self, pieces: Pieces | UserError, question: Question, role: str) -> Pieces | UserError:
        note = self.text_quirk(question, role).note
        return pieces if isinstance(pieces, UserError) or not note else [*pieces, f"\n\n{note}"]

    def text_quirk(self, question: Question, role: str) -> TextQuirk:
        """What the release does otherwise with this agent's texts; nothing unless it was asked for."""
        spec = self._style.agent(role)
        if not (self._settings.release_quirks and self._passes == "text" and spec.release_text):
            return TextQuirk()
        return text_quirk(spec.release_text, self._source.kind_of(question, spec.prompt))

    def _find_break(self, question: Question, role: str) -> str | None:
        """What to break a question's control tokens with, so that they are read as the text they are."""
        if self._settings.special_tokens_in_questions:
            return None
        return self._texts[role].find_break(question.text)

    def _render(
        self, role: str, prompt: str, pieces: Pieces | UserError, mark: str | None
    ) -> ChatPrompt | UserError:
        if isinstance(pieces, UserError):
            return pieces
        try:
            system = self._source.system(prompt, self._tools[role])
            return self._renderers[role].render(system, pieces, broken_at=mark)
        except UserError as error:
            return error

    def _request(
        self, question: Question, turn: PromptKey, texts: Mapping[str, str] | None, mark: str | None
    ) -> PromptRequest:
        role, with_feedback = turn
        if mark is not None:
            question = replace(question, text=self._texts[role].break_controls(question.text, mark))
        spec = self._style.agent(role)
        if self._settings.release_quirks and with_feedback and question.kind in CODE_KINDS:
            question = replace(question, kind=spec.release_feedback_kind or question.kind)
        return PromptRequest(prompt=spec.prompt, question=question, feedback=with_feedback, texts=texts)

    def explain_misfit(
        self, question: Question, agent: Agent, chat: ChatPrompt, latent_length: int
    ) -> str | None:
        """Why an agent's model cannot read a prompt: too long for its context, or a token that it does not
        embed. None if it can."""
        role = agent.role
        unknown = chat.first_token_from(agent.engine.num_embeddings)
        if unknown is not None:
            return (
                f"question {question.id!r} cannot be shown to the {role} ({agent.repo_id}): its prompt holds "
                f"{agent.tokenizer.convert_ids_to_tokens(unknown)!r}, token {unknown} of the tokenizer, and "
                f"the model embeds {agent.engine.num_embeddings} tokens. Do model and tokenizer belong "
                "together?"
            )
        limit = agent.engine.max_positions
        # An agent that only answers does not think after its prompt.
        thinks = role != self._style.answering_role or self._num_rounds > 1
        length = chat.length(latent_length) + (max(latent_length - 1, 0) if thinks else 0)
        if limit is None or length <= limit:
            return None
        return (
            f"question {question.id!r} is too long for the {role} ({agent.repo_id}): with its thoughts, the "
            f"prompt takes {length} positions ({chat.num_text_tokens} tokens and "
            f"{length - chat.num_text_tokens} latents), the model's context has {limit}. "
            "Shorten the question or lower latent_length; the other questions are not affected."
        )
