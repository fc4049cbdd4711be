"""Writing text: an agent's words, and for answers the retry where none can be read from them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
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
from recursivemas.values import Moment, now

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
    ended: Moment | None = None
    """When it was finished."""
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


@dataclass
class Pace:
    """How many steps text has taken so far, and how many tokens came of them."""

    steps: int = 0
    """Of models: each gives every row that runs then a token."""
    tokens: int = 0
    """All that was sampled, the ends of texts among it."""


class Writer:
    """Writes text with one agent under one set of settings, and with tools where it is given some.

    Its steps and tokens are added to `pace`.
    """

    def __init__(
        self,
        agent: Agent,
        source: PromptSource,
        settings: SolveSettings,
        toolbox: Toolbox | None,
        pace: Pace,
    ) -> None:
        self._agent = agent
        self._source = source
        self._settings = settings
        self._seed = settings.answer_seed
        self._toolbox = toolbox
        self._pace = pace
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
        on_step: Callable[[int], None],
    ) -> Iterator[Draft]:
        """Write answers, a draft a question; yields each as it is finished.

        Where no answer can be read from some, these are asked for again, once all are written. `on_step` is
        told after each token how many answers go on.
        """
        can_read = release_has_answer if self._settings.release_quirks else has_answer
        question_of = {draft.row: question for draft, question in zip(drafts, questions, strict=True)}
        unread = set()
        for draft in self.write(drafts, session, on_step=on_step):
            if draft.failed or can_read(draft.own_text, question_of[draft.row]):
                session.release(draft.row)
                yield draft
            else:
                unread.add(draft.row)
        again = [draft for draft in drafts if draft.row in unread]
        retry = self._retry_bare if self._settings.release_quirks else self._retry
        code = [draft for draft in again if draft.kind in CODE_KINDS]
        others = [draft for draft in again if draft.kind not in CODE_KINDS]
        yield from retry(code, CODE_RETRY_TOKENS, session, on_step)
        yield from retry(others, RETRY_TOKENS, session, on_step)

    def _retry(
        self,
        drafts: Sequence[Draft],
        max_new_tokens: int,
        session: Session,
        on_step: Callable[[int], None],
    ) -> Iterator[Draft]:
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
        yield from self._write(drafts, requests, session, on_step)

    def _retry_bare(
        self,
        drafts: Sequence[Draft],
        max_new_tokens: int,
        session: Session,
        on_step: Callable[[int], None],
    ) -> Iterator[Draft]:
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
            texts_alone = self._agent.engine.open([[ids] for ids in texts])
            yield from self._write(rollout, requests, texts_alone, on_step)

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
        self, drafts: Sequence[Draft], session: Session, *, on_step: Callable[[int], None]
    ) -> Iterator[Draft]:
        """Write the drafts, each in its row, and yield each as it is finished.

        Calls of tools are answered on the way.
        """
        requests = [
            WriteRequest(row=draft.row, stream=draft.stream, max_new_tokens=draft.max_new_tokens)
            for draft in drafts
        ]
        calling = ToolCalling(self._agent, self._toolbox) if self._toolbox else None
        yield from self._write(drafts, requests, session, on_step, calling)

    def _write(
        self,
        drafts: Sequence[Draft],
        requests: Sequence[WriteRequest],
        session: Session,
        on_step: Callable[[int], None],
        calling: ToolCalling | None = None,
    ) -> Iterator[Draft]:
        if not drafts:
            return
        by_row = {request.row: draft for request, draft in zip(requests, drafts, strict=True)}
        written = session.write(
            requests,
            sampling=self._sampling,
            stop_ids=self._agent.stop_ids,
            on_step=self._counting(on_step),
            pauses=calling,
            rejoin_every=self._settings.rejoin_every,
        )
        for row, generated in written:
            self._pace.tokens += generated.num_sampled + (generated.ended_by in ("stop", NOT_FINITE))
            self._append(by_row[row], generated, calling.answered[row] if calling else ())
            yield by_row[row]

    def _counting(self, on_step: Callable[[int], None]) -> Callable[[int], None]:
        def count(num_going: int) -> None:
            self._pace.steps += 1
            on_step(num_going)

        return count

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
        draft.ended = now()
