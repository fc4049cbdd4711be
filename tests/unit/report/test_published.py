"""The published figures: the table that was typed in, and what counts as the same metric."""

from __future__ import annotations

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.report.published import (
    BENCHMARK_ORDER,
    BY_ROUNDS,
    SINGLE_RUNS,
    by_rounds,
    counts_as_published,
    single_run,
)
from recursivemas.styles import PUBLISHED_STYLES


def test_names_are_those_of_styles_and_benchmarks():
    assert set(SINGLE_RUNS) == set(PUBLISHED_STYLES)
    assert set(BY_ROUNDS) <= set(PUBLISHED_STYLES)
    named = {name for row in [*SINGLE_RUNS.values(), *BY_ROUNDS.values()] for name in row}
    assert named == set(BENCHMARK_ORDER) == set(BENCHMARKS)


def test_latents_beat_text_in_every_cell_of_the_paper():
    figures = [both for row in BY_ROUNDS.values() for column in row.values() for both in column]
    assert len(figures) == 36
    assert all(both.latent > both.text for both in figures)


@pytest.mark.parametrize("style", BY_ROUNDS)
def test_the_release_is_near_the_paper(style):
    """Both report the same systems, so that a slip of the finger would show."""
    for benchmark, column in BY_ROUNDS[style].items():
        figure = single_run(style, benchmark)
        assert figure is not None
        assert min(abs(figure - both.latent) for both in column) < 4.1


def test_what_was_not_published_is_none():
    assert single_run("mixture", "math500") is None
    assert single_run("my_style", "math500") is None
    assert by_rounds("sequential_light", "math500", 4) is None
    assert by_rounds("mixture", "gpqa", 1) is None


@pytest.mark.parametrize(
    ("benchmark", "metric", "same"),
    [
        ("math500", "accuracy", True),
        ("livecodebench", "pass@1", True),
        ("livecodebench", "pass@5", False),
        ("aime25", "pass@10", True),
        ("aime26", "accuracy", False),
    ],
)
def test_which_metric_counts_as_published(benchmark, metric, same):
    assert counts_as_published(benchmark, metric) is same
