"""Results in a dataset repository, by the real client: the hub is on 127.0.0.1."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import datasets
import pytest

from recursivemas.cli.main import main
from recursivemas.errors import UserError
from recursivemas.output.redaction import given
from recursivemas.recursion.trace import MessageSize
from recursivemas.runs.files import read_samples
from recursivemas.runs.push import FEATURES, PushError, check_pushable, push_run
from recursivemas.runs.record import SampleRecord
from tests.support.hub_client import point_client_at
from tests.support.hub_server import HubServer
from tests.support.run_folders import sample_of, write_run, write_samples

TOKEN = "a-token-that-may-write"
REPO = "someone/results"


@pytest.fixture
def server(tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub") as server:
        point_client_at(server.url, tmp_path / "cache", monkeypatch)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server
    given.discard(TOKEN)


@pytest.fixture
def run(tmp_path):
    path = write_run(tmp_path / "first", [True])
    summary = {"headline": {"grader": "release", "metric": "accuracy", "value": 1.0}}
    (path / "summary.json").write_text(json.dumps(summary))
    text = f"ask {TOKEN} or hf_abcdefghijklmnopqrstu at https://me:pass@host/x"
    write_samples(path, [sample_of("q0", text=text)])
    # as a version without redaction would have written it
    (path / "samples.jsonl").write_text((path / "samples.jsonl").read_text().replace("[redacted]", TOKEN))
    return path


def test_results_come_into_a_private_dataset_without_secrets(server, run, tmp_path, capsys):
    assert main(["push", str(run), REPO]) == 0
    assert capsys.readouterr().out == f"{server.url}/datasets/{REPO}/tree/main/first\n"
    there = tmp_path / "hub" / REPO
    files = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        *(f"first/{name}" for name in ("config.json", "summary.json", "samples.jsonl")),
    }
    assert server.public == set()
    assert {request.token for request in server.requests if request.method == "POST"} == {TOKEN}
    sample = json.loads((there / "first" / "samples.jsonl").read_text())
    assert sample["text"] == "ask [redacted] or [redacted] at https://[redacted]@host/x"
    assert (
        json.loads((there / "first" / "config.json").read_text())["settings"]["release"]["value"]
        == "toy-random"
    )
    card = (there / "README.md").read_text()
    assert "accuracy 100.00% by the release grader" in card

    (there / "README.md").write_text("mine")  # a page that is there stays
    push_run(run, REPO, name="sweep/second", samples=False)
    assert sorted(path.name for path in (there / "sweep" / "second").iterdir()) == [
        "config.json",
        "summary.json",
    ]
    assert (there / "README.md").read_text() == "mine"


def test_another_run_is_not_written_over_and_the_same_one_is_pushed_again(server, run, tmp_path):
    def start(path, when):
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps({**config, "started": when}))

    start(run, "2026-11-27T01:00:00+00:00")
    push_run(run, REPO)
    push_run(run, REPO)
    start(run, "2026-11-27T02:00:00+00:00")
    there = tmp_path / "hub" / REPO / "first" / "config.json"
    before = there.read_bytes()
    with pytest.raises(PushError, match="holds another run under first; give --name"):
        push_run(run, REPO)
    assert there.read_bytes() == before
    push_run(run, REPO, name="second")


@pytest.mark.skipif(not hasattr(datasets, "Json"), reason="this version of datasets has no columns of JSON")
def test_datasets_reads_the_samples_of_all_runs_whatever_these_are(server, run, tmp_path):
    assert list(FEATURES) == [one.name for one in fields(SampleRecord)]
    others = write_run(tmp_path / "others", {"release": [[True], [False]], "strict": [[True], [False]]})
    first, second = read_samples(others)
    size = MessageSize((4, 6), 1.5)
    second = replace(second, error="too long", messages={"r1/planner->critic": size})
    write_samples(others, [first, second])
    (others / "summary.json").write_text((run / "summary.json").read_text())
    push_run(run, REPO)
    push_run(others, REPO, name="sweep/others")
    there = tmp_path / "hub" / REPO
    rows = datasets.load_dataset(str(there), "samples", cache_dir=tmp_path / "rows")["train"]
    assert rows["id"] == ["q0", "q0", "q1"]
    assert rows["error"] == [None, None, "too long"]
    assert [list(row) for row in rows["verdicts"]] == [
        ["release"],
        ["release", "strict"],
        ["release", "strict"],
    ]
    assert rows[2]["messages"] == {"r1/planner->critic": {"shape": [4, 6], "norm": 1.5}}


def test_a_public_repository_takes_results_only_where_that_is_meant(server, run, tmp_path):
    (tmp_path / "hub" / REPO).mkdir(parents=True)
    server.public.add(REPO)
    with pytest.raises(PushError, match="is public; push there with --public"):
        push_run(run, REPO)
    assert list((tmp_path / "hub" / REPO).iterdir()) == []
    push_run(run, REPO, public=True)
    assert (tmp_path / "hub" / REPO / "first" / "samples.jsonl").is_file()


def test_a_refusal_is_told(server, run):
    server.fail(f"POST /api/datasets/{REPO}/commit/main", 403)
    with pytest.raises(PushError, match=rf"first could not be pushed to {REPO}: .*403"):
        push_run(run, REPO)


def test_what_cannot_be_pushed_is_known_beforehand(server, tmp_path, monkeypatch):
    for repo in ("a/b/c", "bad", "a/-b"):
        with pytest.raises(PushError, match=f"push_to_hub is '{repo}', .*; give OWNER/NAME"):
            check_pushable(repo)
        with pytest.raises(PushError, match=f"^repo is '{repo}', .*; give OWNER/NAME"):
            push_run(tmp_path, repo)
    with pytest.raises(PushError, match="has not finished"):
        push_run(write_run(tmp_path / "begun", [True], finished=False), REPO)
    for name in ("../outside", "/outside"):
        with pytest.raises(PushError, match="has to be a folder within the repository"):
            push_run(tmp_path, REPO, name=name)
    with pytest.raises(UserError, match="holds no run"):
        push_run(tmp_path, REPO)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PushError, match="needs a token that may write"):
        check_pushable(REPO)
    with pytest.raises(UserError, match="there is no folder"):  # which no token mends
        push_run(tmp_path / "nope", REPO)
    assert server.requests == []
