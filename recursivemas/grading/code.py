"""Grading code: the tests of a question run against the code in an answer, in a sandbox.

The `strict` verdict, and of cases the `release` one too; scripts the release runs in its own way, which is in
`release_code`. It departs from one script with everything in it only where that script could be fooled: a
solution that ends the process, patches what the tests use, or returns an object that claims to equal anything
does not pass.

Source: docs/protocol.md, "Questions" (mbppplus, livecodebench).
"""

from __future__ import annotations

import compileall
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from recursivemas.files.thread_pools import thread_pool
from recursivemas.grading.base import Grade
from recursivemas.grading.code_tests import CodeTests, TestJob
from recursivemas.grading.extract import last_code_block
from recursivemas.grading.harness.allowance import WALL_FACTOR
from recursivemas.question import CODE_KINDS, Question
from recursivemas.sandbox import Isolation, Limits, Outcome, run_python, site_packages
from recursivemas.sandbox.isolation import INSIDE
from recursivemas.values import Number

CodeVerdict = Literal[
    "passed",
    "wrong answer",
    "runtime error",
    "compile error",
    "time limit",
    "memory limit",
    "output limit",
    "process limit",
    "ended early",
    "no code",
    "bad tests",
]
"""What became of the tests. `ended early`: the solution's process, or that of the tests, ended before they
were through. `bad tests`: they cannot run here, which says nothing about the solution."""

HARNESS = Path(__file__).with_name("harness")
START = "from harness.main import main; main()"
HARNESS_BYTES = 1 << 29
BYTES_PER_JOB_BYTE = 16
"""Memory for the tests' own process: a fixed part, and one that grows with the tests."""
ENDED_BY: Mapping[str, CodeVerdict] = {
    "time": "time limit",
    "memory": "memory limit",
    "output": "output limit",
    "processes": "process limit",
}


@dataclass(frozen=True, kw_only=True)
class CodeGrade(Grade):
    """A verdict on code."""

    verdict: CodeVerdict
    """What became of the tests."""
    seconds: Number = 0.0
    """The time that they took."""


@dataclass(frozen=True, kw_only=True)
class CodeGrader:
    """Grades answers to code questions, whose `meta["tests"]` is a `CodeTests`.

    Time limits count the processor's time, so that a busy machine changes no verdict; the wall clock ends
    what waits for `WALL_FACTOR` times as long.
    """

    isolation: Isolation
    """A level from `recursivemas.tools.find_isolation`."""
    workers: int = os.cpu_count() or 1
    """How many answers are graded at a time."""
    memory_bytes: int = 2 << 30
    """What a solution may use."""
    private_tests: bool = True
    """Whether a benchmark's private tests count too, where it has some."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it has to be at least 1")
        # Where the harness runs it cannot write, and would compile its modules again every time.
        compileall.compile_dir(HARNESS, quiet=2)

    def grade_many(self, answers: Iterable[tuple[str, Question]]) -> list[CodeGrade]:
        """The verdicts on (the answering agent's text, question), in that order."""
        with thread_pool(self.workers) as pool:
            return list(pool.map(lambda answer: self.grade(*answer), answers))

    def grade(self, text: str, question: Question) -> CodeGrade:
        """The verdict on the last fenced block of a text; raises what `grade_code` raises."""
        return self.grade_code(last_code_block(text), question)

    def grade_code(self, code: str | None, question: Question) -> CodeGrade:
        """The verdict on a solution, None where there is none.

        Raises ValueError for a question that is not about code, and SandboxError when the sandbox cannot be
        set up. Nothing that the code does raises.
        """
        if question.kind not in CODE_KINDS:
            raise ValueError(
                f"question {question.id} is of the kind {question.kind}, which has no code to grade"
            )
        if code is None:
            return CodeGrade(correct=False, extracted=None, how="no code: no fenced block", verdict="no code")
        verdict, detail, seconds = self._run_tests(code, question)
        return make_grade(code, verdict, detail, seconds)

    def limits(self, job: TestJob, num_bytes: int) -> Limits:
        """What a run may use on top of what a solution may, for tests that are so large."""
        job_bytes = BYTES_PER_JOB_BYTE * num_bytes
        return Limits(
            time_s=WALL_FACTOR * job.time_s,
            cpu_s=job.time_s,
            memory_bytes=self.memory_bytes + HARNESS_BYTES + job_bytes,
            tmp_bytes=Limits.tmp_bytes + job_bytes,
            file_bytes=Limits.file_bytes + job_bytes,
        )

    def _run_tests(self, code: str, question: Question) -> tuple[CodeVerdict, str, float]:
        tests = cast(CodeTests, question.meta["tests"])
        try:
            job = tests.to_job(question, private=self.private_tests)
        except ValueError as error:
            return "bad tests", str(error), 0.0
        nonce = secrets.token_hex(16)
        fields = {**job.fields, "code": code, "memory_bytes": self.memory_bytes, "nonce": nonce}
        stdin = json.dumps(fields)
        outcome = run_python(
            START,
            stdin=stdin,
            limits=self.limits(job, len(stdin)),
            isolation=self.isolation,
            import_from=[HARNESS, INSIDE, *site_packages()],
        )
        return *_read_verdict(outcome, nonce), outcome.seconds


def make_grade(code: str, verdict: CodeVerdict, detail: str, seconds: float) -> CodeGrade:
    """The grade of a solution that was run."""
    return CodeGrade(
        correct=verdict == "passed",
        extracted=code,
        how=f"{verdict}: {detail}",
        error=detail if verdict == "bad tests" else None,
        verdict=verdict,
        seconds=seconds,
    )


def what_stopped(outcome: Outcome) -> tuple[CodeVerdict, str] | None:
    """The limit that ended the tests, if one did."""
    if outcome.ended_by not in ENDED_BY:
        return None
    used = f"{outcome.seconds:.1f} s, {outcome.cpu_seconds:.1f} s of them on a processor"
    return ENDED_BY[outcome.ended_by], f"the tests were stopped after {used}"


def how_it_ended(outcome: Outcome) -> str:
    """In words, with the last line of what it had to say."""
    end = f"signal {outcome.signal}" if outcome.signal else f"exit code {outcome.exit_code}"
    last_line = outcome.stderr.strip().rpartition("\n")[2]
    return f"the tests' process ended with {end}. {last_line}".rstrip()


def _read_verdict(outcome: Outcome, nonce: str) -> tuple[CodeVerdict, str]:
    """The verdict that the tests' process wrote; none but that process holds the nonce."""
    if stopped := what_stopped(outcome):
        return stopped
    if outcome.exit_code != 0 or not outcome.verdict:
        return "ended early", how_it_ended(outcome)
    try:
        verdict = json.loads(outcome.verdict)
        if not hmac.compare_digest(verdict["nonce"], nonce):
            raise ValueError("it is somebody else's")
        return verdict["kind"], verdict["detail"]
    except (ValueError, TypeError, LookupError):
        return "ended early", f"the tests' process left no verdict but {outcome.verdict[:200]!r}"
