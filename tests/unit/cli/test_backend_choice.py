"""What the command line makes of the backend that `auto` has taken."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from recursivemas.cli import before_work
from recursivemas.cli.main import main

pytestmark = pytest.mark.process  # templates are tried out in one


def test_what_vllm_does_otherwise_is_refused_where_auto_took_it(monkeypatch, capsys, tmp_path):
    taken = SimpleNamespace(name="vllm", why="it fits")
    monkeypatch.setattr(before_work, "choose_backend", lambda *_, **__: taken)
    words = ["run", "--style", "sequential_light", "--release", "toy", "--device", "cpu", "--lens"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "one", "question": "You are on A0.", "answer": "A0", "kind": "phrase"}\n')
    given = [*words, "--backend", "auto", "--dataset", str(rows), "--output_dir", str(tmp_path / "run")]
    assert main(given) == 2
    assert "lens is not for backend 'vllm'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
