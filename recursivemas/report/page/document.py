"""The page as HTML: a template, our own style and script in it, and contents that no HTML parser reads.

What models, tools and question files have written gets into the page in two ways: packed (see
`contents.pack`), to be set as text by the script, or through the template, which escapes it. The page's own
policy lets no script run but ours, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.output.html import environment
from recursivemas.report.page.contents import pack
from recursivemas.styles.drawing import Graph

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("elements", "data", "list", "graph", "plots", "message", "question", "overview", "main")
"""In the order in which they use each other."""


@dataclass(frozen=True, kw_only=True)
class PageRun:
    """A run on the page: its packed details, and its graph."""

    details: Sequence[str]
    graph: Graph


def render(title: str, contents: dict[str, Any] | None, runs: Sequence[PageRun]) -> str:
    """The page. `contents` are what is there at once: facts, and a row a question, by run.

    Without contents, the page is live: it asks the server that it comes from for them, and for details.
    """
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = "\n".join(
        ['"use strict";', *((ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)]
    )
    return (
        environment(ASSETS)
        .get_template("page.html.jinja")
        .render(
            title=title,
            style=style,
            script=script,
            policy=_policy(style, script, is_live=contents is None),
            contents=None if contents is None else pack(contents),
            runs=runs,
        )
    )


def _policy(style: str, script: str, *, is_live: bool) -> str:
    """What a browser is to allow on the page: our style and our script, by their hashes, and no address.

    A live page may ask the server that it comes from.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash_of(script)}'",
            f"style-src '{_hash_of(style)}'",
            *(["connect-src 'self'"] if is_live else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash_of(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
