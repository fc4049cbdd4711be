"""The toy release's agents, each loaded once for all files of this folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from recursivemas.styles import HUB_ORGANISATION, Style
from tests.support.toy_agents import Loaded


@pytest.fixture(scope="session")
def hub(toy_release: Path) -> Path:
    return toy_release / HUB_ORGANISATION


@pytest.fixture(scope="session")
def load(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Style, str], Loaded]:
    """Agents by style and role, each loaded once. The view hides `adapter_config.json` from peft."""

    @cache
    def load_agent(repo: str) -> Loaded:
        view = tmp_path_factory.mktemp("view")
        for path in (hub / repo).iterdir():
            if path.name != "adapter_config.json":
                (view / path.name).symlink_to(path)
        model = AutoModelForCausalLM.from_pretrained(view, dtype="auto").eval()
        return Loaded(model=model, tokenizer=AutoTokenizer.from_pretrained(view), folder=hub / repo)

    return lambda style, role: load_agent(style.agent(role).repo)
