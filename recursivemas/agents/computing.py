"""How models compute: their attention, and weights that are quantized while they are loaded.

What a machine, a device or a model lacks for it is told before any weights are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import BitsAndBytesConfig

from recursivemas.agents.checkpoint import LoadError, Outline
from recursivemas.settings import ATTENTIONS, PREFILLS, QUANTIZATIONS, STATIC_CACHES

SPLIT: Literal["split"] = "split"
"""In place of a device: a model's layers are spread over all accelerators, for models larger than one."""
Placement = torch.device | Literal["split"]

FLASH = "flash_attention_2"
HALF = (torch.float16, torch.bfloat16)
"""What flash attention computes in."""


def check_computing(
    attn: str,
    quantization: str | None,
    dtype: torch.dtype | None,
    devices: Mapping[str, Placement],
    static_cache: str = "auto",
    prefill: str = "auto",
) -> None:
    """Raise LoadError for what this machine cannot compute on these devices, by role.

    `attn` is `auto` or the name of one of transformers' implementations, `quantization` None or one of
    `QUANTIZATIONS`, `dtype` None for what is stored, `static_cache` one of `STATIC_CACHES`, `prefill`
    one of `PREFILLS`.
    """
    if attn not in ATTENTIONS:
        raise LoadError(f"attn {attn!r} is not one of {', '.join(ATTENTIONS)}")
    if prefill not in PREFILLS:
        raise LoadError(f"prefill {prefill!r} is not one of {', '.join(PREFILLS)}")
    if quantization is not None and quantization not in QUANTIZATIONS:
        raise LoadError(f"quantization {quantization!r} is not one of {', '.join(QUANTIZATIONS)}")
    if static_cache not in STATIC_CACHES:
        raise LoadError(f"static_cache {static_cache!r} is not one of {', '.join(STATIC_CACHES)}")
    if static_cache == "on" and attn == FLASH:
        raise LoadError(
            f"static_cache is on, and attn {FLASH!r} cannot use it; take --attn sdpa or --static_cache auto"
        )
    if attn == FLASH:
        _check_there(f"attn {attn!r}", "flash_attn", "flash-attn", "take --attn sdpa", devices)
        if dtype not in (None, *HALF):
            raise _no_flash(f"dtype is {_name(dtype)}")
    if quantization is not None:
        what = f"quantization {quantization!r}"
        _check_there(what, "bitsandbytes", "bitsandbytes", "drop --quantization", devices)


def check_models(
    attn: str,
    quantization: str | None,
    dtype: torch.dtype | None,
    models: Mapping[str, tuple[Path, Outline]],
) -> None:
    """The same for what these models, by role, do not go together with."""
    for role, (model_dir, outline) in models.items():
        stored = outline.config.dtype or torch.float32
        if attn == FLASH and dtype is None and stored not in HALF:
            raise _no_flash(f"the {role}'s model in {model_dir} is stored in {_name(stored)}")
        if quantization is not None and outline.quantized:
            raise LoadError(
                f"the {role}'s model in {model_dir} is quantized as it is stored, and cannot be quantized "
                f"again as {quantization!r}; drop --quantization"
            )


def loading_options(
    attn: str, quantization: str | None, dtype: torch.dtype | None, device: Placement, outline: Outline
) -> dict[str, Any]:
    """What transformers' `from_pretrained` is told of it.

    Quantized weights are put on their device as they are loaded: they cannot be moved as others can. 4-bit
    ones are NF4, and are computed with in the dtype that is asked for, else in the stored one.
    """
    options: dict[str, Any] = {"dtype": "auto" if dtype is None else dtype}
    if device == SPLIT:
        options["device_map"] = "auto"
    elif quantization is not None:
        options["device_map"] = {"": device}
    if attn != "auto":
        options["attn_implementation"] = attn
    if quantization == "bnb-4bit":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype or outline.config.dtype or torch.float32,
        )
    elif quantization == "bnb-8bit":
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    return options


def _check_there(
    what: str, module: str, package: str, instead: str, devices: Mapping[str, Placement]
) -> None:
    """Raise LoadError where an agent is not on CUDA, or the package is not installed."""
    for role, device in devices.items():
        on_cuda = torch.cuda.is_available() if device == SPLIT else device.type == "cuda"
        if not on_cuda:
            raise LoadError(
                f"{what} computes on CUDA devices alone, and the {role} is on {str(device)!r}; give --device "
                f"cuda, or {instead}"
            )
    if find_spec(module) is None:
        raise LoadError(f"{what} needs a package: pip install {package}; or {instead}")


def _no_flash(reason: str) -> LoadError:
    return LoadError(
        f"attn {FLASH!r} computes in float16 and bfloat16 alone, and {reason}; give --dtype bfloat16, or "
        "take --attn sdpa"
    )


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")
