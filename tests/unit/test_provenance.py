"""Where results come from, and what is not told on the way there."""

import shlex
import sys

from recursivemas import provenance


def test_git_does_not_see_our_environment(tmp_path, monkeypatch):
    fake = tmp_path / "git"
    code = "import os; print(sorted(os.environ), os.environ['PATH'], os.environ.get('HOME'))"
    fake.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-I', '-c', code])}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-secret")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    said = provenance._git(tmp_path, "describe")
    assert said.endswith(f"{tmp_path} /home/someone")
    for name in ("TAVILY", "GIT_DIR"):
        assert name not in said
    monkeypatch.delenv("HOME")
    assert provenance._git(tmp_path, "describe").endswith(" None")
