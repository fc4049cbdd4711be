"""The record of a sample: what is written is read back, and what is no record says where."""

from __future__ import annotations

import dataclasses
import json

import pytest

from recursivemas.grading import Grade
from recursivemas.grading.code import CodeGrade
from recursivemas.question import Question
from recursivemas.recursion.trace import MessageSize, Passage, Solution, StageUsage
from recursivemas.runs.record import SampleRecord
from recursivemas.tools import ToolCall

CALL = ToolCall(tool="python", request="1", result="1", status="ok", seconds=0.5, start=3, end=41)
SOLUTION = Solution(
    question=Question(id="q", text="What?", gold="1"),
    rollout=2,
    text="so <python> 1 </python> ... half of a pair: \ud800",
    token_ids=(1, 2),
    ended_by="stop",
    usage=(StageUsage(round=1, role="solver", prompt_tokens=3, seconds=0.25),),
    tool_calls=(CALL,),
    message_sizes={"r1/a->b": MessageSize((2, 3), 1.5)},
    passages={"r1/a": Passage("so", (4, 5), (CALL,))},
)
GRADE = Grade(correct=True, extracted="1", how="equal", score=0.5)
ON_CODE = CodeGrade(correct=False, extracted="x", how="it ended", verdict="time limit", seconds=1.5)
RECORD = SampleRecord.of(SOLUTION, {"release": GRADE, "strict": ON_CODE}, 42)


def test_a_record_is_read_back_as_it_was():
    """With the types of its parts: a verdict on code keeps what became of the tests."""
    assert SampleRecord.from_json(json.loads(json.dumps(RECORD.to_json()))) == RECORD
    assert (RECORD.key, RECORD.seed, RECORD.extracted) == (("q", 2), 44, "1")
    assert list(RECORD.all_tool_calls) == [CALL, CALL]


def test_the_keys_of_a_line_are_these():
    assert list(RECORD.to_json()) == [
        *("id", "rollout", "seed", "question", "gold", "text", "extracted", "verdicts"),
        *("ended_by", "retried"),
        *("past_context", "error", "token_ids", "tool_calls", "messages", "passages", "usage"),
        "recorded",
    ]


def test_the_answer_is_what_the_first_grader_read_unless_it_stands_in_for_one():
    stand_in = dataclasses.replace(GRADE, stand_in=True)
    assert SampleRecord.of(SOLUTION, {"release": stand_in, "strict": GRADE}, 0).extracted is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rollout": True}, "rollout is True; it has to be a whole number"),
        ({"rollout": "5"}, "rollout is '5'; it has to be a whole number"),
        ({"retried": 1}, "retried is 1; it has to be true or false"),
        ({"text": None}, "text is None; it has to be text"),
        ({"id": [[["q"]]]}, "id is a list of 1; it has to be text"),
        ({"seed": 10**30}, "seed is 1000000000000000000000000000000; it has to be less than"),
        ({"usage": {}}, "usage is a mapping of 0; it has to be a list"),
        ({"usage": [5]}, r"usage\[0\] is 5; it has to be a mapping"),
        ({"usage": [{"round": 1}]}, r"usage\[0\].role is missing"),
        ({"usage": [{"round": 1, "role": "a", "seconds": float("nan")}]}, r"\[0\].seconds is nan; .* finite"),
        (
            {"verdicts": {"strict": {"correct": 1}}},
            "verdicts.strict.correct is 1; it has to be true",
        ),
        ({"recorded": "yesterday"}, "recorded: it is 'yesterday'; it has to be a time with its zone, as 20"),
        ({"recorded": "2026-11-27T01:30:00"}, "recorded: .*; it has to be a time with its zone"),
        ({"usage": [{"round": 1, "role": "a", "started": 5}]}, r"usage\[0\].started is 5; it has to be text"),
        ({"verdicts": {"strict": {"verdict": "?"}}}, "verdicts.strict.correct is missing"),
        ({"messages": {"r1/a->b": {"shape": [1]}}}, r"messages.'r1/a->b'.shape\[1\] is missing"),
        ({"text": "\x1b" * 99, "error": ["x" * 99]}, "error is a list of 1"),
        ({"rollout": "\x1b" * 99}, r"rollout is '(\\x1b){9}\\x1\.\.\.; it has to"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(fields, says):
    with pytest.raises(ValueError, match=says):
        SampleRecord.from_json({**RECORD.to_json(), **fields})


@pytest.mark.parametrize("value", [None, 5, [], "text"])
def test_what_is_no_mapping_is_no_record(value):
    with pytest.raises(ValueError, match="it has to be a mapping"):
        SampleRecord.from_json(value)


def test_keys_of_a_later_version_are_left_out_and_those_of_an_older_one_have_defaults():
    line = {**RECORD.to_json(), "later": 1}
    assert SampleRecord.from_json(line) == RECORD
    for younger in (
        "seed",
        "ended_by",
        "retried",
        "past_context",
        "token_ids",
        "tool_calls",
        "messages",
        "recorded",
    ):
        del line[younger]
    old = SampleRecord.from_json(line)
    assert (old.seed, old.ended_by, old.tool_calls, old.recorded) == (None, "unknown", (), None)
