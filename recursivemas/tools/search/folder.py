"""Search in a folder of text files, ranked by BM25: no network, no key, the same answers every time."""

from __future__ import annotations

import hashlib
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from recursivemas.errors import UserError
from recursivemas.tools.search.base import MAX_CONTENT_CHARACTERS, Hit
from recursivemas.tools.search.text import one_line, shorten

SUFFIXES = (".txt", ".md")
PASSAGE_CHARACTERS = MAX_CONTENT_CHARACTERS
"""Passages are what an agent reads of a hit, so that what was found stands in it."""
MAX_TITLE_CHARACTERS = 120
"""A file's first line may be its whole text."""
WORD = r"(?u)\b\w+\b"
STOP_WORDS = "en"
UNSPACED = re.compile(
    "["
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u3041-\u3096\u309d-\u309f"  # Hiragana
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Katakana
    "]+"
)
"""Text of scripts that put no spaces between words."""


@dataclass(frozen=True)
class _Page:
    """A file: its title, and its passages in order. `path` is relative to the folder, with slashes."""

    path: str
    title: str
    passages: list[str]


class FolderSearch:
    """A SearchProvider over the `.txt` and `.md` files of a folder and below it, hidden ones left out.

    Read and indexed when built; later changes of the files are not seen. Safe to use from several threads.
    UserError where there is no such folder, no text in it, or a file that is not UTF-8.
    """

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder_name = folder.resolve().name
        files = _read_files(folder)
        self._sha256 = _hash(files)
        pages = [_read_page(path, text) for path, text in files.items()]
        # In the order of paths and passages, which decides between equal scores.
        self._hits = [
            Hit(title=page.title, url=page.path, content=passage)
            for page in pages
            for passage in page.passages
        ]
        words = _words([f"{hit.title}\n{hit.content}" for hit in self._hits])
        if not any(words):
            raise UserError(
                f"the search folder {folder} holds no text in files that end in {' or '.join(SUFFIXES)}; "
                "give one that does"
            )
        self._index = _build_index(words)

    def describe(self) -> dict[str, Any]:
        return {
            "provider": self.name,
            "folder": self._folder_name,
            "sha256": self._sha256,
            "passage_characters": PASSAGE_CHARACTERS,
        }

    def search(self, query: str, max_hits: int) -> list[Hit]:
        """Passages that share a word with the query, the best first."""
        words = _words([query])[0]
        if not words:
            return []
        scores = self._index.get_scores(words)
        best = np.argsort(-scores, kind="stable")[:max_hits]
        return [self._hits[place] for place in best if scores[place] > 0]


def _build_index(words: list[list[str]]) -> Any:
    import bm25s

    # Lucene's weights are above 0 for any word, also one that most passages hold.
    index = bm25s.BM25(method="lucene")
    index.index(words, show_progress=False)
    return index


def _words(texts: list[str]) -> list[list[str]]:
    try:
        import bm25s
    except ImportError as error:
        raise UserError(
            "search in a folder needs the bm25s package, which is not installed: pip install bm25s"
        ) from error
    composed = [UNSPACED.sub(_pairs, unicodedata.normalize("NFKC", text)) for text in texts]
    words: list[list[str]] = bm25s.tokenize(
        composed, token_pattern=WORD, stopwords=STOP_WORDS, return_ids=False, show_progress=False
    )
    return words


def _pairs(run: re.Match[str]) -> str:
    """Overlapping pairs of characters, between spaces: what stands for words where none are marked."""
    text = run[0]
    return f" {' '.join(map(''.join, pairwise(text))) or text} "


# ----- files


def _read_files(folder: Path) -> dict[str, str]:
    """Texts by relative path, sorted by path."""
    if not folder.is_dir():
        raise UserError(f"the search folder {folder} is no folder; give one with .txt or .md files")
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            found[relative.as_posix()] = path
    return {name: _read(found[name]) for name in sorted(found)}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} in the search folder is not UTF-8 text; convert it, or take it out"
        ) from error
    except OSError as error:
        raise UserError(
            f"{path} in the search folder cannot be read: {error.strerror}; take it out"
        ) from error


def _hash(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for path, text in files.items():
        content = hashlib.sha256(text.encode()).hexdigest()
        digest.update(f"{content} {path}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


# ----- passages


def _read_page(path: str, text: str) -> _Page:
    blocks = [one_line(block) for block in _paragraphs(text)]
    first_line = next((one_line(line) for line in text.splitlines() if line.strip()), "")
    title = shorten(first_line.lstrip("# ").rstrip("# "), MAX_TITLE_CHARACTERS) or Path(path).name
    return _Page(one_line(path), title, list(_passages(blocks)))


def _paragraphs(text: str) -> Iterator[str]:
    """Blocks between empty lines; a heading goes with the block that follows it."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            block.append(line)
        elif any(not held.startswith("#") for held in block):
            yield "\n".join(block)
            block = []
    if block:
        yield "\n".join(block)


def _passages(paragraphs: list[str]) -> Iterator[str]:
    """Whole paragraphs together up to `PASSAGE_CHARACTERS`; longer ones are cut between words."""
    passage = ""
    for paragraph in paragraphs:
        joined = f"{passage} {paragraph}".strip()
        if len(joined) <= PASSAGE_CHARACTERS:
            passage = joined
            continue
        if passage:
            yield passage
        *whole, passage = textwrap.wrap(paragraph, PASSAGE_CHARACTERS)
        yield from whole
    if passage:
        yield passage
