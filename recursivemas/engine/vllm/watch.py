"""Noticing that vLLM's engine has died, also while something is asked of it.

vLLM 0.32 refuses what is asked of an engine whose process has ended. Who was waiting by then, for a step's
outputs or a worker's word, is not told, and would wait for ever.
"""

from __future__ import annotations

from concurrent.futures import InvalidStateError
from contextlib import suppress
from multiprocessing import connection
from threading import Thread
from typing import Any

KILLED = -9
ENDS_WITHIN = 5.0
"""Seconds that a process has to end which is known to be dying."""


class Watch:
    """Waits beside an engine's client (`LLMEngine.engine_core`) for the end of the engine's processes.

    Then vLLM's EngineDeadError reaches everyone who waits for it. An engine in this process has none.
    """

    def __init__(self, client: Any) -> None:
        self._resources: Any = getattr(client, "resources", None)
        manager = self._resources.engine_manager if self._resources else None
        self._processes = getattr(manager, "processes", [])  # Ray's engines have theirs elsewhere
        if self._processes:
            self._outputs, self._calls = client.outputs_queue, client.utility_results
            Thread(target=self._wait, name="watch over a vLLM engine", daemon=True).start()

    def describe(self) -> str:
        """How it came to its end, as far as that is known.

        vLLM may have noticed, by a connection that was closed, before the process has ended.
        """
        processes = {process.sentinel: process for process in self._processes}
        for ended in connection.wait(list(processes), timeout=ENDS_WITHIN) if processes else ():
            processes[ended].join(ENDS_WITHIN)  # its files are closed before it has an exit code
        if KILLED in {process.exitcode for process in self._processes}:
            return "its process was killed, as a machine does that runs out of memory"
        return "its own words stand above"

    def _wait(self) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        connection.wait([process.sentinel for process in self._processes])
        self._resources.engine_dead = True  # from here on vLLM itself refuses to wait
        self._outputs.put_nowait(EngineDeadError())
        for call in list(self._calls.values()):
            with suppress(InvalidStateError):  # it was answered just before
                call.set_exception(EngineDeadError())
