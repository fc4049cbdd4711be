"""A run's graders: those that its benchmark names, a sandbox for code, and a judge where one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recursivemas.benchmarks import Benchmark
from recursivemas.grading import Grade, Grader, Judge, JudgeSettings, grade
from recursivemas.grading.code import CodeGrader
from recursivemas.grading.release_code import CodeColumns
from recursivemas.grading.voting import SAME, Same, same_to_judge
from recursivemas.recursion.trace import Solution
from recursivemas.sandbox import find_isolation
from recursivemas.settings import GradingSettings, ToolSettings

JUDGE = "judge"


class RunGraders:
    """Grades a run's answers. Built, and checked, before any model is loaded; `tools` say where code runs.

    Raises UserError when a sandbox is needed and none is to be had, or the judge cannot be asked.
    """

    def __init__(self, benchmark: Benchmark, settings: GradingSettings, tools: ToolSettings) -> None:
        self._benchmark = benchmark
        self._code: CodeColumns | None = None
        self._judge: Judge | None = None
        if benchmark.task == "code":
            isolation = find_isolation(allow_unisolated=tools.allow_unisolated_code)
            strict = CodeGrader(isolation=isolation, private_tests=settings.lcb_use_private_tests)
            self._code = CodeColumns(strict=strict)
        if settings.judge_model:
            self._judge = Judge(JudgeSettings(model=settings.judge_model, base_url=settings.judge_base_url))
            self._judge.check()

    @property
    def names(self) -> tuple[str, ...]:
        """The verdicts that each sample gets; the first one's is the headline."""
        return (*self._benchmark.graders, *((JUDGE,) if self._judge else ()))

    @property
    def same(self) -> dict[str, Same]:
        """By verdict, when two answers vote for the same result; none of code, where nothing is voted on."""
        if self._code is not None:
            return {}
        judges = {JUDGE: same_to_judge(self._judge)} if self._judge else {}
        return {**{name: SAME[name] for name in self._benchmark.graders}, **judges}

    def describe(self) -> dict[str, Any]:
        """What decided the verdicts, for the run's record."""
        return {
            "names": list(self.names),
            "code_isolation": self._code.strict.isolation if self._code else None,
            "judge": self._judge.describe() if self._judge else None,
        }

    def grade(self, solutions: Sequence[Solution]) -> list[dict[str, Grade]]:
        """Each solution's verdicts by grader. A question that could not be run counts as wrong."""
        failed: dict[str, Grade] = dict.fromkeys(
            self.names, Grade(correct=False, extracted=None, how="not run")
        )
        if self._code is None:
            more: dict[str, Grader] = {JUDGE: self._judge} if self._judge else {}
            return [
                failed
                if solution.error
                else grade(solution.own_text, solution.question, self._benchmark.graders, more)
                for solution in solutions
            ]
        answers = [(solution.own_text, solution.question) for solution in solutions if not solution.error]
        graded = iter(self._code.grade_many(answers))
        return [failed if solution.error else self._columns(next(graded)) for solution in solutions]

    def _columns(self, verdicts: Mapping[str, Grade]) -> dict[str, Grade]:
        """Of code, tests are the judge: a model that was to be one has the strict verdict's place."""
        return {name: verdicts["strict" if name == JUDGE else name] for name in self.names}
