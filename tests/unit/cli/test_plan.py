"""What a dry run tells a reproducer, also where nothing can be looked up."""

from __future__ import annotations

import hashlib
import socket
import threading
import time

import pytest
from huggingface_hub.utils import http_backoff

from recursivemas.benchmarks import DatasetError
from recursivemas.cli import plan
from recursivemas.cli.main import run_main
from recursivemas.cli.reproduction import describe_reproduction
from recursivemas.prompts import PromptsError
from recursivemas.prompts.prompt_file import PublishedFile
from recursivemas.release.resolve import ReleaseError
from recursivemas.runs import prepare as prepared
from recursivemas.runs.prepare import prepare


def told(**given) -> str:
    return describe_reproduction(prepare(**given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"style": "sequential_light", "dataset": "math500"},
            [
                "published: accuracy 78.0% (the release's single run); the paper's Table 2 at 3 rounds:",
                "settings row: June 2026, sequential_light on math500: latent_length 32, rounds 3, batch 16",
                "--release_quirks is off: an answer that is asked for again",
            ],
        ),
        (
            {"style": "sequential_light", "dataset": "math500", "num_recursive_rounds": 1},
            ["the paper's Table 2 at 1 round: "],
        ),
        (
            {"style": "distillation", "dataset": "aime26"},
            ["published: pass@10 86.7% (the release's single run)\n"],
        ),
        ({"style": "mixture", "dataset": "aime25"}, ["published: no figure for mixture on aime25"]),
        (
            {"style": "sequential_light", "dataset": "livecodebench"},
            ["June 2026 has none for sequential_light on livecodebench; built-in defaults hold"],
        ),
        (
            {"style": "sequential_scaled", "dataset": "gpqa", "recommended": "april"},
            ["settings row: April 2026, sequential_scaled on gpqa: latent_length 48, rounds 3"],
        ),
        (
            {"style": "mixture", "dataset": "gpqa", "seed": 7, "latent_length": 8, "greedy": True},
            [
                "  seed is 7, published: 42",
                "  latent_length is 8, published: 48",
                "  greedy is True, published: False",
            ],
        ),
        (
            {"style": "sequential_light", "dataset": "mbppplus", "temperature": 0.9},
            [
                "  temperature is 0.9, published: 0.2",
                "temperature is 0.9, not 0.2 whatever the flag says",
                "the planner's feedback prompt is that for code, not that for math",
            ],
        ),
        ({"style": "mixture", "mode": "text"}, ["  mode is text: a baseline"]),
        ({"style": "sequential_scaled", "mode": "text"}, ["are not those of the published text baselines"]),
        ({"style": "mixture", "release": "toy-random"}, ["  models come from toy-random, not from the hub"]),
        ({"style": "mixture", "release": "toy-random"}, ["  prompts are default, not the published ones"]),
        ({"style": "mixture", "prompts": "default"}, ["  prompts are default, not the published ones"]),
        ({"style": "mixture", "prompts": "my.yaml"}, ["  prompts are my.yaml, not the published ones"]),
        ({"style": "mixture", "prompts": "none.py"}, ["  prompts are none.py, not the published ones"]),
    ],
)
def test_the_published_figure_its_row_and_what_differs(given, expected):
    text = told(**given)
    for line in expected:
        assert line in text


@pytest.mark.process
@pytest.mark.parametrize("prompts", ["auto", "published", "prompts.py", "."])
def test_with_quirks_and_nothing_else_set_nothing_differs(prompts, tmp_path, monkeypatch):
    content = b"SYSTEM_PROMPT = ''\n"
    (tmp_path / "prompts.py").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    published = PublishedFile(path="prompts.py", sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr("recursivemas.prompts.prompt_file.PUBLISHED_PROMPTS", published)
    given = {"release_quirks": True, "temperature": 0.9, "prompts": prompts}
    text = told(style="sequential_light", dataset="mbppplus", **given)
    assert text.endswith("nothing that is set differs from the published run")


def test_prompts_are_named_once():
    lines = plan.describe_plan(prepare(style="mixture", prompts="default", device="cpu"), [])
    line = next(line for line in lines if line.startswith("prompts: "))
    assert line.startswith("prompts: default (sha256 ")


def test_settings_are_told_where_nothing_can_be_looked_up(monkeypatch, capsys):
    def refuse(error):
        def raise_it(*_, **__):
            raise error

        return raise_it

    monkeypatch.setattr(prepared, "load_questions", refuse(DatasetError("the dataset is out of reach")))
    monkeypatch.setattr(prepared, "resolve_release", refuse(ReleaseError("the hub is out of reach")))
    monkeypatch.setattr(prepared, "load_prompts", refuse(PromptsError("the prompts are out of reach")))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run_main(["--style", "mixture", "--dataset", "gpqa", "--dry_run"]) == 2
    captured = capsys.readouterr()
    for line in ("latent_length", "published: accuracy 42.7%", "graded by release, strict"):
        assert line in captured.out
    out_of_reach = [f"the {what} out of reach" for what in ("dataset is", "hub is", "prompts are")]
    for reason in ("--device cpu", *out_of_reach):
        assert reason in captured.err


def test_a_dry_run_asks_a_host_that_cannot_be_reached_once(monkeypatch, capsys):
    sleep = time.sleep

    def wait(seconds):
        if threading.current_thread() is threading.main_thread():
            pytest.fail("it waits for another attempt")
        sleep(seconds)  # a server of an earlier test may still be ending

    monkeypatch.setattr("time.sleep", wait)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"

    def ask(error):
        def ask_hub(*args, **kwargs):
            try:
                http_backoff("HEAD", address)
            except OSError as failure:
                raise error(str(failure)) from failure

        return ask_hub

    monkeypatch.setattr(prepared, "load_questions", ask(DatasetError))
    monkeypatch.setattr(prepared, "resolve_release", ask(ReleaseError))
    flags = ["--style", "mixture", "--dataset", "gpqa", "--device", "cpu", "--prompts", "default"]
    assert run_main([*flags, "--dry_run"]) == 2
    *_, first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("127.0.0.1 cannot be reached: ")
    assert second == "127.0.0.1 could not be reached before, so it was not asked again"
