"""Tests that need vLLM (`make test-vllm` makes an environment with it); without it they are skipped.

Engines run in this process, where a test does not ask for one of its own: starting one takes seconds. With
VLLM_USE_V2_MODEL_RUNNER=1 they take vLLM's V2 model runner: tests/vllm/standins has to be on PYTHONPATH then,
and a Triton.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")

HERE = Path(__file__).parent
MARKS = (
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.process,  # vLLM looks at models in a process of its own
    pytest.mark.filterwarnings("default"),  # its own are not ours to mend
    pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM"),
)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            for mark in MARKS:
                item.add_marker(mark)
