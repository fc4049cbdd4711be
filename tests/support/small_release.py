"""A release of two agents whose files are only as real as finding and downloading them needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recursivemas.styles import AgentSpec, LinkSpec, Style

SMALL_STYLE = Style(
    name="small",
    agents=(
        AgentSpec(role="planner", repo="Small-Planner", prompt="sequential/planner"),
        AgentSpec(role="solver", repo="Small-Solver", prompt="sequential/solver"),
    ),
    links=(
        LinkSpec(source="planner", target="solver", slot="plan", key="outer_12"),
        LinkSpec(source="solver", target="planner", slot="feedback", key="outer_21", feedback=True),
    ),
    outer_repo="Small-Outerlinks",
    link_sets=("math", "code"),
)
SMALL_REPOS = ("Small-Planner", "Small-Solver", "Small-Outerlinks")


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")


def write_release(folder: Path, *, num_bytes: int = 4096) -> Path:
    """Write the repositories of SMALL_STYLE under `folder`/RecursiveMAS; weights have `num_bytes`."""
    home = folder / "RecursiveMAS"
    for name in ("Small-Planner", "Small-Solver"):
        write_model(home / name, num_bytes=num_bytes)
        (home / name / "adapter(math).pt").write_bytes(b"inner math of " + name.encode())
        (home / name / "adapter(code).pt").write_bytes(b"inner code of " + name.encode())
        write_json(home / name / "adapter_config.json", {"adapter_type": "ln_res_adapter"})
    write_outer_links(home / "Small-Outerlinks")
    return folder


def write_model(folder: Path, *, num_bytes: int = 4096) -> Path:
    """A model's folder with two formats of weights, a tokenizer, and files that nobody needs."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder.name.encode()
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        write_json(folder / name, {"of": folder.name, "file": name})
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes((seed * num_bytes)[:num_bytes])
    (folder / "pytorch_model.bin").write_bytes((seed[::-1] * num_bytes)[:num_bytes])
    (folder / "modeling_small.py").write_text("raise SystemExit('never run')", encoding="utf-8")
    (folder / "README.md").write_text("A model card.", encoding="utf-8")
    (folder / "onnx").mkdir(exist_ok=True)
    (folder / "onnx" / "config.json").write_text("{}", encoding="utf-8")
    return folder


def write_outer_links(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {}
    for link_set in ("math", "code"):
        entries = []
        for key, name in (("outer_12", "Planner-Solver"), ("outer_21", "Solver-Planner")):
            filename = f"{name}-Outerlink({link_set}).pt"
            (folder / filename).write_bytes(f"{key} {link_set}".encode())
            entries.append(outer_entry(key, filename))
        tasks[link_set] = {"adapters": entries}
    write_json(folder / "outerlink_config.json", {"tasks": tasks})
    return folder


def outer_entry(key: str, filename: str, **more: Any) -> dict[str, Any]:
    """An entry of a manifest of outer links."""
    known = {"adapter_type": "outer_ln_res_adapter", "in_dim": 48, "out_dim": 64}
    return {"legacy_key": key, "filename": filename, **known, **more}
