"""vLLM behind the engine's door, for questions by the thousand. It is imported when it is first needed."""

from recursivemas.engine.vllm.engine import VllmEngine
from recursivemas.engine.vllm.shares import Share, split_memory
from recursivemas.engine.vllm.start import (
    DTYPES,
    Model,
    check_computes,
    check_installed,
    start_engine,
    vllm_version,
)

__all__ = [
    "DTYPES",
    "Model",
    "Share",
    "VllmEngine",
    "check_computes",
    "check_installed",
    "split_memory",
    "start_engine",
    "vllm_version",
]
