"""The command line on the toy release: what a run prints, what it leaves behind, and how it fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from recursivemas.cli.main import main
from recursivemas.engine import SamplingSettings
from recursivemas.engine.sampling import Sampler
from recursivemas.links import InnerLink, OuterLink, save_link
from recursivemas.runs import read_message
from recursivemas.styles import PUBLISHED_STYLES
from tests.support.run_folders import without_times
from tests.support.small_runs import SmallRuns, read

pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path, toy_release, capsys):
    return SmallRuns(tmp_path, toy_release, capsys)


@pytest.fixture
def questions(run) -> Path:
    return run.questions


@pytest.mark.parametrize("style", PUBLISHED_STYLES)
def test_every_style_leaves_a_run_folder(run, style):
    status, out, err, folder = run("--style", style, "--batch_size", "3", "--save_latents")
    assert status == 0
    assert out.splitlines()[-1].startswith("[result] accuracy=")
    assert out.splitlines()[-1].endswith("%")
    assert "round" in err
    roles = PUBLISHED_STYLES[style].roles

    samples = read(folder, "samples.jsonl")
    assert [sample["id"] for sample in samples] == [f"sum/{n}" for n in range(5)]
    assert all(sample["verdicts"]["release"] and sample["error"] is None for sample in samples)

    summary = read(folder, "summary.json")
    assert [(stage["round"], stage["role"]) for stage in summary["stages"]] == [
        (number, role) for number in (1, 2) for role in roles
    ]
    written = sum(stage["generated_tokens"] for stage in summary["stages"])
    assert written == sum(len(sample["token_ids"]) for sample in samples)
    steps = [stage["latent_steps"] for stage in summary["stages"]]
    assert steps == [10] * (2 * len(roles) - 1) + [0], (
        "five questions, two steps each; the answer thinks none"
    )
    assert summary["headline"]["total"] == 5

    config = read(folder, "config.json")
    assert config["settings"]["latent_length"] == {"value": 2, "origin": "explicit"}
    assert config["settings"]["temperature"]["origin"] == "default"
    assert set(config["agents"]) == set(roles)

    sizes = {role: config["agents"][role]["hidden_size"] for role in roles}
    latents = {}
    for path in sorted((folder / "latents").iterdir()):
        with safe_open(path, "pt") as file:
            latents |= {name: file.get_tensor(name).shape for name in file.keys()}  # noqa: SIM118
    forward = {link for link in PUBLISHED_STYLES[style].links if not link.feedback}
    expected = {
        f"sum/{n}/r{number}/{link}": (2, sizes[link.target])
        for n in range(5)
        for number in (1, 2)
        for link in PUBLISHED_STYLES[style].links
        if link in forward or number == 1
    }
    assert latents == expected


@pytest.mark.parametrize(
    ("dataset", "file"),
    [("math500", "demo_math500.jsonl"), ("medqa", "demo_medqa.json"), ("gpqa", "demo_gpqa.jsonl")],
)
def test_the_shipped_questions_run(run, dataset, file):
    path = Path(__file__).parents[2] / "dataset" / file
    status, out, _, folder = run(
        "--style", "sequential_light", "--dataset", dataset, "--dataset_path", str(path), "--num_samples", "3"
    )
    assert status == 0
    assert "[result] accuracy=" in out
    assert len(read(folder, "samples.jsonl")) == 3


def test_the_same_run_again_writes_the_same_samples(run, tmp_path):
    def samples(name, *flags):
        _, _, _, folder = run("--style", "distillation", *flags)
        rows = [without_times(row) for row in read(folder, "samples.jsonl")]
        folder.rename(tmp_path / name)
        for row in rows:
            # What was read together decides what was read anew.
            ours = {"positions_computed": None, "positions_reused": None}
            row["usage"] = [{**usage, **ours} for usage in row["usage"]]
        return rows

    first = samples("first", "--dtype", "float64")
    assert samples("second", "--dtype", "float64", "--batch_size", "2") == first
    assert samples("third", "--dtype", "float64", "--seed", "43") != first


def test_num_samples_and_a_second_copy_of_the_samples(run, tmp_path):
    copy = tmp_path / "copies" / "samples.jsonl"
    status, _, _, folder = run("--style", "deliberation", "--num_samples", "1", "--result_jsonl", str(copy))
    assert status == 0
    assert copy.read_text() == (folder / "samples.jsonl").read_text()
    assert len(read(folder, "samples.jsonl")) == 1


def test_a_folder_that_holds_a_run_is_not_overwritten(run):
    _, _, _, folder = run("--style", "deliberation", "--num_samples", "1")
    before = (folder / "samples.jsonl").read_bytes()
    status, _, err, _ = run("--style", "deliberation")
    assert status == 2
    assert "already holds a run" in err
    assert (folder / "samples.jsonl").read_bytes() == before


def test_a_dry_run_tells_everything_and_loads_no_weights(run, monkeypatch):
    monkeypatch.setattr(
        "recursivemas.agents.load_agents.load_engine", lambda *args, **kwargs: pytest.fail("weights")
    )
    status, out, _, folder = run("--style", "mixture", "--dry_run", "--dtype", "bfloat16")
    assert status == 0
    assert not folder.exists()
    for expected in (
        r"latent_length *2 +explicit",
        r"batch_size *16 +recommended",
        r"seed *42 +default",
        r"science *RecursiveMAS/Mixture-Science-BioMistral-7B +- +112 +bfloat16 +\d+\.?\d* MB",
        r"summarizer->code \(feedback\) .*Summarizer-Code-Outerlink.pt",
        "summarizer samples with temperature 0.6, top_p 0.95, top_k 20",
        "5 questions of math500\n",
        "graded by release, strict, math_verify\n",
        r"settings row: June 2026, mixture on math500: latent_length 64, rounds 3, batch 16",
        r"  latent_length is 2, published: 64",
        r"files: \d+\.\d+ MB, of which 0 MB still to download",
        r"cpu: \d+\.\d+ MB of weights, ",
        "No weights were loaded.",
    ):
        assert re.search(expected, out), expected


def test_every_sampling_flag_reaches_the_sampler(run, monkeypatch):
    seen = []
    make = Sampler.__init__

    def watch(sampler, settings, *rows):
        seen.append(settings)
        make(sampler, settings, *rows)

    monkeypatch.setattr(Sampler, "__init__", watch)
    flags = ["--temperature", "0.7", "--top_p", "0.8", "--top_k", "7", "--min_p", "0.1"]
    run("--style", "distillation", *flags, "--repetition_penalty", "1.2")
    expected = SamplingSettings(temperature=0.7, top_p=0.8, top_k=7, min_p=0.1, repetition_penalty=1.2)
    assert set(seen) == {expected}


def test_questions_are_drawn_with_the_question_seed(run):
    def ids(*flags):
        status, _, _, folder = run("--style", "distillation", "--num_samples", "3", *flags)
        assert status == 0
        drawn = [sample["id"] for sample in read(folder, "samples.jsonl")]
        shutil.rmtree(folder)
        return drawn

    assert ids() == ["sum/0", "sum/1", "sum/2"]
    drawn = [ids("--question_seed", str(seed)) for seed in (1, 2, 3, 1)]
    assert drawn[0] == drawn[3]
    assert len({tuple(one) for one in drawn}) > 1


def test_rollouts_count_their_seeds_from_sample_seed(run):
    def texts(*flags):
        status, _, _, folder = run("--style", "distillation", "--num_samples", "2", *flags)
        assert status == 0
        samples = read(folder, "samples.jsonl")
        shutil.rmtree(folder)
        return {(sample["id"], sample["seed"]): sample["text"] for sample in samples}

    both = texts("--num_rollouts", "2", "--sample_seed", "7")
    assert sorted(both) == [("sum/0", 7), ("sum/0", 8), ("sum/1", 7), ("sum/1", 8)]
    assert both == texts("--num_rollouts", "2", "--seed", "7"), "without sample_seed, seed is the base"
    assert texts("--sample_seed", "8").items() <= both.items()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("outer_dtype", ["auto", "float32"])
def test_every_dtype_runs(run, dtype, outer_dtype):
    status, _, _, folder = run(
        "--style", "sequential_scaled", "--dtype", dtype, "--outer_dtype", outer_dtype, "--num_samples", "2"
    )
    assert status == 0
    config = read(folder, "config.json")
    assert {agent["dtype"] for agent in config["agents"].values()} == {f"torch.{dtype}"}
    outer = dtype if outer_dtype == "auto" else outer_dtype
    assert {link["dtype"] for link in config["outer_links"].values()} == {f"torch.{outer}"}


def test_attention_and_steps_are_recorded(run):
    flags = ["--attn", "eager", "--static_cache", "on"]
    status, _, _, folder = run("--style", "mixture", "--num_samples", "1", *flags)
    assert status == 0
    config = read(folder, "config.json")
    assert config["settings"]["static_cache"] == {"value": "on", "origin": "explicit"}
    assert {(agent["attn"], agent["steps"]) for agent in config["agents"].values()} == {("eager", "static")}


def test_stored_dtypes_are_kept(run):
    _, _, _, folder = run("--style", "mixture", "--num_samples", "1")
    agents = read(folder, "config.json")["agents"]
    assert agents["science"]["dtype"] == "torch.bfloat16"
    assert agents["math"]["dtype"] == "torch.float32"


def test_links_of_ones_own_replace_the_release_ones(run, tmp_path):
    def message(*flags):
        """The expert's first message to the learner."""
        _, _, _, folder = run("--style", "distillation", "--num_samples", "1", "--save_latents", *flags)
        sizes.update(
            (role, row["hidden_size"]) for role, row in read(folder, "config.json")["agents"].items()
        )
        tensor = read_message(folder, "sum/0", "r1/expert->learner")
        shutil.rmtree(folder)
        return tensor

    sizes: dict[str, int] = {}
    released = message()
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.mkdir()
    outer.mkdir()
    torch.manual_seed(0)
    save_link(InnerLink(sizes["expert"]), inner / "adapter.pt")
    (inner / "adapter_config.json").write_text('{"adapter_type": "ln_res_adapter"}')
    save_link(OuterLink(sizes["expert"], sizes["learner"]), outer / "outer_el.pt")
    save_link(OuterLink(sizes["learner"], sizes["expert"]), outer / "outer_le.pt")
    with_inner = message("--ckpt_override", f"expert={inner}")
    with_both = message("--ckpt_override", f"expert={inner}", "--ckpt_override", f"outer={outer}")
    assert not torch.allclose(with_inner, released)
    assert not torch.allclose(with_both, with_inner)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--style", "mixtur"], "'mixtur' is neither a published style"),
        (["--device", "cuda:99"], "device 'cuda:99' is not available here"),
        (["--device", "planner=cpu"], "disagree about critic, solver"),
        (["--device", "planner=cpu,planner=cpu,critic=cpu,solver=cpu"], "names a role twice"),
        (["--device", "abacus"], "Use --device cpu"),
        (["--dataset_path", "missing.jsonl"], "there is no file missing.jsonl"),
        (["--latent_length", "-2"], "latent_length is -2; it has to be -1 or more"),
        (["--temperature", "0"], "temperature is 0.0; it has to be above 0"),
        (["--prompts", "missing.yaml"], "prompts 'missing.yaml' is no file; give auto, published"),
        (["--release", "nowhere"], "release 'nowhere' is not known"),
        (["--revision", "main"], "only on the hub"),
        (["--ckpt_override", "planer=x"], "accepted are planner, critic, solver, outer"),
        (["--ckpt_override", "planner"], "is not of the form ROLE=DIR"),
    ],
)
def test_what_a_user_can_mend_is_one_message(run, flags, message):
    status, out, err, folder = run("--style", "sequential_light", *flags)
    assert status == 2
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    assert message in err
    assert "Traceback" not in err
    assert not folder.exists()


