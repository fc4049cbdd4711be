"""Datasets at a revision, from a hub on 127.0.0.1: which commit is read and told of, what is refused."""

from __future__ import annotations

import json

import datasets
import pytest
from huggingface_hub import constants

from recursivemas.benchmarks import BENCHMARKS, DatasetError, load_questions
from tests.support.hub_client import point_client_at
from tests.support.hub_server import HubServer

pytestmark = pytest.mark.slow

LCB_ROW = {
    "question_content": "?",
    "starter_code": "",
    "public_test_cases": "[]",
    "private_test_cases": "[]",
    "metadata": "{}",
}
ROWS = {
    "math500": lambda name: {"problem": f"{name}?", "answer": "1"},
    "livecodebench": lambda name: {**LCB_ROW, "question_content": f"{name}?"},
}
FILES = {"math500": ("test.jsonl", None), "livecodebench": ("test.jsonl", "v1")}
"""The file of a split, and the split that is asked for."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A hub with both datasets at `main`, and other rows at the tag `old`."""
    with HubServer(tmp_path / "hub") as server:
        for name, row in ROWS.items():
            repo_id, (file, _) = str(BENCHMARKS[name].hub_id), FILES[name]
            for state, folder in (("new", tmp_path / "hub" / repo_id), ("old", tmp_path / name)):
                folder.mkdir(parents=True)
                (folder / file).write_text(json.dumps(row(state)) + "\n")
            server.add_revision(repo_id, "old", tmp_path / name)
        point_client_at(server.url, tmp_path / "cache", monkeypatch)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
        yield server


@pytest.mark.parametrize("name", ROWS)
def test_rows_and_commit_are_those_of_the_revision(server, tmp_path, name):
    benchmark, (_, split) = BENCHMARKS[name], FILES[name]
    commits = {
        "new": server.commit(tmp_path / "hub" / str(benchmark.hub_id)),
        "old": server.commit(tmp_path / name),
    }
    for revision, state in ((None, "new"), ("old", "old"), (commits["old"], "old"), ("main", "new")):
        questions = load_questions(benchmark, split=split, revision=revision)
        assert [question.text for question in questions] == [f"{state}?"], revision
        assert questions.commit == commits[state], revision
    with pytest.raises(DatasetError, match="has no revision 'older'; --dataset_revision takes a commit, tag"):
        load_questions(benchmark, split=split, revision="older")


def test_without_a_network_another_commit_is_refused(server, monkeypatch):
    load_questions(BENCHMARKS["math500"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert load_questions(BENCHMARKS["math500"]).commit is not None
    with pytest.raises(DatasetError, match=r"is here at [0-9a-f]{40}, and dataset_revision asks for aaaa"):
        load_questions(BENCHMARKS["math500"], revision="a" * 40)


def test_a_file_has_no_revision(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS["math500"]("here")) + "\n")
    assert load_questions(BENCHMARKS["math500"], path=path).commit is None
    with pytest.raises(DatasetError, match="leave --dataset_revision out"):
        load_questions(BENCHMARKS["math500"], path=path, revision="main")
