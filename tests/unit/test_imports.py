"""The house keeps its twelve floors: imports run downwards, and heavy packages stay where they belong."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recursivemas

PACKAGE = Path(recursivemas.__file__).parent
MODULES = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]

# Each room may import what stands in lines below its own, never what stands above or beside it.
FLOORS = [
    ["cli", "toy"],
    ["report", "training"],
    ["runs"],
    ["system"],
    ["recursion"],
    ["agents", "published"],
    ["release", "settings"],
    ["engine", "zoo"],
    ["links", "benchmarks", "prompts"],
    ["grading", "sampling", "styles", "tools"],
    ["question", "files", "options", "sandbox", "values"],
    ["errors", "output"],
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}


def imports() -> list[tuple[str, str]]:
    """(importing room, imported room) of every import inside the package, local imports too."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [(part, name.split(".")[1]) for name in names if name.startswith("recursivemas.")]
    faces = ("__init__", "__main__")
    return sorted({(room, other) for room, other in found if room != other and room not in faces})


def test_every_room_has_a_floor():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    packages = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    parts = modules | packages
    assert parts - {"__init__", "__main__"} == set(LEVEL)
    assert len(FLOORS) <= 12


def test_the_architecture_page_has_the_same_floors():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE)
    assert [(int(floor), re.findall(r"`(\w+)`", rooms)) for floor, rooms in lines] == [
        (len(FLOORS) - level, rooms) for level, rooms in enumerate(FLOORS)
    ]


def test_imports_run_downwards():
    upward = [f"{source} -> {target}" for source, target in imports() if LEVEL[source] >= LEVEL[target]]
    assert upward == []


def test_no_module_imports_itself_by_way_of_others():
    """Imports for types alone count: who reads one of the two has to read both."""
    names = {path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in MODULES}
    waiting = {
        name: {target for target in imported(path) if target in names.values()} - {name}
        for path, name in names.items()
    }
    while free := {name for name, targets in waiting.items() if not targets}:
        waiting = {name: targets - free for name, targets in waiting.items() if name not in free}
    assert waiting == {}


def test_one_room_imports_vllm():
    rooms = {
        path.parent.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(name.split(".")[0] == "vllm" for name in imported(path))
    }
    assert rooms == {"engine/vllm"}


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a module may import, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("recursivemas", ["torch", "transformers", "datasets"]),
        ("recursivemas.grading", ["torch", "transformers", "datasets"]),
        ("recursivemas.benchmarks", ["torch", "transformers", "datasets"]),
        ("recursivemas.styles", ["torch", "transformers"]),
        ("recursivemas.release.resolve", ["torch", "transformers"]),
        ("recursivemas.report", ["matplotlib"]),
        ("recursivemas.cli.main", ["torch", "transformers", "datasets", "matplotlib", "scipy"]),
    ],
)
def test_light_parts_import_nothing_heavy(module, banned):
    code = f"import sys, {module}; print([name for name in {banned!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
