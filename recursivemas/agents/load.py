"""Loading a language model and its tokenizer from a folder, and everything that can go wrong with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from recursivemas import settings
from recursivemas.agents.checkpoint import LoadError, Outline, read_outline, reading
from recursivemas.agents.computing import SPLIT, Placement, loading_options
from recursivemas.engine import LocalEngine
from recursivemas.styles import Style

DTYPES: dict[str, torch.dtype | None] = {
    name: None if name == "auto" else getattr(torch, name) for name in settings.DTYPES
}

DEVICES = ("cuda", "cpu", "mps", "xpu", "auto", "split")
"""Those that a name may have been meant for; PyTorch knows more."""
DEVICE_NICKNAMES = {"gpu": "cuda", "nvidia": "cuda", "rocm": "cuda", "metal": "mps", "apple": "mps"}
"""What people call them. By its letters alone `gpu` would be `cpu`."""


def resolve_device(device: str | torch.device) -> Placement:
    """A torch device by name; `auto` takes CUDA, else MPS, else the CPU; `split` stays as it is.

    Raises LoadError for a device that this machine or this PyTorch does not have.
    """
    if device == SPLIT:
        if find_spec("accelerate") is None:
            raise LoadError("device 'split' needs accelerate: pip install accelerate")
        return SPLIT
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise _no_such_device(device, f"no device has that name{_meant_device(str(device))}") from error
    try:
        torch.empty(0, device=resolved)
        if resolved.type == "meta":
            raise NotImplementedError("meta tensors hold no data")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise _no_such_device(device, str(error).strip().splitlines()[0]) from error
    return resolved


def resolve_devices(
    device: str | torch.device | Mapping[str, str | torch.device], style: Style
) -> dict[str, Placement]:
    """Each role's device; `ROLE=DEVICE,...` in a string is a mapping, too. Raises LoadError."""
    if isinstance(device, str) and "=" in device:
        entries = [entry.partition("=")[::2] for entry in device.split(",")]
        given, device = device, dict(entries)
        if len(device) < len(entries):
            raise LoadError(
                f"device {given!r} names a role twice; give one device for each of {', '.join(style.roles)}"
            )
    if not isinstance(device, Mapping):
        one = resolve_device(device)
        return dict.fromkeys(style.roles, one)
    if wrong := sorted(set(device) ^ set(style.roles)):
        raise LoadError(
            f"the device mapping and style {style.name} disagree about {', '.join(wrong)}; "
            f"give one device for each of {', '.join(style.roles)}"
        )
    return {role: resolve_device(device[role]) for role in style.roles}


def _no_such_device(device: str | torch.device, reason: str) -> LoadError:
    return LoadError(
        f"device {str(device)!r} is not available here ({reason}). "
        "Use --device cpu (device='cpu'), or auto to take the best there is."
    )


def _meant_device(name: str) -> str:
    """`; did you mean 'cuda:1'?` for `gpu:1` and the like; empty where nothing is near."""
    kind, colon, number = name.lower().partition(":")
    close = DEVICE_NICKNAMES.get(kind) or next(iter(get_close_matches(kind, DEVICES, n=1)), None)
    return f"; did you mean '{close}{colon}{number}'?" if close else ""


def resolve_dtype(name: str | torch.dtype | None) -> torch.dtype | None:
    """A torch dtype by name; `auto` (None) keeps what is stored. Raises LoadError for any other name."""
    if name is None or isinstance(name, torch.dtype):
        return name
    if name not in DTYPES:
        raise LoadError(f"dtype {name!r} is not one of {', '.join(DTYPES)}")
    return DTYPES[name]


def load_engine(
    model_dir: Path,
    *,
    device: Placement,
    dtype: torch.dtype | None,
    trust_remote_code: bool,
    outline: Outline | None = None,
    attn: str = "auto",
    static_cache: str = "auto",
    quantization: str | None = None,
    prefill: str = "auto",
) -> tuple[LocalEngine, PreTrainedTokenizerBase]:
    """An engine with a frozen model, and its tokenizer, from a folder. `dtype` None keeps the checkpoint's.

    `device` `split` leaves the placing of layers to accelerate. `outline` is what `read_outline` found, if it
    was asked before. `attn`, `static_cache`, `quantization` and `prefill` are as `check_computing` has
    them. The tokenizer pads on the left and has a pad token.

    Raises LoadError for what `read_outline` raises it for, and when weights are missing from the checkpoint
    (transformers would start them at random); what `LocalEngine` raises.
    """
    outline = outline or read_outline(model_dir, trust_remote_code=trust_remote_code)
    with reading(model_dir) as view, _no_weight_bars():
        model, report = AutoModelForCausalLM.from_pretrained(
            view,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **loading_options(attn, quantization, dtype, device, outline),
        )
    _check_complete(model_dir, report)
    model.config._name_or_path = str(model_dir)  # the view is gone by now
    if device != SPLIT and quantization is None:
        model = model.to(device)
    engine = LocalEngine(model.eval().requires_grad_(False), static_cache)
    engine.prefill = prefill
    if engine.dtype not in DTYPES.values():
        raise LoadError(
            f"the model in {model_dir} embeds in {engine.dtype}, which nothing here computes in; give a "
            f"dtype ({', '.join(DTYPES)})"
        )
    return engine, outline.tokenizer


@contextmanager
def _no_weight_bars() -> Iterator[None]:
    """Without transformers' bar for each model: loading a system shows one of its own."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _check_complete(model_dir: Path, report: Mapping[str, Any]) -> None:
    for problem in ("missing_keys", "mismatched_keys"):
        if names := sorted(str(name) for name in report[problem]):
            weights = next((path.resolve() for path in sorted(model_dir.glob("*.safetensors"))), model_dir)
            raise LoadError(
                f"the checkpoint in {model_dir} does not fit its config.json: {len(names)} "
                f"{problem.replace('_', ' ')} (the first: {', '.join(names[:3])}). If it was downloaded, "
                f"delete {weights} and run again."
            )
