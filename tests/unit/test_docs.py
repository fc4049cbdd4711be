"""The signposts lead somewhere: citations of the protocol, links of the pages, paths that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recursivemas.report.published import BY_ROUNDS, SINGLE_RUNS
from recursivemas.settings.recommended import TABLES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SOURCES = sorted(
    path
    for place in ("recursivemas", "tests", "benchmarks", "inference_utils")
    for path in (ROOT / place).rglob("*.py")
    if path != Path(__file__)
) + sorted(ROOT.glob("*.py"))

CITATION = re.compile(r'docs/(\w+\.md),((?:(?: and|,)? "[^"]+")+)')
"""`docs/PAGE.md, "Section", "Section" and "Section"`, wherever lines break."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:recursivemas|tests|docs|benchmarks|dataset|inference_utils)/[\w./*-]*)`")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)


def anchor(heading: str) -> str:
    """A heading's anchor, as hosts of repositories and the site make them."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def unwrapped(path: Path) -> str:
    """A module's text with each run of white space, and of a comment's line breaks, as one space."""
    return re.sub(r"\s+(?:# )?", " ", path.read_text(encoding="utf-8"))


def citations() -> list[tuple[str, str, str]]:
    """(module, page, section) of everything that is cited."""
    return [
        (str(path.relative_to(ROOT)), page, section)
        for path in SOURCES
        for page, sections in CITATION.findall(unwrapped(path))
        for section in re.findall(r'"([^"]+)"', sections)
    ]


def test_every_citation_names_a_section():
    cited = citations()
    lost = [row for row in cited if row[2] not in headings(ROOT / "docs" / row[1])]
    assert lost == []
    assert len(cited) > 40, "the pattern still finds them"


def test_the_protocol_is_cited_in_one_form():
    """What the pattern does not find would not be held against the page."""
    spelled = re.compile(r"protocol(?:\.md)?,? sections? \d|protocol \d", re.IGNORECASE)
    bare = [str(path) for path in SOURCES if spelled.search(unwrapped(path))]
    assert bare == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    """Not to folders: the site has no page for one."""
    lost = []
    for target in LINK.findall(prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        known = {anchor(heading) for heading in headings(file)} if fragment and file.is_file() else {fragment}
        if not file.is_file() or fragment not in known:
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_exist(page):
    """A name with a star stands for at least one file. The user brings medqa's, from the published code."""
    lost = [
        name
        for name in PATH.findall(prose(page))
        if name != "dataset/medqa.json"
        and not (any(ROOT.glob(name)) if "*" in name else (ROOT / name).exists())
    ]
    assert lost == []


def test_the_home_s_numbers_are_those_of_the_toy_s_page():
    home, toy = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("index.md", "toy.md"))
    told = re.findall(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", home)
    assert len(told) == 6
    assert [figure for figure in told if figure not in toy] == []


def test_the_protocol_s_tables_are_those_that_runs_use():
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    for table, rows in TABLES.items():
        assert set(rows_of(page, f"`{table}`")) == {
            (style, benchmark, f"{row.latent_length}/{row.num_recursive_rounds}/{row.batch_size}")
            for (style, benchmark), row in rows.items()
        }
    assert set(rows_of(page, "single run")) == {
        (style, benchmark, str(percent))
        for style, results in SINGLE_RUNS.items()
        for benchmark, percent in results.items()
    }
    by_rounds = [
        f"| `{style}` | {benchmark} | " + " | ".join(f"{one.latent} ({one.text})" for one in cells) + " |"
        for style, results in BY_ROUNDS.items()
        for benchmark, cells in results.items()
    ]
    assert "\n".join(by_rounds) in page


def rows_of(page: str, title: str) -> list[tuple[str, str, str]]:
    """(row, column, text) of each filled cell of the table whose first cell is `title`."""
    table = page[page.index(f"| {title} |") :].partition("\n\n")[0]
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")]
    return [
        (line[0].strip("`"), column, cell)
        for line in lines
        for column, cell in zip(head[1:], line[1:], strict=True)
        if cell
    ]
