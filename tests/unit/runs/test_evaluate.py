"""What a run shows while it solves, and what it checks before it reads questions."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from recursivemas.benchmarks import Questions
from recursivemas.cli.main import main
from recursivemas.grading import Grade
from recursivemas.output import progress
from recursivemas.output.redaction import keep_secret
from recursivemas.question import Question
from recursivemas.recursion.batches import Batches
from recursivemas.recursion.trace import Solution
from recursivemas.runs import evaluate, prepare
from recursivemas.runs.record import SampleRecord
from recursivemas.settings import resolve_settings
from recursivemas.styles import DISTILLATION


class WarningSolver:
    """Gives no answers, but a warning from under way."""

    def solve(self, questions, size, watcher):
        watcher.turn(1, "solver")
        watcher.token(1)
        logging.getLogger("recursivemas.somewhere").warning("look here")
        return [dict.fromkeys(range(len(questions)), ())]


def test_warnings_stand_above_the_progress_bar(capsys, monkeypatch):
    settings, _ = resolve_settings({})
    folder = SimpleNamespace(
        pending=lambda keys: iter(range(len(keys))), num_done=0, put=lambda *_, **__: None
    )
    questions = [Question(id="q", text="What?")]
    batches = Batches(WarningSolver(), 8)
    monkeypatch.setattr(progress, "REFRESH_IN_FILE_S", 0.0)
    graders = SimpleNamespace(grade=lambda _: [])
    evaluate._solve(DISTILLATION, questions, settings.solve, graders, batches, folder, show=True)
    written = capsys.readouterr().err
    before, _, after = written.partition("look here")
    assert "question" in before
    assert before[-1] in "\r\n"
    assert after.startswith("\n")


def test_a_key_that_came_back_in_an_error_is_not_in_the_sample():
    keep_secret("tvly-0123456789")
    solution = Solution(question=Question(id="q", text="What?"), error="refused: tvly-0123456789")
    verdicts = {"release": Grade(correct=False, extracted=None, how="not run", error="tvly-0123456789?")}
    sample = SampleRecord.of(solution, verdicts, 42).to_json()
    assert sample["error"] == "refused: [redacted]"
    assert sample["verdicts"]["release"]["error"] == "[redacted]?"


@pytest.mark.process
@pytest.mark.parametrize("flags", [(), ("--dry_run",)])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--tavily_keys_file", "nowhere.txt"), "nowhere.txt"),
        (("--judge_model", "small"), "OPENAI_API_KEY"),
    ],
)
def test_tools_and_judge_are_checked_before_questions_are_fetched(
    flags, given, says, tmp_path, monkeypatch, capsys
):
    def fetch(*_, **__):
        if not flags:  # the dry run tells of everything that it can
            raise AssertionError("questions were read")
        return Questions((), commit=None)

    monkeypatch.setattr(prepare, "load_questions", fetch)
    for name in ("TAVILY_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    run = [
        "run",
        "--style",
        "deliberation",
        "--dataset",
        "bamboogle",
        "--release",
        "toy-random",
        "--device",
        "cpu",
    ]
    assert main([*run, "--allow_unisolated_code", *given, *flags]) == 2
    assert says in capsys.readouterr().err
