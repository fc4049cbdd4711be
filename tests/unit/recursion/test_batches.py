"""Where memory runs out: fewer questions side by side, the same answers, nothing lost."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
import torch

from recursivemas.cli.main import run_main
from recursivemas.errors import UserError
from recursivemas.question import Question
from recursivemas.recursion.batches import Batches, Halving, choose_window, is_out_of_memory
from recursivemas.recursion.window import Window
from recursivemas.settings import resolve_settings
from tests.support.run_folders import without_times

QUESTIONS = [Question(id=str(number), text="?") for number in range(11)]


class SmallSolver:
    """Answers with ids, no more than `most` at a time; so many `answers` come before memory runs out."""

    def __init__(self, most: int, error: Exception | None = None, answers: int = 0) -> None:
        self.most = most
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.answers = answers
        self.tried: list[tuple[int, int]] = []

    def solve(self, questions, size, watcher):
        self.tried.append((len(questions), size))
        solved = {place: [question.id] for place, question in enumerate(questions)}
        if min(len(questions), size) > self.most:
            places = sorted(solved)[-self.answers :] if self.answers else []
            yield {place: solved[place] for place in places}
            raise self.error
        yield solved


def solve(batches: Batches, questions=QUESTIONS, begin=None) -> list[str]:
    """The answers, each of which came once, in the order of the questions."""
    parts = list(batches.solve(questions, begin=begin))
    found = {place: answer for part in parts for place, [answer] in part.items()}
    assert len(found) == sum(map(len, parts))
    return [found[place] for place in range(len(questions))]


IDS = [question.id for question in QUESTIONS]


def test_batches_that_do_not_fit_are_halved_and_so_are_those_after_them(caplog):
    solver, begun = SmallSolver(2), []
    batches = Batches(solver, 4, answer_window=2)
    with caplog.at_level(logging.WARNING):
        assert solve(batches, begin=begun.append) == IDS
    assert solver.tried == [(8, 4), (8, 2), (3, 2)], "a window stays as large as it was"
    assert begun == [8, 8, 3]
    assert batches.halvings == [Halving(4, 2)]
    said = [record.getMessage() for record in caplog.records]
    assert said == ["out of memory with 4 rows side by side: going on with 2; nothing is lost"]
    assert solve(batches) == IDS
    assert solver.tried[3:] == [(8, 2), (3, 2)], "it goes on with what fitted"


@pytest.mark.parametrize(
    ("given", "num_batches", "num_processes", "chosen"),
    [
        ("auto", 3, 1, 16),
        ("auto", 500, 1, 16),
        ("auto", 500, 4, 16),
        ("auto", 64, 8, 4),
        ("auto", 16, 8, 1),
        ("auto", 3, 8, 1),
        (5, 3, 8, 5),
    ],
)
def test_several_processes_get_windows_each_unless_their_width_is_given(
    given, num_batches, num_processes, chosen
):
    settings = replace(resolve_settings({})[0].solve, answer_window=given)
    assert choose_window(settings, num_batches, num_processes) == chosen


def test_what_is_finished_before_memory_runs_out_is_not_solved_again():
    solver = SmallSolver(2, answers=3)
    assert solve(Batches(solver, 8)) == IDS
    assert solver.tried == [(8, 8), (5, 4), (2, 2), (3, 2)]


def test_a_small_batch_is_halved_below_its_own_size():
    solver = SmallSolver(2)
    assert solve(Batches(solver, 32), QUESTIONS[:3]) == IDS[:3]
    assert solver.tried == [(3, 32), (3, 2)]


def test_answers_to_one_question_are_rows_side_by_side(monkeypatch):
    solver = SmallSolver(1)
    monkeypatch.setattr(solver, "most", 0)
    batches = Batches(solver, 4, num_rollouts=3)
    with pytest.raises(UserError, match="question '0' alone"):
        solve(batches, QUESTIONS[:1])
    assert batches.halvings == [Halving(3, 2), Halving(2, 1)]


def test_what_fits_is_solved_as_before():
    solver = SmallSolver(8)
    batches = Batches(solver, 8)
    assert solve(batches) == IDS
    assert solver.tried == [(8, 8), (3, 8)]
    assert (batches.size, batches.halvings) == (8, [])


def test_one_question_that_does_not_fit_is_an_error_that_says_what_helps():
    with pytest.raises(UserError, match=r"out of memory with question '0' alone.*--resume.*max_new_tokens"):
        solve(Batches(SmallSolver(0), 4))
    with pytest.raises(UserError, match="4 rows side by side, and shuffled messages depend"):
        solve(Batches(SmallSolver(2), 4, can_halve=False))


def test_other_errors_are_none_of_memory():
    with pytest.raises(RuntimeError, match="size mismatch"):
        solve(Batches(SmallSolver(2, RuntimeError("size mismatch")), 4))
    with pytest.raises(RuntimeError) as huge:
        torch.empty(2**60)
    assert is_out_of_memory(huge.value)
    for words in (
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED",
        "CUDA error: out of memory",
        "MPS backend out of memory (MPS allocated: 8.92 GiB, max allowed: 9.07 GiB)",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 137438953472 bytes",
    ):
        assert solve(Batches(SmallSolver(2, RuntimeError(words)), 4)) == IDS


@pytest.mark.process
def test_a_run_that_runs_out_of_memory_ends_as_one_with_smaller_batches(
    tmp_path, toy_release, monkeypatch, capsys
):
    path = tmp_path / "questions.jsonl"
    rows = [{"problem": f"What is {n} + {n}?", "answer": "1", "unique_id": f"q{n}"} for n in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--style", "sequential_light", "--device", "cpu", "--release", str(toy_release)]
    flags += ["--dataset_path", str(path), "--num_recursive_rounds", "2", "--latent_length", "2"]
    flags += ["--max_new_tokens", "5", "--num_rollouts", "2", "--save_latents", "--dtype", "float64"]

    def run(name: str, *more: str) -> tuple[list[dict], dict]:
        folder = tmp_path / name
        assert run_main([*flags, "--output_dir", str(folder), *more]) == 0
        lines = (folder / "samples.jsonl").read_text().splitlines()
        samples = [without_times(json.loads(line)) for line in lines]
        for sample in samples:
            # What was read together decides what was read anew.
            ours = {"positions_computed": None, "positions_reused": None}
            sample["usage"] = [{**usage, **ours} for usage in sample["usage"]]
        return samples, json.loads((folder / "config.json").read_text())

    small, _ = run("small", "--batch_size", "2")
    whole = Window.answer

    def answer(self, size):
        if size > 2:  # by then all have thought for all their rounds
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, size)

    monkeypatch.setattr(Window, "answer", answer)
    halved, config = run("halved", "--batch_size", "5")
    assert halved == small
    assert config["launches"][0]["out_of_memory"] == [{"side_by_side": 5, "then": 2}]
    assert config["batch_size"] == 5
    assert "out of memory with 5 rows side by side: going on with 2" in capsys.readouterr().err
    messages = [
        sorted(file.name for file in (tmp_path / name / "latents").iterdir()) for name in ("small", "halved")
    ]
    assert messages[0] == messages[1]

    def fail(self, size):
        for number, finished in enumerate(whole(self, size)):
            if number == 2 or size == 1:  # behind the answers to four questions
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield finished

    monkeypatch.setattr(Window, "answer", fail)
    assert run_main([*flags, "--output_dir", str(tmp_path / "stopped"), "--batch_size", "2"]) == 2
    assert "error: out of memory with question 'q4' alone" in capsys.readouterr().err
    assert len((tmp_path / "stopped" / "samples.jsonl").read_text().splitlines()) == 8
    monkeypatch.undo()
    resumed, _ = run("stopped", "--batch_size", "2", "--resume")
    assert resumed == small
