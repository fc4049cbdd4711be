"""Writing text: an agent's words, and for answers the retry where none can be read from them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from recursivemas.agents.agent import Agent
from recursivemas.engine import (
    NOT_FINITE,
    Generated,
    Positions,
    SamplingSettings,
    Session,
    WriteRequest,
    random_stream,
)
from recursivemas.grading import has_answer, release_has_answer
from recursivemas.prompts import PromptSource
from recursivemas.question import CODE_KINDS, Question, QuestionKind
from recursivemas.recursion.tool_calls import ToolCalling
from recursivemas.recursion.trace import Passage
from recursivemas.settings import SolveSettings
from recursivemas.tools import Request, Toolbox, ToolCall, as_block, without_calls

RETRY_TOKENS = 16
CODE_RETRY_TOKENS = 256
"""How much the answer retry may write (docs/protocol.md, "Answer retry")."""


@dataclass
class Draft:
    """A text while it is being written."""

    row: int
    """Of the session that it is written in."""
    kind: QuestionKind
    stream: random.Random
    """Its own random numbers."""
    max_new_tokens: int
    max_characters: int | None = None
    """How much of it is passed on."""
    rollout: int = 0
    sequence: list[int] = field(default_factory=list)
    """All token ids that follow the prompt."""
    token_ids: list[int] = field(default_factory=list)
    """Those that were written: not a tool's results, a retry's cue, or the end-of-sequence token."""
    num_sampled: int = 0
    """How many tokens the writing took."""
    num_inserted: int = 0
    """How many tokens of tools' results there are."""
    read: Positions = field(default_factory=Positions)
    """What was read for it, its prompt included."""
    text: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    ended_by: str = ""
    """What ended it, before a retry: `stop`, `length`, or `calls` (one tool call too many)."""
    retried: bool = False
    failed: bool = False
    """The model gave no numbers to go on from."""

    @property
    def own_text(self) -> str:
        """The text without tool calls and their results: what an answer may be read from."""
        return without_calls(self.text, self.tool_calls)

    def passage(self) -> Passage:
        """What of it is passed on."""
        text = self.text if self.max_characters is None else self.text.strip()[: self.max_characters]
        return Passage(text, tuple(self.token_ids), tuple(self.tool_calls))


