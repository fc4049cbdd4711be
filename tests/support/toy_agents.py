"""The toy release as its tests see it: roles, loaded agents, and files found as a reader finds them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recursivemas.styles import PUBLISHED_STYLES, Style

ROLES = [(style, agent.role) for style in PUBLISHED_STYLES.values() for agent in style.agents]
ROLE_IDS = [f"{style.name}-{role}" for style, role in ROLES]
TEXTS = (
    "What is 3 * 14?\n\nA. 40\nB. 42\n",
    "Solve $\\frac{x}{2} = \\sqrt{1234567}$; the answer is \\boxed{-0.5}.",
    "```python\ndef f(xs):\n    return [x for x in xs if x >= 10]\n\n\nprint(f([1, 20]))\n```",
    "Größe 30° – “quoted”, 漢字, π ≈ 3.14159, 😀 and\ta tab",
    "  two  spaces before and after  ",
)


@dataclass(frozen=True)
class Loaded:
    model: Any
    tokenizer: Any
    folder: Path

    @property
    def hidden_size(self) -> int:
        return int(self.model.get_input_embeddings().weight.shape[1])

    def encode(self, question: str) -> torch.Tensor:
        """Token ids [1, T] of a chat with one user turn."""
        text = render(self.tokenizer, [user(question)], enable_thinking=False)
        ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        assert isinstance(ids, torch.Tensor)
        return ids


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def render(tokenizer: Any, messages: list[dict[str, str]], **options: Any) -> str:
    options.setdefault("add_generation_prompt", True)
    return str(tokenizer.apply_chat_template(messages, tokenize=False, **options))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def inner_link_files(hub: Path, style: Style, role: str) -> list[Path]:
    """As a reader finds them: by the manifest where there is one, else by the naming convention."""
    folder = hub / style.agent(role).repo
    if (folder / "innerlink_config.json").exists():
        tasks = read_json(folder / "innerlink_config.json")["tasks"]
        return [folder / tasks[link_set]["adapter.pt"] for link_set in style.link_sets]
    return [folder / f"adapter({name}).pt" for name in style.link_sets] or [folder / "adapter.pt"]


def outer_rows(hub: Path, style: Style) -> list[list[dict[str, Any]]]:
    """The manifest's lists of links, one a link set."""
    assert style.outer_repo is not None
    manifest = read_json(hub / style.outer_repo / "outerlink_config.json")
    if style.link_sets:
        return [manifest["tasks"][link_set]["adapters"] for link_set in style.link_sets]
    return [manifest["adapters"]]
