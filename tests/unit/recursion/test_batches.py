"""Where memory runs out: fewer questions side by side, the same answers, nothing lost."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from recursivemas.cli.main import run_main
from recursivemas.errors import UserError
from recursivemas.question import Question
from recursivemas.recursion.batches import Batches, Halving, is_out_of_memory
from recursivemas.recursion.solve import Solver

QUESTIONS = [Question(id=str(number), text="?") for number in range(11)]


class SmallSolver:
    """Answers with ids, no more than `most` at a time."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self.most = most
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.tried: list[int] = []

    def solve(self, questions, watcher):
        self.tried.append(len(questions))
        if len(questions) > self.most:
            raise self.error
        return [question.id for question in questions]


def solve(batches: Batches, begin=None) -> list[list[str]]:
    return list(batches.solve(QUESTIONS, begin=begin))


def test_a_batch_that_does_not_fit_is_halved_and_so_are_those_after_it(caplog):
    solver, begun = SmallSolver(2), []
    batches = Batches(solver, 8)
    with caplog.at_level(logging.WARNING):
        parts = solve(batches, begun.append)
    assert [id_ for part in parts for id_ in part] == [question.id for question in QUESTIONS]
    assert solver.tried == begun == [8, 4, 2, 2, 2, 2, 2, 1]
    assert batches.halvings == [Halving(8, 4), Halving(4, 2)]
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "out of memory with 8 questions side by side: going on with 4; nothing is lost"
    assert len(said) == 2
    assert solve(batches)[0] == ["0", "1"], "it goes on with what fitted"


def test_a_small_batch_is_halved_below_its_own_size():
    solver = SmallSolver(2)
    batches = Batches(solver, 32)
    assert len(list(batches.solve(QUESTIONS[:3]))) == 2
    assert solver.tried == [3, 2, 1]


def test_what_fits_is_solved_as_before():
    solver = SmallSolver(8)
    batches = Batches(solver, 8)
    assert [len(part) for part in solve(batches)] == [8, 3]
    assert (batches.size, batches.halvings) == (8, [])


def test_one_question_that_does_not_fit_is_an_error_that_says_what_helps():
    with pytest.raises(UserError, match=r"out of memory with question '0' alone.*--resume.*max_new_tokens"):
        solve(Batches(SmallSolver(0), 4))
    with pytest.raises(UserError, match="4 questions side by side, and shuffled messages depend"):
        list(Batches(SmallSolver(2), 4, can_halve=False).solve(QUESTIONS))


def test_other_errors_are_none_of_memory():
    with pytest.raises(RuntimeError, match="size mismatch"):
        solve(Batches(SmallSolver(2, RuntimeError("size mismatch")), 4))
    with pytest.raises(RuntimeError) as huge:
        torch.empty(2**60)
    assert is_out_of_memory(huge.value)
    solver = SmallSolver(2, RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
    assert len(solve(Batches(solver, 4))) == 6


@pytest.mark.process
def test_a_run_that_runs_out_of_memory_ends_as_one_with_smaller_batches(
    tmp_path, toy_release, monkeypatch, capsys
):
    path = tmp_path / "questions.jsonl"
    rows = [{"problem": f"What is {n} + {n}?", "answer": "1", "unique_id": f"q{n}"} for n in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--style", "distillation", "--device", "cpu", "--release", str(toy_release)]
    flags += ["--dataset_path", str(path), "--num_recursive_rounds", "2", "--latent_length", "2"]
    flags += ["--max_new_tokens", "5", "--num_rollouts", "2", "--save_latents", "--dtype", "float64"]

    def run(name: str, *more: str) -> tuple[list[dict], dict]:
        folder = tmp_path / name
        assert run_main([*flags, "--output_dir", str(folder), *more]) == 0
        samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
        for sample in samples:
            # What was read together decides what was read anew.
            ours = {"seconds": None, "positions_computed": None, "positions_reused": None}
            sample["usage"] = [{**usage, **ours} for usage in sample["usage"]]
        return samples, json.loads((folder / "config.json").read_text())

    small, _ = run("small", "--batch_size", "2")
    whole = Solver._answer

    def answer(self, batch, *others):
        if len(batch) > 2:  # by then a batch has thought for all its rounds
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, batch, *others)

    monkeypatch.setattr(Solver, "_answer", answer)
    halved, config = run("halved", "--batch_size", "5")
    assert halved == small
    assert config["launches"][0]["out_of_memory"] == [{"questions": 5, "then": 2}]
    assert config["batch_size"] == 5
    assert "out of memory with 5 questions side by side: going on with 2" in capsys.readouterr().err
    messages = [
        sorted(file.name for file in (tmp_path / name / "latents").iterdir()) for name in ("small", "halved")
    ]
    assert messages[0] == messages[1]

    def fail(self, batch, *others):
        if batch.question(0).id == "q4":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, batch, *others)

    monkeypatch.setattr(Solver, "_answer", fail)
    assert run_main([*flags, "--output_dir", str(tmp_path / "stopped"), "--batch_size", "2"]) == 2
    assert "error: out of memory with question 'q4' alone" in capsys.readouterr().err
    assert len((tmp_path / "stopped" / "samples.jsonl").read_text().splitlines()) == 8
    monkeypatch.undo()
    resumed, _ = run("stopped", "--batch_size", "2", "--resume")
    assert resumed == small