class Writer:
    """Writes text with one agent under one set of settings, and with tools where it is given some."""

    def __init__(
        self, agent: Agent, source: PromptSource, settings: SolveSettings, toolbox: Toolbox | None
    ) -> None:
        self._agent = agent
        self._source = source
        self._settings = settings
        self._seed = settings.answer_seed
        self._toolbox = toolbox
        self._sampling: SamplingSettings = settings.sampling.resolve(agent.engine.generation_config)

    def draft_answer(self, question: Question, kind: QuestionKind, *, row: int, rollout: int) -> Draft:
        """An answer that is to be written in that row; `kind` is that of its prompt.

        Rollout r uses the random numbers of seed sample_seed + r (docs/protocol.md, "Settings").
        """
        return Draft(
            row,
            # Release: what a prompt looks like does not matter here.
            question.kind if self._settings.release_quirks else kind,
            random_stream(self._seed + rollout, question.id),
            max_new_tokens=self._settings.max_new_tokens,
            rollout=rollout,
        )

    def answer(
        self,
        drafts: Sequence[Draft],
        questions: Sequence[Question],
        session: Session,
        *,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        """Write answers, a draft a question; where none can be read from one, it is asked for again.

        `on_step` is told after each token how many answers go on.
        """
        self.write(drafts, session, on_step=on_step)
        can_read = release_has_answer if self._settings.release_quirks else has_answer
        unread = [
            draft
            for draft, question in zip(drafts, questions, strict=True)
            if not (draft.failed or can_read(draft.own_text, question))
        ]
        retry = self._retry_bare if self._settings.release_quirks else self._retry
        retry([draft for draft in unread if draft.kind in CODE_KINDS], CODE_RETRY_TOKENS, session)
        retry([draft for draft in unread if draft.kind not in CODE_KINDS], RETRY_TOKENS, session)

    def _retry(self, drafts: Sequence[Draft], max_new_tokens: int, session: Session) -> None:
        """Append its cue to each text and go on writing, without tools: it is time to answer."""
        requests = []
        for draft in drafts:
            cue = self._source.retry_cue(draft.kind)
            ids = self._append_cue(draft, cue if cue.startswith("\n") else f"\n{cue}")
            requests.append(
                WriteRequest(
                    row=draft.row,
                    stream=draft.stream,
                    max_new_tokens=max_new_tokens,
                    inserted=tuple(ids),
                    said=(*draft.token_ids, *ids),
                )
            )
        self._write(drafts, requests, session)

    def _retry_bare(self, drafts: Sequence[Draft], max_new_tokens: int, session: Session) -> None:
        """The release goes on from the bare text: no chat, no latents (docs/protocol.md, "Answer retry")."""
        for _, group in groupby(drafts, key=lambda draft: draft.rollout):
            rollout, texts = list(group), []
            for draft in rollout:
                draft.text = draft.text.rstrip()
                self._append_cue(draft, "\n" + self._source.retry_cue(draft.kind).lstrip("\n"))
                texts.append(tuple(self._agent.tokenizer(self._disarmed_text(draft)).input_ids))
            requests = [
                WriteRequest(row=row, stream=draft.stream, max_new_tokens=max_new_tokens, said=ids)
                for row, (draft, ids) in enumerate(zip(rollout, texts, strict=True))
            ]
            self._write(rollout, requests, self._agent.engine.open([[ids] for ids in texts]))

    def _append_cue(self, draft: Draft, cue: str) -> list[int]:
        ids = self._agent.token_ids(cue)
        draft.retried = True
        draft.text += cue
        draft.sequence += ids
        return ids

    def _disarmed_text(self, draft: Draft) -> str:
        """The text, with what is spelled like a control token in a tool's result broken up."""
        pieces, end = [], 0
        for call in draft.tool_calls:
            pieces += [
                draft.text[end : call.start],
                self._agent.without_controls(draft.text[call.start : call.end]),
            ]
            end = call.end
        return "".join([*pieces, draft.text[end:]])

    def write(
        self, drafts: Sequence[Draft], session: Session, *, on_step: Callable[[int], None] | None = None
    ) -> None:
        """Write the drafts, each in its row; calls of tools are answered on the way."""
        requests = [
            WriteRequest(row=draft.row, stream=draft.stream, max_new_tokens=draft.max_new_tokens)
            for draft in drafts
        ]
        calling = ToolCalling(self._agent, self._toolbox) if self._toolbox else None
        self._write(drafts, requests, session, on_step=on_step, calling=calling)

    def _write(
        self,
        drafts: Sequence[Draft],
        requests: Sequence[WriteRequest],
        session: Session,
        on_step: Callable[[int], None] | None = None,
        calling: ToolCalling | None = None,
    ) -> None:
        if not drafts:
            return
        by_row = {request.row: draft for request, draft in zip(requests, drafts, strict=True)}
        written = session.write(
            requests,
            sampling=self._sampling,
            stop_ids=self._agent.stop_ids,
            on_step=on_step,
            pauses=calling,
            rejoin_every=self._settings.rejoin_every,
        )
        for row, generated in written:
            self._append(by_row[row], generated, calling.answered[row] if calling else ())

    def _append(
        self, draft: Draft, generated: Generated, answered: Sequence[tuple[Request, ToolCall]]
    ) -> None:
        """What was written and what tools gave, in order."""
        results = iter(answered)
        for segment in generated.segments:
            if segment.written:
                draft.token_ids += segment.token_ids
                draft.text += self._agent.text(segment.token_ids, after=draft.sequence)
            else:  # it stands right behind the closing tag of its call
                request, call = next(results)
                start = len(draft.text) - (request.end - request.start)
                draft.num_inserted += len(segment.token_ids)
                draft.text += as_block(call.result)
                draft.tool_calls.append(replace(call, start=start, end=len(draft.text)))
            draft.sequence += segment.token_ids
        draft.num_sampled += generated.num_sampled
        draft.read += generated.read
        draft.failed = generated.ended_by == NOT_FINITE
        draft.ended_by = draft.ended_by or generated.ended_by
