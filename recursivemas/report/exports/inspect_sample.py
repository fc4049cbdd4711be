"""An answer of a run as an inspect_ai sample: rounds and agents as spans, what passed between them as events.

Every event has a time that the run has recorded: a turn's own, a tool call's own, or when the sample was
graded. In samples of older versions, which have none, all events stand at the run's start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from inspect_ai.dataset import Sample
from inspect_ai.event import (
    Event,
    InfoEvent,
    ModelEvent,
    SampleInitEvent,
    ScoreEvent,
    SpanBeginEvent,
    SpanEndEvent,
    ToolEvent,
)
from inspect_ai.log import EvalError, EvalSample
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Score
from inspect_ai.tool import ToolCallError

from recursivemas.recursion.messages import Lens
from recursivemas.recursion.trace import StageUsage
from recursivemas.report.exports.source import Source
from recursivemas.report.page.figures import message_figures
from recursivemas.runs.latents import read_messages
from recursivemas.runs.lens import read_lenses
from recursivemas.runs.record import SampleRecord, Verdict
from recursivemas.tools import ToolCall

STOP_REASONS = {"stop": "stop", "length": "max_tokens"}
"""What ended a text, in inspect_ai's words; all else is `unknown` there, and stands in the metadata."""
TOOL_ERRORS = {"timeout": "timeout", "limit": "limit", "error": "unknown", "failed": "unknown"}
"""What became of a call, as inspect_ai's kinds of errors."""


def sample_of(source: Source, sample: SampleRecord, models: Mapping[str, str]) -> EvalSample:
    """The sample with all its events; `models` are the agents' models by role.

    A rollout is an epoch, from 1 on. Raises UserError where what the run kept of a message is damaged.
    """
    events = _Events(source, sample, models)
    answer = sample.usage[-1] if sample.usage else None
    output = events.output(answer) if answer else ModelOutput()
    first = next((usage.started for usage in sample.usage if usage.started), None)
    usages = {usage.role: ModelUsage() for usage in sample.usage}
    for usage in sample.usage:
        usages[usage.role] += usage_of(usage)
    said = [ChatMessageUser(content=sample.question)]
    return EvalSample(
        id=sample.id,
        epoch=sample.rollout + 1,
        input=sample.question,
        target=sample.gold,
        messages=[*said, *(choice.message for choice in output.choices)],
        output=output,
        scores={name: score_of(verdict) for name, verdict in sample.verdicts.items()},
        metadata=_metadata(sample),
        events=list(events),
        model_usage=_by_model(usages, models),
        role_usage=usages,
        started_at=first,
        completed_at=sample.recorded,
        total_time=_seconds_between(first, sample.recorded),
        working_time=sum(usage.seconds for usage in sample.usage),
        error=EvalError(message=sample.error, traceback="", traceback_ansi="") if sample.error else None,
    )


def score_of(verdict: Verdict) -> Score:
    """A verdict: `C` or `I`, what was read as the answer, and why."""
    reason = "scoring_failed" if verdict.error else None
    if not reason and verdict.answer is None:
        reason = "invalid_response_format"
    return Score(
        value=CORRECT if verdict.correct else INCORRECT,
        answer=verdict.answer,
        explanation=verdict.error or verdict.how,
        reason=reason,
        metadata=None if verdict.score is None else {"score": _finite(verdict.score)},
    )


def usage_of(usage: StageUsage) -> ModelUsage:
    """A turn's tokens; latents are none, and stand in the event's metadata."""
    read = usage.prompt_tokens + usage.result_tokens
    return ModelUsage(
        input_tokens=read,
        output_tokens=usage.generated_tokens,
        total_tokens=read + usage.generated_tokens,
    )


def _by_model(usages: Mapping[str, ModelUsage], models: Mapping[str, str]) -> dict[str, ModelUsage]:
    found: dict[str, ModelUsage] = {}
    for role, usage in usages.items():
        model = models.get(role, role)
        found[model] = found[model] + usage if model in found else usage
    return found


