"""What runs models: transformers in this process, or vLLM in its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from recursivemas.agents.checkpoint import LoadError
from recursivemas.agents.computing import Placement, check_computing
from recursivemas.agents.load import resolve_dtype
from recursivemas.agents.offload import check_offload
from recursivemas.engine.vllm import DTYPES, check_installed, vllm_version
from recursivemas.settings import AUTO, BACKENDS

OTHER = "or take --backend transformers"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Which one was taken, and why."""

    name: Literal["transformers", "vllm"]
    why: str
    dtype: torch.dtype | None
    """Of models and inner links; None for what is stored."""
    attn: str
    """How attention is computed; for transformers alone, as the next four."""
    static_cache: str
    prefill: str
    quantization: str | None
    offload: str
    tensor_parallel_size: int
    """For vLLM alone, as the next one."""
    gpu_memory_utilization: float


def choose_backend(
    devices: Mapping[str, Placement],
    dtype: str | torch.dtype | None,
    attn: str,
    static_cache: str,
    prefill: str,
    quantization: str | None,
    offload: str,
    backend: str,
    tensor_parallel_size: int,
    gpu_memory_utilization: float,
) -> Backend:
    """The backend that is asked for, or for `auto` the one that fits; nothing is loaded for it.

    The other settings are those of `load_mas_system`. Raises LoadError for what it cannot compute, and
    UserError where it is not installed.
    """
    if backend not in BACKENDS:
        raise LoadError(f"backend {backend!r} is not one of {', '.join(BACKENDS)}")
    kept = resolve_dtype(dtype)
    check_computing(attn, quantization, kept, devices, static_cache, prefill)
    check_offload(offload, quantization, devices)
    misfit = _misfit(devices, kept, attn, static_cache, prefill, quantization, offload)
    name, why = backend, "it was asked for"
    if backend == "auto":
        on_cuda = all(device != "split" and device.type == "cuda" for device in devices.values())
        if vllm_version() is None:
            name, why = "transformers", "vLLM is not installed"
        elif not on_cuda:
            name, why = "transformers", "models are not on CUDA"
        elif misfit:
            name, why = "transformers", misfit
        else:
            name, why = "vllm", "it is installed, and models are on CUDA"
    if name == "vllm":
        check_installed()
        if misfit:
            raise LoadError(f"backend 'vllm' cannot run this: {misfit}; change that, {OTHER}")
    elif tensor_parallel_size != 1:
        raise LoadError(
            f"tensor_parallel_size {tensor_parallel_size} is read by vLLM alone, and transformers was taken "
            f"({why}); give --backend vllm, or --device split to spread layers over all GPUs"
        )
    return Backend(
        name="vllm" if name == "vllm" else "transformers",
        why=why,
        dtype=kept,
        attn=attn,
        static_cache=static_cache,
        prefill=prefill,
        quantization=quantization,
        offload=offload,
        tensor_parallel_size=tensor_parallel_size,
        gpu_memory_utilization=gpu_memory_utilization,
    )


def _misfit(
    devices: Mapping[str, Placement],
    dtype: torch.dtype | None,
    attn: str,
    static_cache: str,
    prefill: str,
    quantization: str | None,
    offload: str,
) -> str:
    """What vLLM does not do of these settings; empty where it does all."""
    places = sorted({str(device) for device in devices.values()})
    if len(places) > 1:
        return f"agents are on several devices ({', '.join(places)}), and vLLM places all of them itself"
    if places == ["split"]:
        return "device 'split' is accelerate's; vLLM spreads a model by --tensor_parallel_size"
    if attn != "auto":
        return f"attn {attn!r} is transformers' own; vLLM has kernels of its own"
    if static_cache != AUTO:
        return f"static_cache {static_cache!r} is for our own engine; vLLM has caches of its own"
    if prefill != AUTO:
        return f"prefill {prefill!r} is for our own engine; vLLM reads prompts its own way"
    if quantization is not None:
        return f"quantization {quantization!r} is made by transformers while it loads"
    if offload not in (AUTO, "none"):
        return f"offload {offload!r} moves transformers' models; vLLM's stay where they are"
    if dtype is not None and dtype not in DTYPES:
        return f"vLLM computes in {_names(DTYPES)}, and dtype is {_names([dtype])}"
    return ""


def _names(dtypes: tuple[torch.dtype, ...] | list[torch.dtype]) -> str:
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
