"""What the command line understands, and what it says of what it does not."""

from __future__ import annotations

import pytest
import torch

import recursivemas
from recursivemas.benchmarks import BENCHMARKS, find_benchmark
from recursivemas.cli.flags import Parser, add_run_arguments
from recursivemas.cli.main import main, run_main
from recursivemas.errors import UserError, did_you_mean
from recursivemas.release.resolve import resolve_release
from recursivemas.styles import MIXTURE, PUBLISHED_STYLES, load_style


def read(*argv: str) -> dict:
    parser = Parser(prog="run.py")
    add_run_arguments(parser)
    return parser.read(argv)


@pytest.mark.parametrize(
    ("argv", "values"),
    [
        (["--max-new-tokens", "5"], {"max_new_tokens": 5}),
        (["--max-new-tokens=5", "--top_p", "0.5"], {"max_new_tokens": 5, "top_p": 0.5}),
        (["--output-dir", "my-run--x"], {"output_dir": "my-run--x"}),
        (["--output-dir=my-run=a-b"], {"output_dir": "my-run=a-b"}),
        (["--release-quirks", "--dry-run", "0"], {"release_quirks": True, "dry_run": False}),
        (["--sample-seed", "-1", "--top-k", "-1"], {"sample_seed": -1, "top_k": -1}),
        (["--ckpt-override", "a=b-c", "--ckpt_override", "d=e"], {"ckpt_override": ("a=b-c", "d=e")}),
    ],
)
def test_hyphens_are_underscores_in_flags_alone(argv, values):
    assert read(*argv) == values


def test_help_lists_flags_by_group(capsys):
    with pytest.raises(SystemExit, match="0"):
        read("--help")
    text = capsys.readouterr().out
    places = [text.index(f"\n{title}:\n") for title in ("The questions", "How questions are solved")]
    assert places[0] < text.index("\n  --num_samples") < places[1] < text.index("\n  --temperature")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--latent_lenght", "3"], "there is no flag --latent_lenght (did you mean '--latent_length'?)"),
        (["--temprature=0.3"], "there is no flag --temprature (did you mean '--temperature'?)"),
        (["--max-new-token5", "3"], "there is no flag --max_new_token5 (did you mean '--max_new_tokens'?)"),
        (["--max_new_token", "3"], "there is no flag --max_new_token (did you mean '--max_new_tokens'?)"),
        (["--xyzzy"], "there is no flag --xyzzy\n"),
        (["mixture"], "'mixture' is not understood: no flag stands before it"),
        (["--mode", "txt"], "(did you mean 'text'?)"),
        (["--log_with", "none"], "(choose from 'tensorboard', 'trackio', 'wandb')\n"),
        (["--log_with", "wnadb"], "(did you mean 'wandb'?)"),
        (["--greedy", "perhaps"], "'perhaps' is neither true nor false"),
    ],
)
def test_what_is_not_understood_is_said_in_a_line(argv, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        read(*argv)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 2, "no page of usage between a user and the error"


def test_unknown_flags_of_a_command_are_held_against_its_own(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--datset", "math500"])
    assert "did you mean '--dataset'?" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["rnu"])
    assert "did you mean 'run'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda: load_style("mixtrue"), "mixture"),
        (lambda: load_style("sequential-light"), "sequential_light"),
        (lambda: find_benchmark("MATH-500"), "math500"),
        (lambda: find_benchmark("gqpa"), "gpqa"),
        (lambda: MIXTURE.agent("summariser"), "summarizer"),
        (lambda: resolve_release(MIXTURE, "math", overrides={"sumarizer": "x"}), "summarizer"),
    ],
)
def test_a_name_that_is_nearly_right_is_asked_after(ask, meant):
    with pytest.raises(UserError, match=rf"\(did you mean '{meant}'\?\)"):
        ask()


def test_nothing_is_meant_where_nothing_is_near():
    assert did_you_mean("swordfish", PUBLISHED_STYLES) == ""


@pytest.mark.parametrize("command", [["--version"], ["run", "--version"]])
def test_version(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(command)
    assert capsys.readouterr().out == f"recursivemas {recursivemas.__version__}\n"


def test_styles_and_datasets_are_listed(capsys):
    assert main(["styles"]) == 0
    styles = capsys.readouterr().out
    for style in PUBLISHED_STYLES.values():
        for agent in style.agents:
            assert any(
                {style.name, agent.role, agent.repo} <= set(line.split()) for line in styles.split("\n")
            )
    assert "deliberation has published settings for math500, medqa, gpqa," in styles
    assert main(["datasets"]) == 0
    datasets = capsys.readouterr().out
    for benchmark in BENCHMARKS.values():
        assert f"\n{benchmark.name} " in datasets
        assert (benchmark.hub_id or benchmark.local_path) in datasets
    assert "Idavidrein/gpqa, gpqa_diamond (gated)" in datasets


def test_no_memory_left_is_said_in_a_line_and_a_defect_is_raised(capsys, monkeypatch):
    for error in (torch.OutOfMemoryError("the device is full"), RuntimeError("a defect")):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr("recursivemas.cli.launch.launch", fail)
        if isinstance(error, torch.OutOfMemoryError):
            assert run_main([]) == 2
            assert "error: out of memory; lower --batch_size" in capsys.readouterr().err
        else:
            with pytest.raises(RuntimeError, match="a defect"):
                run_main([])
