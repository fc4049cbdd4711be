"""What a solution's source needs around it: names that it uses and does not bind."""

from __future__ import annotations

import ast
import builtins
from types import CodeType

DYNAMIC = ("eval", "exec", "globals", "locals", "vars")
"""With these, a source may use any name."""


def loose_names(tree: ast.AST) -> set[str]:
    """Names that the source reads and binds nowhere, built-in ones left out."""
    read: set[str] = set()
    bound = set(dir(builtins)) - set(DYNAMIC)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            bound.add(node.rest)
    return read - bound


def used_names(compiled: CodeType) -> set[str]:
    """Names that compiled source uses, attributes included, without built-in ones and `__...__`.

    From the code, as the tests of a problem may be megabytes of data, whose syntax tree takes seconds to
    walk.
    """
    names = {name for name in compiled.co_names if not hasattr(builtins, name) and not name.startswith("__")}
    for constant in compiled.co_consts:
        if isinstance(constant, CodeType):
            names |= used_names(constant)
    return names


def needed_imports(script: str, loose: set[str]) -> str:
    """The script's own import lines that bind a loose name, or names that cannot be told."""
    if not loose:
        return ""
    lines = [line for line in script.split("\n") if line.startswith(("import ", "from "))]
    imports = {line: _imported_names(line) for line in lines}
    if loose & set(DYNAMIC):
        return "\n".join(line for line, names in imports.items() if names)
    return "\n".join(line for line, names in imports.items() if names & (loose | {"*"}))


def _imported_names(line: str) -> set[str]:
    """What an import on one line binds; nothing for what is none."""
    try:
        statements = ast.parse(line).body
    except SyntaxError:
        return set()
    aliases = [alias for node in statements for alias in getattr(node, "names", [])]
    return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
