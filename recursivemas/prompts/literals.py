"""What a published prompts.py may look for in a question, read off its source; nothing is run."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from recursivemas.prompts.prompt_file import PromptFile, parse


@dataclass(frozen=True)
class Literals:
    """What a file's code may look for in a question: texts, and the texts of each function together."""

    texts: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]


def read_literals(file: PromptFile, max_length: int = 200) -> Literals:
    """The literals in a prompts.py and in the modules beside it that it imports.

    Longer texts than `max_length` characters are prompts, not something to look for, and are left out.
    """
    trees = [parse(content, name) for name, content in file.files.items()]
    functions = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)
    ]
    groups = [_texts(function, max_length) for function in functions]
    numbers = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) is int
    }
    texts = dict.fromkeys(text for tree in trees for text in _texts(tree, max_length))
    return Literals(tuple(texts), tuple(group for group in groups if len(group) > 1), tuple(sorted(numbers)))


def _texts(tree: ast.AST, max_length: int) -> tuple[str, ...]:
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = (text for text in constants if isinstance(text, str) and text.strip())
    return tuple(dict.fromkeys(text for text in texts if len(text) <= max_length))


REGEX_TOKEN = re.compile(
    r"(?P<skipped>\(\?[a-zA-Z-]+\)|[*+?^$]|\{\d*,?\d*\})"
    r"|(?P<opener>\((?:\?(?:[a-zA-Z-]*:|P<\w+>|<?[=!]))?)"
    r"|\[\^?(?P<first>\\.|.)[^]]*\]|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)
ESCAPES = {"s": " ", "d": "1", "w": "a", "n": "\n", "t": "\t", **dict.fromkeys("bBAZzSDW", "")}
INNERMOST_GROUP = re.compile("\ue000([^\ue000\ue001]*)\ue001")


def regex_samples(pattern: str, limit: int = 16) -> list[str]:
    """Texts that a regular expression may look for, roughly: repeats stand once, of classes the first."""
    flat = REGEX_TOKEN.sub(_show_token, pattern)
    samples: list[str] = []
    waiting = [flat]
    while waiting and len(samples) < limit:
        text = waiting.pop()
        group = INNERMOST_GROUP.search(text)
        choices = (group[1] if group else text).split("\ue002")
        expanded = (
            [f"{text[: group.start()]}{choice}{text[group.end() :]}" for choice in choices] if group else []
        )
        waiting += expanded
        samples += [] if group else [re.sub("[\ue000\ue001]", "", choice) for choice in choices]
    return list(dict.fromkeys(sample for sample in samples if sample.strip()))


def _show_token(token: re.Match[str]) -> str:
    if token["opener"]:
        return "\ue000"
    if token["skipped"]:
        return ""
    if token["escaped"]:
        return ESCAPES.get(token["escaped"], token["escaped"])
    if token["first"]:
        return (
            ESCAPES.get(token["first"][1:], token["first"][-1]) if len(token["first"]) > 1 else token["first"]
        )
    return {")": "\ue001", "|": "\ue002"}.get(token["plain"], token["plain"])
