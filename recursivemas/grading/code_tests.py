"""The tests of a code question, as its benchmark gives them and as the sandbox's harness reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recursivemas.question import Question

START_S = 5.0
"""What starting and loading may take on top of the limits for each case."""

Case = tuple[str, str]
"""Input and expected output: of a program, or of a function as JSON, one argument a line."""


@dataclass(frozen=True, kw_only=True)
class TestJob:
    """What the harness has to do (see `harness.main`) and how much processor time all of it may take."""

    __test__ = False  # not for pytest

    fields: Mapping[str, Any]
    time_s: float


class CodeTests(Protocol):
    """What a code question's `meta["tests"]` holds."""

    def to_job(self, question: Question, *, private: bool) -> TestJob:
        """The job, with private tests if they are wanted; ValueError when the tests cannot be read."""


@dataclass(frozen=True, kw_only=True)
class ScriptTests:
    """A script of assertions about the solution's function.

    `time_s` is the processor time of the whole script. `broadcast`: whether comparisons of numpy may hold for
    two values of different shapes, as `np.allclose([0, 0], 0)` does.
    """

    script: str
    time_s: float
    broadcast: bool = False

    def to_job(self, question: Question, *, private: bool) -> TestJob:
        fields = {
            "mode": "script",
            "tests": self.script,
            "function_name": question.function_name,
            "broadcast": self.broadcast,
        }
        return TestJob(fields=fields, time_s=self.time_s)


def case_job(question: Question, cases: Sequence[Case], time_s: float) -> TestJob:
    """Cases in order, up to the first that fails; `time_s` is each one's processor time."""
    fields = {
        "mode": "programs" if question.kind == "program" else "functions",
        "function_name": question.function_name,
        "cases": list(cases),
        "time_s": time_s,
    }
    return TestJob(fields=fields, time_s=START_S + (time_s + 1) * len(cases))
