"""The notebooks run from a clone as they stand, and their kept outputs are those of a fresh execution."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pytest

from tests.support.notebooks import NOTEBOOKS, ROOT, differences, errors_of, outputs_of, texts_of

pytestmark = [pytest.mark.process, pytest.mark.slow]
LARGEST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """All notebooks, executed; in a process of their own, whose libraries may warn of what they like."""
    place = tmp_path_factory.mktemp("notebooks")
    command = [sys.executable, "-m", "tests.support.notebooks", str(place)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return {path.name: nbformat.read(place / path.name, as_version=4) for path in NOTEBOOKS}


@pytest.mark.long
def test_kept_outputs_are_those_of_a_fresh_execution(fresh):
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        kept = nbformat.read(path, as_version=4)
        changed = differences(kept, fresh[path.name])
        assert changed == [], f"{path.name}: where that is meant, `make notebooks` keeps the new outputs"
        # Here ipywidgets are missing, which the extra `notebooks` has: tqdm says so.
        warnings = [line for line in errors_of(fresh[path.name]).splitlines() if "Warning" in line]
        assert [line for line in warnings if "IProgress not found" not in line] == []


def test_kept_outputs_are_clean_and_small():
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert errors_of(notebook) == ""
        assert not any(
            output.output_type == "error" for outputs in outputs_of(notebook) for output in outputs
        )
        said = "".join(text for texts in texts_of(notebook) for text in texts)
        assert not [mark for mark in ("\r", "\x1b", "/home/", "/tmp/", "/root/", str(ROOT)) if mark in said]
    assert sum(path.stat().st_size for path in NOTEBOOKS) < LARGEST_BYTES


def showing(text: str) -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)", outputs=outputs)])


def test_what_has_changed_is_seen():
    kept = showing("a 1.00, 30 b\n")
    assert differences(kept, showing("a 1.01, 29 b\n")) == []
    for text in ("a 1.2, 30 b\n", "a 1.0, 20 b\n", "c\n", ""):
        assert differences(kept, showing(text))
