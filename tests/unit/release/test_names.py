"""What releases and their models are called where people read it."""

from __future__ import annotations

import pytest

from recursivemas.release.names import label_model


@pytest.mark.parametrize(
    ("release", "repo_id", "repo", "shown"),
    [
        ("hub", "RecursiveMAS/Planner", "Planner", "M"),
        ("toy", "RecursiveMAS/Planner", "Planner", "toy: M"),
        ("toy-random", "RecursiveMAS/Planner", None, "toy-random: M"),
        ("/data/my models/", "mine/Planner", "mine/Planner", "my models: M"),
        ("toy", "trained/planner", "Planner", "M"),
    ],
    ids=["hub", "toy", "older record", "folder", "override"],
)
def test_a_model_stands_behind_its_release_where_that_is_not_the_hub(release, repo_id, repo, shown):
    assert label_model("M", repo_id, repo, release) == shown
