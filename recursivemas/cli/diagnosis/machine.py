"""This machine: its devices, how far code can be contained, keys, folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from recursivemas.cli.diagnosis.finding import MISSING, NOTE, OK, PROBLEM, Finding
from recursivemas.errors import UserError
from recursivemas.files.disk_cache import CACHE_VARIABLE, user_cache
from recursivemas.output.sizes import format_size

LITTLE_ROOM = 10 * 10**9
KEYS = {"OPENAI_API_KEY": "the judge, where its endpoint asks for one", "WANDB_API_KEY": "--log_with wandb"}
"""Variables of the environment, and what reads them."""


def examine_devices() -> list[Finding]:
    """What torch can compute on, with what is free there, and which one `--device auto` takes."""
    import torch

    from recursivemas.agents.load import resolve_device
    from recursivemas.agents.memory import free_bytes

    main = f"{os.cpu_count()} cores, {format_size(free_bytes(torch.device('cpu')))} of memory free"
    found = [Finding("cpu", main)]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        found.append(Finding(f"cuda:{index}", f"{name}, {format_size(free)} of {format_size(total)} free"))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", "Apple's GPU; it shares the main memory"))
    built = torch.version.cuda or torch.version.hip
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        why = f"built for {built}, and no GPU or driver is found" if built else "this torch is built for CPUs"
        advice = "--device is cuda unless given: give --device cpu or auto"
        found.append(Finding("cuda", f"none: {why}", NOTE, advice))
    return [*found, Finding("--device auto", f"takes {resolve_device('auto')}")]


def examine_sandbox() -> list[Finding]:
    """The level that code of models runs under, each level tried with a small program."""
    from recursivemas.sandbox import LEVELS, why_not

    found: list[Finding] = []
    for level in LEVELS:
        reason = why_not(level)
        if reason is None:
            works = "works, and is what code of models runs under"
            return [*found, _level(level, works)]
        found.append(Finding(level, f"does not work here: {reason.splitlines()[0]}", MISSING))
    advice = "Code benchmarks and the python tool do not run here; docs/sandbox.md says what they need"
    return [*found, Finding("none", "code of models cannot be run", NOTE, advice)]


def _level(level: str, works: str) -> Finding:
    if level != "limits":
        return Finding(level, works)
    advice = (
        "Code benchmarks and the python tool run so with --allow_unisolated_code only. Install bubblewrap\n"
        "(apt-get install bubblewrap), or allow user namespaces (docs/sandbox.md)"
    )
    return Finding(level, works, NOTE, advice)


def examine_keys() -> list[Finding]:
    """Which keys are there, and where; never what they are."""
    from huggingface_hub import constants, get_token

    from recursivemas.tools.search.keys import KEY_VARIABLE, find_keys

    place = "in HF_TOKEN" if os.environ.get("HF_TOKEN") else f"in {constants.HF_TOKEN_PATH}"
    found = [_key("hub token", place if get_token() else "", "gated and private repositories, --push_to_hub")]
    try:
        place = "in the environment" if os.environ.get(KEY_VARIABLE) else "in a .env file"
        found.append(_key(KEY_VARIABLE, place if find_keys(None) else "", "the search tool"))
    except UserError as error:
        found.append(Finding(KEY_VARIABLE, str(error), NOTE))
    return found + [
        _key(name, "in the environment" if os.environ.get(name) else "", use) for name, use in KEYS.items()
    ]


def _key(name: str, place: str, use: str) -> Finding:
    if place:
        return Finding(name, f"present, {place}")
    return Finding(name, f"absent; for {use}", MISSING)


def examine_folders() -> list[Finding]:
    """Whether caches and runs can be written, and how much room is on their disks."""
    from huggingface_hub import constants

    return [
        _folder("hub cache", Path(constants.HF_HUB_CACHE), "set HF_HOME or HF_HUB_CACHE to another folder"),
        _folder("our cache", user_cache(), f"set {CACHE_VARIABLE} to another folder"),
        _folder("runs", Path("runs").absolute(), "give an --output_dir that can be written"),
    ]


def _folder(name: str, path: Path, advice: str) -> Finding:
    there = next(one for one in (path, *path.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(name, f"{path} cannot be written: {error.strerror or error}", PROBLEM, advice)
    told = f"{path}, {format_size(free)} free on its disk"
    return Finding(name, told, NOTE if free < LITTLE_ROOM else OK)
