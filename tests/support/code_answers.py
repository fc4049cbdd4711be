"""Questions about code with their tests, and answers to them."""

import textwrap
from dataclasses import dataclass

from recursivemas.grading.code_tests import ScriptTests, case_job
from recursivemas.question import Question

ASSERTIONS = """
def check(result, expected):
    assert result == expected


inputs = [[1, 2], [0, 0], [-1, 5]]
for arguments, expected in zip(inputs, [3, 0, 4]):
    check(add(*arguments), expected)
"""


@dataclass(frozen=True)
class Cases:
    cases: list[tuple[str, str]]
    time_s: float

    def to_job(self, question, *, private):
        return case_job(question, self.cases, self.time_s)


def script(assertions=ASSERTIONS, time_s=10.0, name="add"):
    tests = ScriptTests(script=assertions, time_s=time_s)
    return Question(id="q", text="", kind="function", function_name=name, meta={"tests": tests})


def function(*cases, name="add", time_s=6.0):
    tests = Cases(list(cases), time_s)
    return Question(id="q", text="", kind="function", function_name=name, meta={"tests": tests})


def program(*cases, time_s=6.0):
    return Question(id="q", text="", kind="program", meta={"tests": Cases(list(cases), time_s)})


def short_if(verdict):
    """Little time where it has to run out, enough for a busy machine elsewhere."""
    return 0.8 if verdict == "time limit" else 6.0


def answer(code):
    return f"Here it is.\n```python\n{textwrap.dedent(code).strip()}\n```\n"
