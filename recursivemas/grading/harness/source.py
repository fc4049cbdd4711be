"""What a solution's source needs around it: names that it uses and does not bind."""

from __future__ import annotations

import ast
import builtins
from types import CodeType

DYNAMIC = ("eval", "exec", "globals", "locals", "vars")
"""With these, a source may use any name."""


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def loose_names(tree: ast.AST) -> set[str]:
    """Names that the source reads where no scope around binds them, built-in ones left out."""
    made_global: set[str] = set()
    free = _free_names(list(ast.iter_child_nodes(tree)), made_global)
    return free - made_global - (set(dir(builtins)) - set(DYNAMIC))


def _free_names(nodes: list[ast.AST], made_global: set[str], hides: bool = True) -> set[str]:
    """What a scope of these nodes reads from those around it; what it makes `global` is put into the set.

    With `hides` the names that it binds are there for the scopes inside it: a class does not hide them.
    """
    read: set[str] = set()
    inner: set[str] = set()
    bound: set[str] = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.Global):
            made_global.update(node.names)
        else:
            bound |= _bound_by(node)
        own, inside = _split(node)
        nodes += own
        if inside:
            inner |= _free_names(inside, made_global, not isinstance(node, ast.ClassDef))
    return (read | inner) - bound if hides else (read - bound) | inner


def _split(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """A node's children that belong to the scope it stands in, and those of the scope that it opens."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, COMPREHENSIONS):
        return [], children
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return children, []
    inside: list[ast.AST] = [*node.body] if isinstance(node.body, list) else [node.body]
    if not isinstance(node, ast.ClassDef):
        children += ast.iter_child_nodes(node.args)
        parameters = [child for child in children if isinstance(child, ast.arg)]
        children += [one.annotation for one in parameters if one.annotation]
        inside += [ast.arg(one.arg) for one in parameters]
    there = set(map(id, inside))
    own = [child for child in children if id(child) not in there]
    return [child for child in own if not isinstance(child, ast.arg | ast.arguments)], inside


def _bound_by(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.arg):
        return {node.arg}
    if isinstance(node, ast.alias):
        return {node.asname or node.name.partition(".")[0]}
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        return {node.name}
    return {node.rest} if isinstance(node, ast.MatchMapping) and node.rest else set()


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
