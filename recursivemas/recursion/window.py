"""The answers to several batches as one stream: a row that is done makes room for one of the next batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from recursivemas.agents.agent import Agent
from recursivemas.question import Question
from recursivemas.recursion.answer import Draft, Writer
from recursivemas.recursion.channels import Batch, Read, explain_not_finite
from recursivemas.recursion.loop import Observers, Turn
from recursivemas.recursion.observers import Clock, Notes, Watcher, around_turns, with_positions
from recursivemas.recursion.trace import Lens, Solution, StageUsage

Finished = dict[int, list[Solution]]
"""What came of questions, a solution a rollout, by their places among those that were asked."""


@dataclass(frozen=True)
class _Row:
    """A question whose answers are to be written."""

    place: int
    batch: Batch
    number: int
    """Which row of the batch it is."""
    final: Read
    notes: Notes
    lenses: Mapping[str, Lens]
    """Its messages in words, when these were asked for."""

    @property
    def question(self) -> Question:
        return self.batch.question(self.number)

    @property
    def has_failed(self) -> bool:
        return self.number in self.batch.errors


class Window:
    """Batches that were thought about one after the other, and whose answers are written together.

    `turn` is the one in which `agent` answers, with `writer`.
    """

    def __init__(self, agent: Agent, writer: Writer, turn: Turn, watcher: Watcher, num_rollouts: int) -> None:
        self._agent = agent
        self._writer = writer
        self._turn = turn
        self._watcher = watcher
        self._num_rollouts = num_rollouts
        self._clock = Clock({turn.role: agent.device})
        self._observer = Observers(around_turns(watcher, self._clock))
        self._rows: list[_Row] = []

    @property
    def _key(self) -> tuple[int, str]:
        return self._turn.round, self._turn.role

    def add(
        self,
        batch: Batch,
        places: Sequence[int],
        final: Read,
        notes: Notes,
        lenses: Sequence[Mapping[str, Lens]],
    ) -> None:
        """Put a batch that was thought about behind the others.

        `places` are those of its questions, `lenses` their messages in words, empty where none were asked
        for.
        """
        self._rows += [
            _Row(place, batch, row, final, notes, lenses[row] if lenses else {})
            for row, place in enumerate(places)
        ]

    def answer(self, size: int) -> Iterator[Finished]:
        """What came of the questions, of `size` of them at a time, as they are finished.

        Those that have failed come first. What a part took of time is divided evenly among its answers.
        """
        if failed := {row.place: self._solutions(row, [], 0.0) for row in self._rows if row.has_failed}:
            yield failed
        going = [row for row in self._rows if not row.has_failed]
        written = self._written(going)
        for start in range(0, len(going), size):
            count = min(size, len(going) - start)
            with self._observer.stage(self._turn):
                done = list(islice(written, count) if start + count < len(going) else written)
            seconds = self._clock.seconds.pop(self._key) / (count * self._num_rollouts)
            yield {row.place: self._solutions(row, drafts, seconds) for row, drafts in done}

    def _written(self, rows: Sequence[_Row]) -> Iterator[tuple[_Row, list[Draft]]]:
        """Each row with its answers, in the order of rollouts, once all of them are finished."""
        prompts = [row.final.prompts[row.number] for row in rows]
        session = self._agent.engine.open(prompts).fork(self._num_rollouts)
        drafts = [
            self._writer.draft_answer(
                row.question,
                row.batch.rows[row.number].kind,
                row=rollout * len(rows) + index,
                rollout=rollout,
            )
            for rollout in range(self._num_rollouts)
            for index, row in enumerate(rows)
        ]
        questions = [row.question for row in rows] * self._num_rollouts
        finished: dict[int, list[Draft]] = defaultdict(list)
        for draft in self._writer.answer(drafts, questions, session, on_step=self._watcher.token):
            index = draft.row % len(rows)
            finished[index].append(draft)
            if len(finished[index]) == self._num_rollouts:
                yield rows[index], sorted(finished.pop(index), key=lambda draft: draft.rollout)

    def _solutions(self, row: _Row, drafts: Sequence[Draft], seconds: float) -> list[Solution]:
        """Those of a row, by rollout; `drafts` are empty where it has failed, an answer took `seconds`."""
        if not drafts:
            return [self._failed(row, rollout) for rollout in range(self._num_rollouts)]
        return [self._solution(row, draft, seconds) for draft in drafts]

    def _failed(self, row: _Row, rollout: int, error: str | None = None) -> Solution:
        passages = row.notes.passages.passages(row.number) if rollout == 0 else {}
        why = error or row.batch.errors[row.number]
        return Solution(question=row.question, rollout=rollout, passages=passages, error=why)

    def _solution(self, row: _Row, draft: Draft, seconds: float) -> Solution:
        if draft.failed:
            what = f"round {self._turn.round}, {self._turn.role}: what it would write"
            return self._failed(row, draft.rollout, explain_not_finite(row.question, what))
        is_first, latents = draft.rollout == 0, row.notes.latents
        limit = self._agent.engine.max_positions
        length = row.final.chats[row.number].length(row.final.latent_length) + len(draft.sequence)
        return Solution(
            question=row.question,
            rollout=draft.rollout,
            text=draft.text,
            token_ids=tuple(draft.token_ids),
            ended_by=draft.ended_by,
            retried=draft.retried,
            past_context=limit is not None and length > limit,
            usage=self._usage(row, draft, seconds),
            tool_calls=tuple(draft.tool_calls),
            messages=latents.messages(row.number) if is_first else {},
            message_sizes=latents.sizes(row.number) if is_first else {},
            lenses=row.lenses if is_first else {},
            passages=row.notes.passages.passages(row.number) if is_first else {},
        )

    def _usage(self, row: _Row, draft: Draft, seconds: float) -> tuple[StageUsage, ...]:
        """What the answer took; the turns before it stand with the first rollout."""
        turns = {turn: rows[row.number] for turn, rows in row.notes.usage.turns.items()}
        clock = row.notes.clock
        spent = {turn: taken / len(row.batch) for turn, taken in clock.seconds.items()}
        answer = turns.pop(self._key)
        if draft.rollout > 0:
            turns, answer = {}, StageUsage(round=answer.round, role=answer.role)
        shared = [
            replace(usage, seconds=spent[turn], started=clock.started[turn], ended=clock.ended[turn])
            for turn, usage in turns.items()
        ]
        written = replace(
            with_positions(answer, draft.read),
            generated_tokens=draft.num_sampled,
            result_tokens=draft.num_inserted,
            seconds=spent[self._key] / self._num_rollouts + seconds,
            started=clock.started[self._key],
            ended=draft.ended,
        )
        return (*shared, written)
