"""How the site is built: these pages, two of the clone's root, and a reference page a room of the package.

`make docs` builds it into build/docs. Warnings are errors, and nothing is fetched from the network.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import recursivemas

HERE = Path(__file__).parent
ROOT = HERE.parent
ROOT_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Where links to the root's pages lead on the site: the site has a home of its own."""
PACKAGE = Path(recursivemas.__file__).parent
# Their files run inside the sandbox, where they import each other by other names.
ELSEWHERE = ("grading/harness", "sandbox/inside", "tools/python_runner")

project = "RecursiveMAS"
author = copyright = "The RecursiveMAS library authors"
version = release = recursivemas.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
root_doc = "index"
exclude_patterns = ["conf.py"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # they are shown with the outputs that are kept

html_theme = "furo"
html_title = f"RecursiveMAS {release}"
html_show_copyright = html_show_sphinx = html_copy_source = False

default_role = "code"  # docstrings set code in single backticks, as Markdown does
autodoc_mock_imports = ["vllm"]  # not installed beside Sphinx
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
add_module_names = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
viewcode_line_numbers = True


def modules_of(room: Path) -> list[Path]:
    """A room's modules: its face first, then the others; none that runs elsewhere."""
    if room.is_file():
        return [room]
    modules = [path for path in room.rglob("*.py") if path.stem != "__main__"]
    inside = [path for path in modules if not path.relative_to(PACKAGE).as_posix().startswith(ELSEWHERE)]
    return sorted(inside, key=lambda path: (path.parent, path.stem != "__init__", path.stem))


def page_of(room: Path) -> str:
    """A reference page: the room's own docstring on top, a section a module below it."""
    lines = [f"# {room.stem}", ""]
    for path in modules_of(room):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if path.stem == "__init__":
            lines += ["```{eval-rst}", f".. automodule:: {name.removesuffix('.__init__')}", "   :no-members:"]
        else:
            title = path.relative_to(room).with_suffix("").as_posix() if room.is_dir() else ""
            lines += [f"## {title}", ""] if title else []
            lines += ["```{eval-rst}", f".. automodule:: {name}"]
        lines += ["```", ""]
    return "\n".join(lines)


def write_reference(app: Any) -> None:
    """docs/reference/ROOM.md for every room, and the page that lists them."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    rooms = [path for path in sorted(PACKAGE.iterdir()) if (path / "__init__.py").is_file()]
    rooms += [path for path in sorted(PACKAGE.glob("*.py")) if not path.stem.startswith("__")]
    rows = []
    for room in rooms:
        _write(folder / f"{room.stem}.md", page_of(room))
        source = room if room.is_file() else room / "__init__.py"
        said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
        rows.append(f"| [{room.stem}]({room.stem}.md) | {said.partition(chr(10))[0]} |")
    names = "\n".join(room.stem for room in rooms)
    contents = f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    table = "\n".join(["| room | |", "|---|---|", *sorted(rows)])
    _write(folder / "index.md", f"# Reference\n\n{table}\n\n{contents}")


def copy_notebooks(app: Any) -> None:
    """docs/notebooks from the clone's notebooks, with links as seen from there."""
    folder = HERE / "notebooks"
    folder.mkdir(exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        _write(folder / path.name, path.read_text(encoding="utf-8").replace("](../docs/", "](../"))


def _write(path: Path, text: str) -> None:
    """Only what changed, so that only that is built anew."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def read_root_pages(app: Any, docname: str, source: list[str]) -> None:
    """Put a page of the clone's root where one of ours says `<!-- NAME.md -->`, and mend links for the site.

    Files that are no pages of the site become downloads.
    """
    text = re.sub(r"<!-- (\w+\.md) -->", lambda match: _rebased(app, ROOT / match[1]), source[0])
    text = text.replace("](../docs/", "](").replace("](../notebooks/", "](notebooks/")
    for name, page in ROOT_PAGES.items():
        text = text.replace(f"](../{name}", f"]({page}")
    source[0] = text


def _rebased(app: Any, page: Path) -> str:
    """The page's text with its links as seen from this folder."""
    app.env.note_dependency(str(page))
    return re.sub(r"\]\((?!https?:|#)", "](../", page.read_text(encoding="utf-8"))


def link_citations(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings cite pages by their path; here that is a link."""
    lines[:] = [re.sub(r"\bdocs/(\w+)\.md", r":doc:`docs/\1.md </\1>`", line) for line in lines]


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", link_citations)
    app.connect("builder-inited", write_reference)
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", read_root_pages)
