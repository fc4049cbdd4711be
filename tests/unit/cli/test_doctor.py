"""`recursivemas doctor`: what it finds, what it never shows, what a machine lacks (hub on 127.0.0.1)."""

from __future__ import annotations

import json
import sys

import pytest
from huggingface_hub import constants

from recursivemas.cli.diagnosis import hub, packages
from recursivemas.cli.main import main
from tests.support.hub_client import point_client_at
from tests.support.hub_server import HubServer

pytestmark = [pytest.mark.process, pytest.mark.slow]  # the sandbox is tried out

SECRET = "sk-very-secret-123456"


@pytest.fixture
def doctor(toy_release, tmp_path, monkeypatch, capsys):
    """Examine with these flags, on a hub that has the toy -> (exit status, standard output)."""
    with HubServer(toy_release) as server:
        point_client_at(server.url, tmp_path / "cache", monkeypatch)
        monkeypatch.setattr(hub, "DEADLINE_S", 60)
        for name in ("OPENAI_API_KEY", "HF_TOKEN", "TAVILY_API_KEY"):
            monkeypatch.setenv(name, SECRET)

        def call(*flags: str) -> tuple[int, str]:
            status = main(["doctor", *flags])
            captured = capsys.readouterr()
            assert SECRET not in captured.out + captured.err
            assert "Traceback" not in captured.out + captured.err
            return status, captured.out

        yield call


def by_name(parts, part):
    return {one["name"]: one for one in parts[part]}


def test_what_a_machine_has(doctor):
    status, out = doctor("--json")
    assert status == 0
    parts = json.loads(out)
    assert parts["ok"] is True
    assert by_name(parts, "packages")["torch"]["state"] == "ok"
    assert "of memory free" in by_name(parts, "devices")["cpu"]["value"]
    assert by_name(parts, "keys")["OPENAI_API_KEY"]["value"] == "present, in the environment"
    assert by_name(parts, "hub")["reachable"]["value"].startswith("yes (HTTP ")
    for style in parts["styles"]:
        assert " of weights as stored; " in style["value"], style
        assert style["value"].endswith("cpu: fits"), style


def test_what_a_machine_lacks(doctor, tmp_path, monkeypatch):
    """Nothing listens at the endpoint, a cache cannot be written, torch is gone and a package too old."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(packages, "_version", {"torch": None, "transformers": "4.0"}.get)
    status, out = doctor()
    assert status == 1
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "PROBLEM torch not installed" in lines
    assert "pip install torch" in lines
    assert any(line.startswith("PROBLEM transformers 4.0; this library is made for ") for line in lines)
    assert any(
        line.startswith("PROBLEM devices could not be looked at: ModuleNotFoundError") for line in lines
    )
    assert any(line.startswith("PROBLEM hub cache") and "cannot be written" in line for line in lines)
    assert "- OPENAI_API_KEY absent; for the judge, where its endpoint asks for one" in lines
    assert any(line.startswith("note reachable no: ") for line in lines)
    assert any(line.startswith("- mixture not looked up: the hub cannot be reached") for line in lines)


def test_weights_that_fit_nowhere_and_those_that_take_turns(monkeypatch):
    monkeypatch.setattr("recursivemas.agents.memory.free_bytes", lambda device: 100)
    monkeypatch.setattr("recursivemas.agents.offload.free_bytes", lambda device: 100)
    sizes = {"a": 40, "b": 40}
    assert hub._places({"a": 30, "b": 40})["cpu"] == "fits"
    assert hub._places(sizes)["cpu"] == "1 at a time, the others wait in files"
    assert hub._places({"a": 80, "b": 1})["cpu"] == hub.TOO_LARGE
