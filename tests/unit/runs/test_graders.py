"""A run's verdicts on code: a column each for the release and the strict grader."""

from __future__ import annotations

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.grading.code_tests import ScriptTests
from recursivemas.question import Question
from recursivemas.recursion.trace import Solution
from recursivemas.runs.graders import RunGraders
from recursivemas.settings import GradingSettings, ToolSettings

pytestmark = pytest.mark.process

QUESTION = Question(
    id="q",
    text="",
    kind="function",
    function_name="one",
    meta={"tests": ScriptTests(script="assert one() == 1", time_s=10)},
)
ONE = "```python\ndef one(): return 1\n```"


def test_code_has_a_verdict_of_each_grader():
    graders = RunGraders(BENCHMARKS["mbppplus"], GradingSettings(), ToolSettings(allow_unisolated_code=True))
    exits, second = "```python\nraise SystemExit\n```", f"```py\nx\n```\n{ONE}"
    texts = [ONE, exits, second, ONE.replace("python", "")]
    solutions = [Solution(question=QUESTION, text=text) for text in texts]
    solutions.insert(1, Solution(question=QUESTION, error="too long"))
    verdicts = graders.grade(solutions)
    assert [(row["release"].correct, row["strict"].correct) for row in verdicts] == [
        (True, True),
        (False, False),
        (True, False),
        (True, True),
        (False, True),
    ]
    assert verdicts[1]["release"].how == "not run"
    assert {tuple(row) for row in verdicts} == {("release", "strict")}
    assert graders.same == {}, "programs are not voted on"
    maths = RunGraders(BENCHMARKS["math500"], GradingSettings(), ToolSettings())
    assert tuple(maths.same) == maths.names
