"""The house keeps its floors: imports run downwards, and heavy packages stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import recursivemas

PACKAGE = Path(recursivemas.__file__).parent

# Each part may import what stands in lines below its own, never what stands above.
FLOORS = [
    ["start", "__main__"],
    ["cli"],
    ["launch", "plan", "flags", "listing"],
    ["reproduction", "footprint"],
    ["sweep"],
    ["report", "compare", "show"],
    ["runs"],
    ["evaluate"],
    ["metrics", "provenance", "sharding"],
    ["records", "run_lock", "verdicts"],
    ["system"],
    ["solving"],
    ["media"],
    ["recursion", "ledger", "answering", "prompting"],
    ["calling"],
    ["toolkit"],
    ["run_files"],
    ["settings"],
    ["recommended"],
    ["published"],
    ["agent", "loading"],
    ["paths"],
    ["checkpoint"],
    ["hub"],
    ["manifests"],
    ["repositories"],
    ["hub_answers", "hub_errors"],
    ["engine"],
    ["toy"],
    ["links"],
    ["prompts"],
    ["benchmarks"],
    ["grading"],
    ["tools"],
    ["styles"],
    ["text_quirks"],
    ["question"],
    ["locks", "ranks"],
    [
        "archives",
        "digests",
        "disk_cache",
        "errors",
        "hub_patience",
        "progress",
        "redaction",
        "screen",
        "shapes",
        "statistics",
        "tables",
        "thread_pools",
    ],
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}


def imports() -> list[tuple[str, str]]:
    """(importing part, imported part) of every import inside the package, local imports too."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [(part, name.split(".")[1]) for name in names if name.startswith("recursivemas.")]
    return sorted({(source, target) for source, target in found if source not in (target, "__init__")})


def test_every_part_has_a_floor():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    packages = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    parts = modules | packages
    assert parts - {"__init__"} == set(LEVEL)


def test_imports_run_downwards():
    upward = [f"{source} -> {target}" for source, target in imports() if LEVEL[source] > LEVEL[target]]
    assert upward == []


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("recursivemas", ["torch", "transformers", "datasets"]),
        ("recursivemas.grading", ["torch", "transformers", "datasets"]),
        ("recursivemas.benchmarks", ["torch", "transformers", "datasets"]),
        ("recursivemas.styles", ["torch", "transformers"]),
        ("recursivemas.hub", ["torch", "transformers"]),
        ("recursivemas.report", ["matplotlib"]),
    ],
)
def test_light_parts_import_nothing_heavy(module, banned):
    code = f"import sys, {module}; print([name for name in {banned!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
