"""What a file may look for in a question, read off its source."""

import re
from pathlib import Path

import pytest

from recursivemas.prompts import PromptsError
from recursivemas.prompts.literals import read_literals, regex_samples
from recursivemas.prompts.prompt_file import read_prompt_file


@pytest.mark.parametrize(
    "pattern",
    [
        "Options:",
        r"^\s*([A-D])[.):-]\s*\S?",
        r"(?i)(?:options|choices)\s*:",
        r"\(A\)|\bChoose\s+one\b",
        r"(?P<word>answer|reply) choices?$",
        r"x{2,}|\d+ of (the (following|above))",
    ],
)
def test_a_sample_is_what_the_regular_expression_looks_for(pattern: str) -> None:
    samples = regex_samples(pattern)
    assert any(re.search(pattern, sample) for sample in samples), samples


def test_every_alternative_gets_a_sample() -> None:
    assert sorted(regex_samples("(a|b(c|d))e")) == ["ae", "bce", "bde"]
    assert len(regex_samples("(a|b|c|d|e|f)" * 5)) == 16


def test_literals_come_from_the_file_and_the_modules_it_imports(tmp_path: Path) -> None:
    source = """
import first
from package.second import NAME
def look(question):
    raise SystemExit
    return "one" in question and f"two{NAME}" in question and len(question) < 5000 and True
"""
    (tmp_path / "prompts.py").write_text(source + f"LONG = {'x' * 300!r}\n", encoding="utf-8")
    (tmp_path / "first.py").write_text("import prompts\nTHREE = 'three'", encoding="utf-8")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "second.py").write_text("NAME = 'four'", encoding="utf-8")
    (tmp_path / "unrelated.py").write_text("FIVE = 'five'", encoding="utf-8")
    literals = read_literals(read_prompt_file(tmp_path / "prompts.py"))
    assert sorted(literals.texts) == ["four", "one", "three", "two"]
    assert [sorted(group) for group in literals.groups] == [["one", "two"]]
    assert literals.numbers == (5000,)


def test_a_module_that_is_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "prompts.py").write_text("import broken", encoding="utf-8")
    (tmp_path / "broken.py").write_text("def (", encoding="utf-8")
    with pytest.raises(PromptsError, match=r"broken\.py is no valid Python"):
        read_literals(read_prompt_file(tmp_path / "prompts.py"))
