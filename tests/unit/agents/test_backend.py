"""Which backend runs models, told before anything is loaded; none of it needs vLLM."""

from __future__ import annotations

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.agents import backend as backends
from recursivemas.agents.backend import choose_backend
from recursivemas.agents.checkpoint import LoadError
from recursivemas.engine.vllm import start
from recursivemas.errors import UserError
from recursivemas.settings import RunSettings

ON_CUDA = dict.fromkeys(("planner", "solver"), torch.device("cuda"))
ON_CPU = dict.fromkeys(("planner", "solver"), torch.device("cpu"))


def choose(devices=ON_CPU, dtype=None, **changes):
    settings = RunSettings().model.computing()
    return choose_backend(devices, dtype, **{**settings, **changes})


@pytest.fixture
def installed(monkeypatch):
    """As if that version of vLLM were installed, None for none."""

    def install(version):
        for module in (backends, start):
            monkeypatch.setattr(module, "vllm_version", lambda: version)

    return install


@pytest.mark.parametrize(
    ("version", "devices", "settings", "name", "why"),
    [
        (None, ON_CUDA, {}, "transformers", "vLLM is not installed"),
        ("0.32.0", ON_CPU, {}, "transformers", "models are not on CUDA"),
        ("0.32.0", {"planner": "split"}, {}, "transformers", "models are not on CUDA"),
        ("0.32.0", ON_CUDA, {"attn": "eager"}, "transformers", "attn 'eager' is transformers' own"),
        ("0.32.1", ON_CUDA, {}, "vllm", "it is installed, and models are on CUDA"),
    ],
)
def test_auto_takes_vllm_where_it_is_at_home(installed, version, devices, settings, name, why):
    installed(version)
    chosen = choose(devices, backend="auto", **settings)
    assert chosen.name == name
    assert chosen.why.startswith(why)


def test_transformers_is_the_default(installed):
    installed("0.32.0")
    assert choose(ON_CUDA).name == "transformers"


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (None, r"needs vLLM: pip install 'recursivemas\[vllm\]'.*or take --backend transformers"),
        ("0.33.0", r"inner workings of vLLM 0\.32\.x, and 0\.33\.0 is installed"),
    ],
)
def test_without_its_version_of_vllm_there_is_the_command_to_have_it(installed, version, says):
    installed(version)
    with pytest.raises(UserError, match=says):
        choose(backend="vllm")


@pytest.mark.parametrize(
    ("devices", "dtype", "settings", "says"),
    [
        ({**ON_CPU, "solver": torch.device("cuda")}, None, {}, r"several devices \(cpu, cuda\)"),
        ({"solver": "split"}, None, {}, "vLLM spreads a model by --tensor_parallel_size"),
        (ON_CPU, torch.float64, {}, "float32, float16, bfloat16, and dtype is float64; .*transformers"),
        (ON_CPU, None, {"attn": "sdpa"}, "vLLM has kernels of its own"),
        (ON_CPU, None, {"prefill": "apart"}, "vLLM reads prompts its own way"),
        (ON_CPU, None, {"offload": "disk"}, "vLLM's stay where they are"),
        (ON_CPU, None, {"backend": "vlm"}, "backend 'vlm' is not one of transformers, vllm, auto"),
        (ON_CPU, None, {"backend": "auto", "tensor_parallel_size": 2}, r"\(models are not on CUDA\); give"),
    ],
)
def test_what_a_backend_does_not_do_is_refused(installed, devices, dtype, settings, says):
    installed("0.32.0")
    with pytest.raises(LoadError, match=says):
        choose(devices, dtype, **{"backend": "vllm", **settings})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repetition_penalty", 1.2),
        ("rejoin_every", 8),
        ("batch_size", "auto"),
        ("links", "identity"),
        ("lens", True),
    ],
)
def test_what_vllm_would_do_otherwise_is_refused_before_it_starts(name, value):
    RunSettings.of(backend="transformers", **{name: value})
    with pytest.raises(UserError, match=rf"{name}.* is not for backend 'vllm'"):
        RunSettings.of(backend="vllm", **{name: value})


def test_a_share_of_nothing_is_no_share():
    for fraction in (0, 1.5):
        with pytest.raises(UserError, match=r"gpu_memory_utilization is .*above 0 and at most 1"):
            RunSettings.of(gpu_memory_utilization=fraction)


def test_a_system_is_refused_before_its_files_are_looked_for(installed, monkeypatch):
    installed(None)
    monkeypatch.setattr("recursivemas.system.resolve_mas_paths", lambda *_, **__: pytest.fail("looked for"))
    with pytest.raises(UserError, match="needs vLLM"):
        load_mas_system("sequential_light", device="cpu", backend="vllm", prompts="default")
