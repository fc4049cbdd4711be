"""Code as the published release grades it, beside the strict verdict.

The release takes the first block of Python. Where the tests are a script, it puts imports, solution and tests
into one script, and exit status 0 passes: a solution that ends the process early passes, too. That script
runs in our sandbox, under our limits. Cases of programs and functions run as they do for the strict verdict.

Source: docs/protocol.md, "Code verdicts".
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from recursivemas.grading.code import (
    CodeGrade,
    CodeGrader,
    CodeVerdict,
    how_it_ended,
    make_grade,
    what_stopped,
)
from recursivemas.grading.code_tests import ScriptTests
from recursivemas.grading.harness import program
from recursivemas.grading.release_reading import first_code
from recursivemas.question import Question
from recursivemas.sandbox import Outcome, run_python, site_packages

RECURSION_LIMIT = 50_000
PREAMBLE = f"{program.PREAMBLE}sys.setrecursionlimit({RECURSION_LIMIT})\n"
# What a script prints is nobody's business, and must not count towards what it may leave.
MUTE = "import os\nos.dup2(os.open(os.devnull, os.O_WRONLY), 1)\ndel os\n"
KINDS: dict[str, CodeVerdict] = {
    "AssertionError": "wrong answer",
    "MemoryError": "memory limit",
    "SyntaxError": "compile error",
    "IndentationError": "compile error",
    "TabError": "compile error",
}
"""What became of a script, by the exception that ended it."""


@dataclass(frozen=True, kw_only=True)
class CodeColumns:
    """Both verdicts on code, by the names of their graders; `strict` has the settings of both."""

    strict: CodeGrader

    def grade_many(self, answers: Iterable[tuple[str, Question]]) -> list[dict[str, CodeGrade]]:
        """The verdicts on (the answering agent's text, question), in that order."""
        with ThreadPoolExecutor(self.strict.workers) as pool:
            return list(pool.map(lambda answer: self.grade(*answer), answers))

    def grade(self, text: str, question: Question) -> dict[str, CodeGrade]:
        """The verdicts on a text; raises what `CodeGrader.grade_code` raises. What is alike runs once."""
        strict = self.strict.grade(text, question)
        code = first_code(text)
        alike = code == strict.extracted and not isinstance(question.meta["tests"], ScriptTests)
        return {"release": strict if alike else self.grade_release(code, question), "strict": strict}

    def grade_release(self, code: str | None, question: Question) -> CodeGrade:
        """The release's verdict on a solution, None where there is none."""
        tests = question.meta.get("tests")
        if code is None or not isinstance(tests, ScriptTests):
            return self.strict.grade_code(code, question)
        return self._run_script(code, tests, question)

    def _run_script(self, code: str, tests: ScriptTests, question: Question) -> CodeGrade:
        script = f"{MUTE}{PREAMBLE}\n{code}\n\n{tests.script}\n"
        outcome = run_python(
            script,
            limits=self.strict.limits(tests.to_job(question, private=True), len(script)),
            isolation=self.strict.isolation,
            import_from=site_packages(),
        )
        return make_grade(code, *_read_verdict(outcome), outcome.seconds)


def _read_verdict(outcome: Outcome) -> tuple[CodeVerdict, str]:
    if stopped := what_stopped(outcome):
        return stopped
    if outcome.exit_code == 0:
        return "passed", "the script ended with exit status 0"
    exception = outcome.stderr.strip().rpartition("\n")[2].partition(":")[0]
    kind = "runtime error" if "Traceback" in outcome.stderr else "ended early"
    return KINDS.get(exception, cast(CodeVerdict, kind)), how_it_ended(outcome)
