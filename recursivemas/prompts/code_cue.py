"""The words that ask for code once more, read off the published lcb_utils.py; nothing of it is run.

The cue is a line that asks for code alone, the line `Final Code:`, and an open Python fence. It may be
written as one text, as several that are added or joined, as a named constant, or as the end of an f-string.

Source: docs/protocol.md, "Answer retry".
"""

from __future__ import annotations

import ast

from recursivemas.prompts.prompt_file import parse

ANNOUNCEMENT, FENCE = "Final Code:", "```python"
MAX_DEPTH = 50
MAX_CHARACTERS = 10_000
"""Longer texts are no cue; names that stand for each other could make them grow without end."""
GAP = "\0"
"""Stands in a text for what only running the file would tell."""


def find_code_cue(content: bytes, place: str) -> str | None:
    """The cue without line breaks in front; None where the file has none, or several.

    Raises PromptsError for a file that is no Python.
    """
    tree = parse(content, place)
    reader = _Reader(tree)
    found = {
        part.lstrip("\r\n")
        for node in ast.walk(tree)
        if isinstance(node, ast.expr)
        for part in reader.text_of(node).split(GAP)
        if _is_cue(part)
    }
    # A cue that is put together of parts is found in its parts, too: it is the longest.
    longest = {cue for cue in found if not any(cue != other and cue in other for other in found)}
    return longest.pop() if len(longest) == 1 else None


def _is_cue(text: str) -> bool:
    before, announced, after = text.partition(ANNOUNCEMENT)
    return bool(before.strip()) and bool(announced) and after.strip() == FENCE


class _Reader:
    """Reads the texts that expressions give, by the constants in them and the names that stand for one."""

    def __init__(self, tree: ast.Module) -> None:
        self._named = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self._known: dict[str, str] = {}

    def text_of(self, node: ast.expr, depth: int = 0) -> str:
        """The text, with GAP for each part that is not known."""

        def read(part: ast.expr) -> str:
            return self.text_of(part, depth + 1)

        text = GAP
        match node:
            case _ if depth > MAX_DEPTH:
                pass
            case ast.Constant(value=str(constant)):
                text = constant
            case ast.Name(id=name):
                text = self._text_named(name, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                text = read(left) + read(right)
            case ast.JoinedStr(values=values):
                text = "".join(map(read, values))
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                text = read(value)
            case ast.Call(
                func=ast.Attribute(value=glue, attr="join"), args=[ast.List() | ast.Tuple() as parts]
            ):
                text = read(glue).join(map(read, parts.elts))
        return text if len(text) <= MAX_CHARACTERS else GAP

    def _text_named(self, name: str, depth: int) -> str:
        if name not in self._known:
            self._known[name] = GAP  # while it is read: a name may stand for itself
            if name in self._named:
                self._known[name] = self.text_of(self._named[name], depth + 1)
        return self._known[name]
