"""Python and packages: which are here, and whether they are those that the library is made for."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from recursivemas import __version__
from recursivemas.cli.diagnosis.finding import MISSING, OK, PROBLEM, Finding

NEEDED = ("torch", "transformers", "tokenizers", "huggingface_hub", "datasets", "accelerate", "safetensors")
OPTIONAL = {
    "vllm": "--backend vllm",
    "bitsandbytes": "--quantization",
    "flash-attn": "--attn flash_attention_2",
    "openai": "--judge_model",
    "matplotlib": "plots of reports",
    "inspect-ai": "`recursivemas export --to inspect`",
    "trackio": "--log_with trackio",
    "wandb": "--log_with wandb",
    "tensorboard": "--log_with tensorboard",
    "shtab": "`recursivemas completion`",
}
"""Packages that some things need, and which."""


def examine_packages() -> list[Finding]:
    """Versions of Python, of this library, of what every run needs, of what is there for some."""
    found = [
        Finding("python", f"{platform.python_version()} at {sys.executable}"),
        Finding("recursivemas", __version__),
        *(_needed(name) for name in NEEDED),
    ]
    return [*found, *(_optional(name, use) for name, use in OPTIONAL.items())]


def _needed(name: str) -> Finding:
    version = _version(name)
    if version is None:
        return Finding(name, "not installed", PROBLEM, f"pip install {name}")
    wanted = _wanted(name)
    if wanted and not _fits(version, wanted):
        advice = f'pip install "{name}{wanted}"'
        return Finding(name, f"{version}; this library is made for {wanted}", PROBLEM, advice)
    return Finding(name, version)


def _optional(name: str, use: str) -> Finding:
    version = _version(name)
    return Finding(name, version or f"not installed; for {use}", OK if version else MISSING)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _wanted(name: str) -> str:
    """Which versions the library asks for, `>=2.6,<3`; empty where it is not installed, or does not say."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("recursivemas") or []
    except metadata.PackageNotFoundError:
        return ""
    requirements = (Requirement(line) for line in lines)
    plain = {_plain(one.name): str(one.specifier) for one in requirements if one.marker is None}
    return plain.get(_plain(name), "")


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _fits(version: str, wanted: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)
