"""The progress bar: how much of a batch is done, and what stands on the screen."""

from __future__ import annotations

import logging
import warnings

import pytest

from recursivemas.output import progress
from recursivemas.output.progress import Progress, warnings_above_the_bar

TURNS = [(1, "planner"), (1, "solver"), (2, "planner"), (2, "solver")]


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "REFRESH_IN_FILE_S", 0.0)
    return clock


def test_a_batch_gets_on_by_turns_and_by_tokens(clock):
    with Progress(TURNS, num_tokens=10, num_questions=8, num_done=0) as bar:
        bar.window(0, 4, 1)
        shares = []
        for turn in TURNS:
            bar.turn(*turn)
            shares.append(bar.share())
        for _ in range(12):  # more than was thought is no more than all
            bar.token(4)
            shares.append(bar.share())
    assert shares[:5] == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 3 / 6 + 1 / 20])
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_next_batch_is_measured_by_what_the_last_one_took(clock):
    with Progress(TURNS, num_tokens=100, num_questions=8, num_done=0) as bar:
        bar.window(0, 4, 1)
        for turn, seconds in zip(TURNS, (1, 2, 3, 4), strict=True):
            bar.turn(*turn)
            clock.now += seconds
        for _ in range(5):
            bar.token(1)
        bar.window(4, 4, 1)
        bar.turn(*TURNS[0])
        bar.turn(*TURNS[1])
        assert bar.share() == pytest.approx(1 / 10)
        bar.turn(*TURNS[2])
        bar.turn(*TURNS[3])
        bar.token(1)
        assert bar.share() == pytest.approx(6 / 10 + 4 / 10 / 5)


def test_batches_of_a_window_think_one_after_the_other_and_answer_together(clock):
    with Progress(TURNS, num_tokens=10, num_questions=12, num_done=0) as bar:
        bar.window(0, 8, 2)
        shares = []
        for turn in (*TURNS, *TURNS, TURNS[-1]):
            bar.turn(*turn)
            clock.now += 1 if turn != TURNS[-1] else 2
            shares.append(bar.share())
        assert shares == pytest.approx([number / 12 for number in (0, 1, 2, 3, 3, 4, 5, 6, 6)])
        for _ in range(10):
            bar.token(4)
        assert bar.share() == pytest.approx(9 / 12)
        bar.turn(*TURNS[-1])
        assert bar.share() == pytest.approx(9 / 12), "a further part of the same turn"
        bar.window(8, 4, 1)
        for turn in TURNS:
            bar.turn(*turn)
        assert bar.share() == pytest.approx(3 / 6), "a batch took 1 + 1 + 1 and 3 seconds"
        bar.token(4)
        assert bar.share() == pytest.approx(3 / 6 + 3 / 6 / 5), "and 5 tokens"


def test_the_bar_says_where_it_is_and_counts_whole_questions(clock, capsys):
    with Progress(TURNS, num_tokens=2, num_questions=8, num_done=4) as bar:
        bar.window(4, 4, 1)
        bar.turn(2, "solver")
        bar.token(1)
        bar.token(3)
        line = capsys.readouterr().err.split("\r")[-1]
        bar.done(6)
        assert "6 of 8 done" in capsys.readouterr().err
        bar.finish(8)
    assert "4 of 8 done" in line
    assert "round 2/2, solver writes token 2, 3 questions go on" in line
    assert "round 2/2, solver writes token 1, 1 question goes on" not in line
    assert "?" not in line.split("<")[1].split(",")[0], "there is a time left within the first batch"
    assert "8 of 8 done" in capsys.readouterr().err


def test_a_file_is_not_filled_with_bars(capsys):
    with Progress(TURNS, num_tokens=1000, num_questions=8, num_done=0) as bar:
        bar.window(0, 8, 1)
        for _ in range(1000):
            bar.token(8)
        bar.finish(8)
    assert capsys.readouterr().err.count("\r") < 6


def test_kernels_that_no_cpu_has_are_not_talked_of_and_other_warnings_are(capsys, monkeypatch):
    logger = logging.getLogger("transformers.integrations.hub_kernels")
    monkeypatch.setattr(progress.torch.cuda, "is_available", lambda: False)
    with warnings.catch_warnings(), warnings_above_the_bar():
        warnings.simplefilter("default")
        logger.warning("`f` is falling back to its reference PyTorch implementation because ...")
        logger.warning("something else")
        warnings.warn("from under way", UserWarning, stacklevel=1)
    said = capsys.readouterr().err
    assert "falling back" not in said
    assert "something else" in said
    assert "from under way" in said
    monkeypatch.setattr(progress.torch.cuda, "is_available", lambda: True)
    with warnings_above_the_bar():
        logger.warning("`f` is falling back to its reference PyTorch implementation because ...")
    assert "falling back" in capsys.readouterr().err