def _metadata(sample: SampleRecord) -> dict[str, Any]:
    return {
        "rollout": sample.rollout,
        "seed": sample.seed,
        "ended_by": sample.ended_by,
        "retried": sample.retried,
        "past_context": sample.past_context,
        "read_as_the_answer": sample.extracted,
        "latent_steps": sum(usage.latent_steps for usage in sample.usage),
        "times": "recorded" if sample.recorded else "not recorded: events stand at the run's start",
    }


@dataclass(frozen=True)
class _Turn:
    """An agent's turn, and its times."""

    usage: StageUsage
    begin: datetime
    end: datetime
    text: str
    calls: Sequence[ToolCall]
    is_answer: bool


class _Events:
    """The events of a sample, in order."""

    def __init__(self, source: Source, sample: SampleRecord, models: Mapping[str, str]) -> None:
        self._sample = sample
        self._models = models
        self._start = source.started
        self._kept = read_messages(source.path, sample.id) if sample.messages else {}
        self._lenses = read_lenses(source.path, sample.id) if sample.messages else {}
        self._name = f"{sample.id}/{sample.rollout}"
        self._done = 0.0
        """Seconds of work so far."""

    def __iter__(self) -> Iterator[Event]:
        sample = self._sample
        turns = [self._turn(usage) for usage in sample.usage]
        begin = turns[0].begin if turns else self._start
        asked = Sample(input=sample.question, target=sample.gold, id=sample.id, metadata=_metadata(sample))
        yield SampleInitEvent(sample=asked, state={}, timestamp=begin, working_start=0.0)
        for number, group in groupby(turns, key=lambda turn: turn.usage.round):
            members = list(group)
            span = f"round {number}"
            yield self._begin(span, "round", None, members[0].begin)
            for turn in members:
                yield from self._turn_events(turn, span)
            yield self._end(span, members[-1].end)
        yield from self._scoring(turns[-1].end if turns else self._start)

    def output(self, usage: StageUsage) -> ModelOutput:
        """What was written in a turn; nothing in one that passed on latents."""
        text = self._text(usage)
        model = self._models.get(usage.role, usage.role)
        choices = []
        if text is not None:
            ended_by = self._sample.ended_by if self._is_answer(usage) else ""
            message = ChatMessageAssistant(content=text, source="generate", model=model)
            choices = [
                ChatCompletionChoice(message=message, stop_reason=STOP_REASONS.get(ended_by, "unknown"))
            ]
        return ModelOutput(
            model=model, choices=choices, usage=usage_of(usage), time=usage.seconds, completion=text or ""
        )

    def _is_answer(self, usage: StageUsage) -> bool:
        return usage is self._sample.usage[-1]

    def _text(self, usage: StageUsage) -> str | None:
        if self._is_answer(usage):
            return None if self._sample.error else self._sample.text
        passage = self._sample.passages.get(f"r{usage.round}/{usage.role}")
        return passage.text if passage else None

    def _turn(self, usage: StageUsage) -> _Turn:
        passage = self._sample.passages.get(f"r{usage.round}/{usage.role}")
        is_answer = self._is_answer(usage)
        return _Turn(
            usage=usage,
            begin=_moment(usage.started) or self._start,
            end=_moment(usage.ended) or self._start,
            text=self._text(usage) or "",
            calls=self._sample.tool_calls if is_answer else passage.tool_calls if passage else (),
            is_answer=is_answer,
        )

    def _turn_events(self, turn: _Turn, parent: str) -> Iterator[Event]:
        usage = turn.usage
        span = f"{parent}/{usage.role}"
        yield self._begin(span, "agent", parent, turn.begin, name=usage.role)
        yield ModelEvent(
            model=self._models.get(usage.role, usage.role),
            role=usage.role,
            input=[ChatMessageUser(content=self._sample.question)] if turn.is_answer else [],
            tools=[],
            tool_choice="none",
            config=GenerateConfig(),
            output=self.output(usage),
            timestamp=turn.begin,
            completed=turn.end,
            working_start=self._done,
            working_time=usage.seconds,
            span_id=self._id(span),
            metadata={
                name: getattr(usage, name)
                for name in ("latents_read", "latent_steps", "positions_computed", "positions_reused")
            },
        )
        for number, call in enumerate(turn.calls):
            yield self._tool(call, f"{span}/{number}", span, turn)
        self._done += usage.seconds
        yield from self._messages(turn, span)
        yield self._end(span, turn.end)

    def _tool(self, call: ToolCall, name: str, span: str, turn: _Turn) -> ToolEvent:
        kind = TOOL_ERRORS.get(call.status)
        started = _moment(call.started)
        return ToolEvent(
            id=self._id(name),
            function=call.tool,
            arguments={"request": call.request},
            result=call.result,
            error=ToolCallError(kind, call.result) if kind else None,
            timestamp=started or turn.begin,
            working_start=self._done,
            working_time=call.seconds,
            span_id=self._id(span),
            metadata={"status": call.status, "cached": call.cached},
        )

    def _messages(self, turn: _Turn, span: str) -> Iterator[InfoEvent]:
        """What went over the agent's links once its turn was over."""
        for name, size in self._sample.messages.items():
            number, _, link = name.partition("/")
            if (number, link.partition("->")[0]) != (f"r{turn.usage.round}", turn.usage.role):
                continue
            data: dict[str, Any] = {
                "message": name,
                "shape": list(size.shape),
                "mean_norm": _finite(size.norm),
            }
            if name in self._lenses:
                data |= _in_words(self._lenses[name])
            if name in self._kept:
                data["norms"] = message_figures(self._kept[name])["norms"]
            yield InfoEvent(
                source=link, data=data, timestamp=turn.end, working_start=self._done, span_id=self._id(span)
            )

    def _scoring(self, before: datetime) -> Iterator[Event]:
        """The verdicts, when all of them had been given."""
        graded = _moment(self._sample.recorded) or before
        yield self._begin("scorers", "scorers", None, graded)
        for name, verdict in self._sample.verdicts.items():
            span = f"scorers/{name}"
            yield self._begin(span, "scorer", "scorers", graded, name=name)
            yield ScoreEvent(
                score=score_of(verdict),
                target=self._sample.gold,
                scorer=name,
                timestamp=graded,
                working_start=self._done,
                span_id=self._id(span),
            )
            yield self._end(span, graded)
        yield self._end("scorers", graded)

    def _begin(
        self, span: str, kind: str, parent: str | None, when: datetime, name: str | None = None
    ) -> SpanBeginEvent:
        return SpanBeginEvent(
            id=self._id(span),
            parent_id=self._id(parent) if parent else None,
            span_id=self._id(span),
            type=kind,
            name=name or span,
            timestamp=when,
            working_start=self._done,
        )

    def _end(self, span: str, when: datetime) -> SpanEndEvent:
        return SpanEndEvent(
            id=self._id(span), span_id=self._id(span), timestamp=when, working_start=self._done
        )

    def _id(self, span: str) -> str:
        return f"{self._name}/{span}"


def _in_words(lens: Lens) -> dict[str, Any]:
    """A message in words: of what was heard and said the foremost tokens as a text, and all of them."""
    sides = {"heard": lens.heard, "said": lens.said}
    words = {name: "".join(row[0][0] for row in rows if row) for name, rows in sides.items() if rows}
    tokens = {name: [[list(token) for token in row] for row in rows] for name, rows in sides.items()}
    return {**words, "lens": tokens}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _seconds_between(first: str | None, last: str | None) -> float | None:
    begin, end = _moment(first), _moment(last)
    return (end - begin).total_seconds() if begin and end else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
