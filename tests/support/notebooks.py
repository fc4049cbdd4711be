"""The notebooks, executed one after the other in one kernel, and their outputs as they are kept.

`python -m tests.support.notebooks` executes all of them and keeps the outputs (`make notebooks`); with a
folder, it writes them there, with what went to stderr.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BESIDE = ("dataset", "docs")
"""What notebooks read of the clone."""
TIMEOUT_S = 300
NUMBER = re.compile(r"(?<![\w/.])-?\d+(?:\.\d+)?")

Outputs = list[list[dict[str, Any]]]
"""Of each cell of code."""


def execute(place: Path) -> dict[str, nbformat.NotebookNode]:
    """All notebooks by name, executed in `place`, an empty folder; raises nbclient's error where one fails.

    What they write is in `place`, too. One kernel serves all of them, emptied in between: torch is imported
    once.
    """
    (place / "notebooks").mkdir()
    for name in BESIDE:
        (place / name).symlink_to(ROOT / name)
    found = {path.name: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    where = {"metadata": {"path": str(place / "notebooks")}}
    first = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3", resources=where)
    first.create_kernel_manager()
    first.start_new_kernel(env=_environment(place))
    first.start_new_kernel_client()
    try:
        for notebook in found.values():
            client = NotebookClient(
                notebook, km=first.km, timeout=TIMEOUT_S, resources=where, coalesce_streams=True
            )
            client.kc = first.kc
            client.reset_execution_trackers()
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
            emptied = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")])
            last = NotebookClient(emptied, km=first.km, timeout=TIMEOUT_S, resources=where)
            last.kc = first.kc
            last.execute_cell(emptied.cells[0], 0)
    finally:
        first._cleanup_kernel()
    for notebook in found.values():
        _tidy(notebook)
    return found


def _environment(place: Path) -> Mapping[str, str]:
    """Nothing of the user's own is read or written; one thread."""
    own = {
        "IPYTHONDIR": str(place / "ipython"),
        "RECURSIVEMAS_CACHE": str(place / "kept"),
        "OMP_NUM_THREADS": "1",
    }
    return {**os.environ, **own, "PYTHONPATH": str(ROOT)}


def _tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave what does not change from one execution to the next."""
    numbers = iter(range(1, len(notebook.cells) + 1))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.execution_count = next(numbers)
            for output in cell.outputs:
                if "execution_count" in output:
                    output["execution_count"] = cell.execution_count


def errors_of(notebook: nbformat.NotebookNode) -> str:
    """What went to stderr."""
    return "".join(
        output.text
        for outputs in outputs_of(notebook)
        for output in outputs
        if output.get("name") == "stderr"
    )


def outputs_of(notebook: nbformat.NotebookNode) -> Outputs:
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def texts_of(notebook: nbformat.NotebookNode) -> Iterator[list[str]]:
    """By cell of code what it shows, but for stderr: text and HTML as they are, images by their kind."""
    for outputs in outputs_of(notebook):
        said = "".join(output.text for output in outputs if output.get("name") == "stdout")
        shown = [
            f"{kind}: {'' if kind.startswith('image/') else text}"
            for output in outputs
            for kind, text in sorted(output.get("data", {}).items())
        ]
        yield [said, *shown]


def differences(kept: nbformat.NotebookNode, fresh: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Where kept outputs are not those of a fresh execution; numbers may differ a little between machines."""
    pairs = zip(texts_of(kept), texts_of(fresh), strict=True)
    return [
        (old, new)
        for olds, news in pairs
        for old, new in zip(
            olds + [""] * (len(news) - len(olds)), news + [""] * (len(olds) - len(news)), strict=True
        )
        if NUMBER.sub("#", old) != NUMBER.sub("#", new) or not all(map(_is_near, *_numbers(old, new)))
    ]


def _numbers(old: str, new: str) -> tuple[list[str], list[str]]:
    return NUMBER.findall(old), NUMBER.findall(new)


def _is_near(old: str, new: str) -> bool:
    """A question more or less for counts; the last digits for others."""
    whole = "." not in old and "." not in new
    return abs(float(old) - float(new)) <= (1 if whole else 0.02) + 0.05 * abs(float(old))


def main(folder: Path) -> None:
    """Execute all notebooks and write them into that folder; without what went to stderr into our own."""
    with tempfile.TemporaryDirectory() as place:
        for name, notebook in execute(Path(place)).items():
            if folder == NOTEBOOKS[0].parent:
                for cell in notebook.cells:
                    if cell.cell_type == "code":
                        cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
            (folder / name).write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else NOTEBOOKS[0].parent)
