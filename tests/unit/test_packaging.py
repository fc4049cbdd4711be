"""What is installed: requirements.txt says what pyproject.toml says, and the version stands in one place."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

import recursivemas

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAIN_WORK = (
    "torch",
    "transformers",
    "accelerate",
    "huggingface_hub",
    "safetensors",
    "datasets",
    "tavily-python",
    "python-dotenv",
    "numpy",
)


def lines_of(name: str) -> list[str]:
    """A requirements file's lines without comments."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").split("\n"))
    return [line for line in lines if line]


def test_requirements_equal_pyproject():
    assert lines_of("requirements.txt") == PROJECT["dependencies"]


def test_everything_that_the_main_work_needs_is_listed_with_bounds():
    requirements = {one.name: one.specifier for one in map(Requirement, lines_of("requirements.txt"))}
    assert set(MAIN_WORK) <= set(requirements)
    for name, specifier in requirements.items():
        assert {one.operator for one in specifier} == {">=", "<"}, name


def test_the_installed_versions_are_within_the_bounds():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        version = metadata.version(requirement.name)
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} against {version}"


def test_every_package_that_the_code_imports_is_listed():
    """Imports at any depth; what is optional stands in an extra."""
    roots = {
        match[1]
        for path in (ROOT / "recursivemas").rglob("*.py")
        for match in re.finditer(
            r"^\s*(?:from|import) ([a-z_0-9]+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    extras = [one for rows in PROJECT["optional-dependencies"].values() for one in rows]
    listed = {Requirement(one).name for one in (*PROJECT["dependencies"], *extras)}
    homes = metadata.packages_distributions()
    foreign = {name for name in roots & set(homes) if "recursivemas" not in homes[name]}
    unlisted = {
        name
        for name in foreign
        if not {canonical(home) for home in homes[name]} & set(map(canonical, listed))
    }
    assert unlisted <= {"pyarrow", "requests", "urllib3", "latex2sympy2_extended"}, (
        "these come with datasets, tavily-python and math-verify, whose own types they are"
    )


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_vllm_stands_apart_and_is_pinned():
    lines = lines_of("requirements-vllm.txt")
    assert lines[0] == "-r requirements.txt"
    (operator,) = {one.operator for one in Requirement(lines[1]).specifier}
    assert (Requirement(lines[1]).name, operator) == ("vllm", "==")
    assert not any("vllm" in line for line in PROJECT["dependencies"])


def test_the_version_is_the_package_s_own():
    assert re.fullmatch(r"\d+\.\d+\.\d+", recursivemas.__version__)
    assert "version" in PROJECT["dynamic"], "the build reads it from the package"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == recursivemas.__version__


def test_the_wheel_holds_the_package_s_data(tmp_path):
    """Types, prompts and templates are no modules: a build that took modules alone would lose them."""
    builders = pytest.importorskip("hatchling.builders.wheel")
    (wheel,) = builders.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(ZipFile(wheel).namelist())
    data = {
        "py.typed",
        "prompts/default.yaml",
        "zoo/templates/chatml.jinja",
        "toy/prompts.yaml",
        "trained_toy/settings.yaml",
        "output/templates/solution.html.jinja",
        "report/page/assets/page.html.jinja",
        "report/page/assets/page.css",
        "report/page/assets/main.js",
    }
    assert {f"recursivemas/{name}" for name in data} <= names


@pytest.mark.process
def test_an_old_python_is_refused_before_anything_is_installed(tmp_path):
    """An interpreter that says it is 3.9 stands in for one."""
    old = tmp_path / "python3"
    old.write_text(
        f"""#!/bin/sh
exec {sys.executable} -c "import sys
sys.version_info, sys.version = (3, 9, 2), '3.9.2 (old)'
exec(sys.argv[1])" "$2"
"""
    )
    old.chmod(0o755)
    result = subprocess.run(
        ["make", "demo", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr
    assert "is 3.9.2; give another one: make PYTHON=python3.12" in result.stderr
    assert not (tmp_path / "venv").exists()
