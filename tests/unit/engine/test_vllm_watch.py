"""Who waits for a vLLM engine is told that it has died, by a client that stands in for vLLM's."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from queue import Queue
from types import ModuleType, SimpleNamespace

import pytest

from recursivemas.engine.vllm.core import Core, EngineDiedError
from recursivemas.engine.vllm.watch import Watch

pytestmark = pytest.mark.process


class EngineDeadError(Exception):
    """vLLM's own."""


class Client:
    """One process that sleeps, and what waits for its outputs and its words."""

    def __init__(self):
        self.process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        self.process.start()
        manager = SimpleNamespace(processes=[self.process])
        self.resources = SimpleNamespace(engine_manager=manager, engine_dead=False)
        self.outputs_queue: Queue = Queue()
        self.utility_results: dict[int, Future] = {}


@pytest.fixture
def client(monkeypatch):
    for name in ("vllm", "vllm.v1", "vllm.v1.engine", "vllm.v1.engine.exceptions"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["vllm.v1.engine.exceptions"].EngineDeadError = EngineDeadError
    made = Client()
    yield made
    made.process.kill()
    made.process.join()


@pytest.mark.parametrize(
    ("end", "said"), [(signal.SIGKILL, "runs out of memory"), (signal.SIGTERM, "its own words stand above")]
)
def test_who_waits_is_woken(client, end, said):
    waiting, answered = Future(), Future()
    answered.set_result("in time")
    client.utility_results |= {1: answered, 2: waiting}
    watch = Watch(client)
    os.kill(client.process.pid, end)
    assert isinstance(waiting.exception(timeout=20), EngineDeadError)
    assert isinstance(client.outputs_queue.get(timeout=20), EngineDeadError)
    assert client.resources.engine_dead, "nobody begins to wait any more"
    assert answered.result() == "in time"
    assert said in watch.describe()


def test_a_process_that_is_dying_has_time_to_end(client):
    """vLLM may notice before the system does."""
    watch = Watch(client)
    threading.Timer(0.3, client.process.kill).start()
    assert "its process was killed" in watch.describe()


def test_a_dead_engine_is_asked_once(monkeypatch, client):
    def refuse(*_):
        asked.append(1)
        raise EngineDeadError

    asked: list[int] = []
    engine = SimpleNamespace(engine_core=SimpleNamespace(), collective_rpc=lambda *_: [None], step=refuse)
    core = Core(engine, "models/planner")
    for _ in range(2):
        with pytest.raises(EngineDiedError, match=r"models/planner has died: .*go on with --resume"):
            core.step()
    core.abort(["row-0"])
    assert asked == [1]
