"""Tables as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tabulate import tabulate

TableFormat = Literal["text", "markdown", "latex", "csv"]

NOTHING = "–"
"""What stands in a cell without a value."""

_LAYOUTS = {"text": "simple", "markdown": "pipe", "latex": "latex_booktabs"}
_FIGURE = re.compile(r"[-+<]?\d[\d.]*(?: ?[%x])?(?: [\[(/].*)?|–(?: \(.*\))?|")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as they are to be read, under a title; `notes` are sentences that belong below."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def render(self, layout: TableFormat) -> str:
        """The table in that format, no line break at the end; CSV holds the cells alone."""
        if layout == "csv":
            return to_csv([dict(zip(self.header, row, strict=True)) for row in self.rows])
        body = _layout(self.header, self.rows, layout)
        if layout == "latex":
            comments = [f"% {line}" for line in (self.title, *self.notes)]
            return "\n".join([comments[0], body, *comments[1:]])
        title = f"**{self.title}**" if layout == "markdown" else self.title
        notes = "\n".join(self.notes) if layout == "text" else "\n\n".join(map(_escape, self.notes))
        return "\n\n".join(part for part in (title, body, notes) if part)


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; columns of figures to the right."""
    return _layout(header, rows, "text")


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Records with the same keys as CSV, with a header; nothing is written for None."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return file.getvalue().rstrip("\n")


def _layout(header: Sequence[str], rows: Sequence[Sequence[str]], layout: str) -> str:
    if layout == "markdown":
        header, rows = list(map(_escape, header)), [list(map(_escape, row)) for row in rows]
    text = tabulate(
        rows,
        header,
        tablefmt=_LAYOUTS[layout],
        disable_numparse=True,
        colalign=["right" if _holds_figures(column) else "left" for column in zip(*rows, strict=True)],
    )
    return "\n".join(line.rstrip() for line in text.splitlines())


def _holds_figures(cells: Iterable[str]) -> bool:
    return all(_FIGURE.fullmatch(cell) for cell in cells)


def _escape(text: str) -> str:
    """What Markdown would read as its own signs, as plain text; an underscore inside a word is none."""
    return re.sub(r"([\\|*<`]|(?<!\w)_|_(?!\w))", r"\\\1", text)
