"""Several engines in this process, as with VLLM_ENABLE_V1_MULTIPROCESSING=0.

They share vLLM's process groups, and vLLM 0.32 gives these up with the first engine that is shut down: the
others could not take another step.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakSet

_living: WeakSet[Any] = WeakSet()


def keep_groups_for_others(client: Any) -> None:
    """Have process groups stay until this client (`LLMEngine.engine_core`) and all others here are gone."""
    from vllm.v1.engine.core_client import InprocClient

    if isinstance(client, InprocClient):
        _have_the_last_clean_up()
        _living.add(client)


@cache
def _have_the_last_clean_up() -> None:
    from vllm.v1.engine import core

    clean_up = core.cleanup_dist_env_and_memory

    def clean_up_after_the_last(*arguments: Any, **options: Any) -> None:
        if not list(_living):  # one that is being collected is not among them
            clean_up(*arguments, **options)

    core.cleanup_dist_env_and_memory = clean_up_after_the_last
