"""The record of a sample: what a run keeps of one question in one rollout, a line in `samples.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from recursivemas.grading import Grade
from recursivemas.grading.code import CodeGrade
from recursivemas.output.redaction import redact_data
from recursivemas.recursion.trace import MessageSize, Passage, Solution, StageUsage
from recursivemas.tools import ToolCall
from recursivemas.values import TAG, Count, Flag, Moment, Text, Whole, convert, now

Key = tuple[str, int]
"""What tells a sample from the others of its run: the question's id, and the rollout."""

_ON_CODE, _PLAIN = f"{TAG}on code", f"{TAG}plain"


def _kind_of_verdict(verdict: Any) -> str:
    is_on_code = "verdict" in verdict if isinstance(verdict, Mapping) else isinstance(verdict, CodeGrade)
    return _ON_CODE if is_on_code else _PLAIN


Verdict = Annotated[
    Annotated[CodeGrade, Tag(_ON_CODE)] | Annotated[Grade, Tag(_PLAIN)], Discriminator(_kind_of_verdict)
]


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """One answer to one question, with what led to it.

    Fields with a default may be missing in what an older version wrote.
    """

    id: Text
    """The question's."""
    rollout: Count
    seed: Whole | None = None
    """The rollout's own."""
    question: Text
    gold: Text
    text: Text
    """The answer as written, tools' results in their places."""
    extracted: Text | None = None
    """What the headline's grader read as the answer; None where it found none."""
    verdicts: Mapping[Text, Verdict]
    """By grader, the headline's first."""
    ended_by: Text = "unknown"
    """`stop`, `length` or `calls`, as in `Solution`; empty where the question could not be run."""
    retried: Flag = False
    """Whether the agent was asked again, as no answer could be read."""
    past_context: Flag = False
    """Whether the answer ran past the context that its model was made for."""
    error: Text | None = None
    """Why the question could not be run."""
    token_ids: tuple[Count, ...] = ()
    """Those that were written, in the answering agent's tokenizer."""
    tool_calls: tuple[ToolCall, ...] = ()
    """In the answer, in order."""
    messages: Mapping[Text, MessageSize] = field(default_factory=dict)
    """By `r{round}/{source}->{target}`; like `passages`, with a question's first rollout only."""
    passages: Mapping[Text, Passage] = field(default_factory=dict)
    """By `r{round}/{role}`."""
    usage: tuple[StageUsage, ...]
    """Of the turns before the answer, with a question's first rollout, and of the answer's own."""
    recorded: Moment | None = None
    """When the answer had been written and graded."""

    @classmethod
    def of(cls, solution: Solution, verdicts: Mapping[str, Grade], sample_seed: int) -> SampleRecord:
        """The record of a solution and its verdicts, the headline's first; the run has that `sample_seed`."""
        question = solution.question
        return cls(
            id=question.id,
            rollout=solution.rollout,
            seed=sample_seed + solution.rollout,
            question=question.text,
            gold=question.gold,
            text=solution.text,
            extracted=next(iter(verdicts.values())).answer,
            verdicts=dict(verdicts),
            ended_by=solution.ended_by,
            retried=solution.retried,
            past_context=solution.past_context,
            error=solution.error,
            token_ids=solution.token_ids,
            tool_calls=solution.tool_calls,
            messages=dict(solution.message_sizes),
            passages=dict(solution.passages),
            usage=solution.usage,
            recorded=now(),
        )

    @classmethod
    def from_json(cls, data: Any) -> SampleRecord:
        """A record from a line's value; keys that this version does not know are left out.

        Raises ValueError with the first place that is not as it has to be.
        """
        return convert(cls, data)

    def to_json(self) -> dict[str, Any]:
        """The line's value, without keys and passwords that servers have repeated."""
        return redact_data(asdict(self))

    @property
    def key(self) -> Key:
        return self.id, self.rollout

    @property
    def all_tool_calls(self) -> Iterator[ToolCall]:
        """Those in what agents passed on as text, then those in the answer."""
        for passage in self.passages.values():
            yield from passage.tool_calls
        yield from self.tool_calls