def test_no_cuda_names_the_cpu(run):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    status, _, err, _ = run("--device", "cuda")
    assert status == 2
    assert "device 'cuda' is not available here" in err
    assert "--device cpu" in err


def test_an_empty_question_file_is_an_error(run, questions):
    questions.write_text("")
    status, _, err, _ = run("--style", "mixture")
    assert status == 2
    assert "holds no questions" in err


def test_a_question_that_does_not_fit_is_recorded_and_the_rest_run(run, questions):
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    rows[1]["problem"] = "one plus " * 40000
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, out, err, folder = run("--style", "distillation")
    assert status == 0
    samples = read(folder, "samples.jsonl")
    assert [bool(sample["error"]) for sample in samples] == [False, True, False, False, False]
    assert "question 'sum/1' is too long for the expert" in samples[1]["error"]
    assert "question 'sum/1' is too long" in err
    assert "1 not run" in out
    assert read(folder, "summary.json")["num_errors"] == 1


def test_a_switch_may_take_a_value_as_in_scripts_for_the_release(run):
    status, _, _, folder = run("--style", "deliberation", "--num_samples", "-1", "--trust_remote_code", "1")
    assert status == 0
    assert read(folder, "config.json")["settings"]["trust_remote_code"]["value"] is True


def test_the_toy_is_built_on_request(tmp_path, capsys):
    assert main(["toy", "build", str(tmp_path / "toy")]) == 0
    assert (tmp_path / "toy" / "RecursiveMAS" / "Mixture-Outerlinks" / "outerlink_config.json").is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    assert main(["toy", "build", str(tmp_path / "mine")]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_prompts_file_is_imported_and_used(run, tmp_path, capsys):
    published = Path(__file__).parents[1] / "unit" / "prompts" / "published" / "straight" / "prompts.py"
    pack = tmp_path / "pack.yaml"
    assert main(["prompts", "import", str(published), "-o", str(pack)]) == 0
    capsys.readouterr()
    status, _, _, folder = run("--style", "mixture", "--num_samples", "1", "--prompts", str(pack))
    assert status == 0
    assert read(folder, "config.json")["prompts"]["origin"] == "pack"


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_a_published_prompts_file_writes_the_prompts(run, tmp_path, caplog, monkeypatch, mode):
    """Asked for every question; recorded; a changed file is another run."""
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "cache"))
    published = Path(__file__).parents[1] / "unit" / "prompts" / "published" / "conditions"
    checkout = tmp_path / "checkout"
    shutil.copytree(published, checkout)
    flags = ["--style", "mixture", "--mode", mode, "--num_samples", "2", "--prompts", str(checkout)]
    status, _, _, folder = run(*flags)
    assert status == 0
    assert caplog.text.count("is not the published prompts.py") == 1
    described = read(folder, "config.json")["prompts"]
    assert (described["origin"], described["code_cue"]["origin"]) == ("file", "file")
    assert all(sample["error"] is None for sample in read(folder, "samples.jsonl"))
    again = [*flags, "--resume", "--output_dir", str(folder)]
    moved = tmp_path / "moved"
    checkout.rename(moved)
    again[again.index(str(checkout))] = str(moved)
    assert run(*again)[0] == 0, "what counts is what the file holds"
    prompts = moved / "prompts.py"
    prompts.write_text(prompts.read_text().replace("with care", "with cheer"))
    (folder / "summary.json").unlink()  # or there would be nothing left to run
    status, _, err, _ = run(*again)
    assert status == 2
    assert "prompts.sha256" in err


def test_a_question_that_a_builder_fails_on_fails_alone(run, tmp_path, monkeypatch, questions):
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "cache"))
    published = Path(__file__).parents[1] / "unit" / "prompts" / "published" / "straight" / "prompts.py"
    broken = tmp_path / "prompts.py"
    text = published.read_text().replace(
        "    return all(", "    assert 'bad' not in question\n    return all("
    )
    broken.write_text(text)
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    rows[1]["problem"] = "bad"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, _, _, folder = run("--prompts", str(broken))
    assert status == 0
    errors = [sample["error"] for sample in read(folder, "samples.jsonl")]
    assert [bool(error) for error in errors] == [False, True, *[False] * (len(rows) - 2)]
    assert "build_math_planner_prompt" in errors[1]
    assert "AssertionError" in errors[1]
