"""How models compute: what is handed on to transformers, and what is refused before weights are loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.agents import computing
from recursivemas.agents.checkpoint import LoadError, read_outline
from recursivemas.agents.computing import check_computing, check_models, loading_options
from recursivemas.agents.load import load_engine
from recursivemas.benchmarks import Questions
from recursivemas.cli.main import run_main
from recursivemas.links import InnerLink

REPO = "Sequential-Light-Solver-Qwen2.5-Math-1.5B"
ON_CPU = {"solver": torch.device("cpu")}
ON_CUDA = {"solver": torch.device("cuda")}
FLASH = ("flash_attention_2", None)


@pytest.fixture
def model_dir(toy_release) -> Path:
    return toy_release / "RecursiveMAS" / REPO


@pytest.fixture
def packages(monkeypatch) -> None:
    """As if all packages were installed."""
    monkeypatch.setattr(computing, "find_spec", lambda name: name)


@pytest.mark.parametrize("attn", ["sdpa", "eager"])
def test_attention_is_computed_as_asked_and_comes_to_the_same(model_dir, attn):
    def think(**asked):
        engine, _ = load_engine(
            model_dir, device=torch.device("cpu"), dtype=torch.float64, trust_remote_code=False, **asked
        )
        torch.manual_seed(0)
        link = InnerLink(engine.hidden_size).double()
        return engine.model.config._attn_implementation, engine.open([[(5, 6, 7)]]).think(link, 3).latents

    name, thoughts = think(attn=attn)
    assert name == attn
    _, usual = think()
    assert torch.allclose(thoughts, usual, rtol=1e-9)


@pytest.mark.parametrize(
    ("asked", "devices", "dtype", "says"),
    [
        (("flash", None), ON_CPU, None, "attn 'flash' is not one of auto, sdpa, flash_attention_2, eager"),
        (("auto", "int4"), ON_CPU, None, "quantization 'int4' is not one of bnb-4bit, bnb-8bit"),
        (FLASH, ON_CPU, None, "CUDA devices alone, and the solver is on 'cpu'; .*--attn sdpa"),
        (FLASH, {"solver": "split"}, None, "CUDA devices alone, and the solver is on 'split'"),
        (FLASH, ON_CUDA, torch.float32, "float16 and bfloat16 alone, and dtype is float32; .*bfloat16"),
        (("auto", "bnb-4bit"), ON_CPU, None, "the solver is on 'cpu'; .*drop --quantization"),
    ],
)
@pytest.mark.usefixtures("packages")
def test_what_cannot_be_computed_here_is_an_error(asked, devices, dtype, says):
    with pytest.raises(LoadError, match=says):
        check_computing(*asked, dtype, devices)
    check_computing(*FLASH, torch.bfloat16, ON_CUDA)
    with pytest.raises(LoadError, match="static_cache 'yes' is not one of auto, on, off"):
        check_computing("auto", None, None, ON_CPU, "yes")
    with pytest.raises(LoadError, match=f"static_cache is on, and attn {FLASH[0]!r} cannot use it"):
        check_computing(*FLASH, torch.bfloat16, ON_CUDA, "on")
    with pytest.raises(LoadError, match="prefill 'fast' is not one of auto, padded, apart"):
        check_computing("auto", None, None, ON_CPU, prefill="fast")
    check_computing("eager", "bnb-8bit", None, ON_CUDA)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (FLASH, "pip install flash-attn; or take --attn sdpa"),
        (("auto", "bnb-8bit"), "pip install bitsandbytes; or drop --quantization"),
    ],
)
def test_a_missing_package_comes_with_its_command(monkeypatch, asked, says):
    monkeypatch.setattr(computing, "find_spec", lambda name: None)
    with pytest.raises(LoadError, match=says):
        check_computing(*asked, None, ON_CUDA)


def test_models_that_do_not_go_with_it_are_named(model_dir, tmp_path):
    outline = read_outline(model_dir)
    models = {"solver": (model_dir, outline)}
    outline.config.dtype = torch.float32
    with pytest.raises(LoadError, match=r"the solver's model in .* is stored in float32; give --dtype"):
        check_models(*FLASH, None, models)
    check_models(*FLASH, torch.float16, models)
    outline.config.dtype = torch.bfloat16
    check_models(*FLASH, None, models)
    check_models("auto", "bnb-4bit", None, models)

    quantized = Path(shutil.copytree(model_dir, tmp_path / "quantized"))
    config = json.loads((quantized / "config.json").read_text())
    stored = {"quant_method": "gptq", "bits": 4}
    (quantized / "config.json").write_text(json.dumps({**config, "quantization_config": stored}))
    with pytest.raises(LoadError, match="quantized as it is stored, and cannot be quantized again"):
        check_models("auto", "bnb-4bit", None, {"solver": (quantized, read_outline(quantized))})


def test_transformers_is_told_how_to_quantize(model_dir):
    outline = read_outline(model_dir)
    outline.config.dtype = torch.bfloat16
    four = loading_options("eager", "bnb-4bit", None, ON_CUDA["solver"], outline)
    assert (four["dtype"], four["attn_implementation"]) == ("auto", "eager")
    assert four["device_map"] == {"": torch.device("cuda")}, "quantized weights cannot be moved"
    assert four["quantization_config"].load_in_4bit
    assert four["quantization_config"].bnb_4bit_quant_type == "nf4"
    assert four["quantization_config"].bnb_4bit_compute_dtype == torch.bfloat16
    eight = loading_options("auto", "bnb-8bit", torch.float16, "split", outline)
    assert (eight["dtype"], eight["device_map"]) == (torch.float16, "auto")
    assert eight["quantization_config"].load_in_8bit
    assert "attn_implementation" not in eight
    assert loading_options("auto", None, None, ON_CPU["solver"], outline) == {"dtype": "auto"}


@pytest.mark.parametrize("flags", [(), ("--dry_run",)])
@pytest.mark.process
def test_the_command_line_refuses_before_it_fetches(flags, monkeypatch, capsys, tmp_path, toy_release):
    monkeypatch.setattr(
        "recursivemas.agents.load_agents.load_engine", lambda *_, **__: pytest.fail("weights")
    )
    monkeypatch.chdir(tmp_path)
    command = ["--device", "cpu", "--release", str(toy_release), "--attn", "flash_attention_2"]
    if not flags:
        monkeypatch.setattr("recursivemas.runs.prepare.load_questions", lambda *_, **__: pytest.fail("read"))
    else:
        none = Questions((), commit=None)
        monkeypatch.setattr("recursivemas.runs.prepare.load_questions", lambda *_, **__: none)
    assert run_main([*command, *flags]) == 2
    assert "attn 'flash_attention_2' computes on CUDA devices alone" in capsys.readouterr().err


def test_a_system_is_refused_before_its_files_are_looked_for(monkeypatch):
    monkeypatch.setattr("recursivemas.system.resolve_mas_paths", lambda *_, **__: pytest.fail("looked for"))
    with pytest.raises(LoadError, match="quantization 'bnb-4bit' computes on CUDA"):
        load_mas_system("sequential_light", device="cpu", quantization="bnb-4bit", prompts="default")
