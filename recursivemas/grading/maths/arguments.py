r"""What LaTeX commands take: braces around bare arguments, and `\frac{a}{b}` for `a \over b`."""

from __future__ import annotations

from recursivemas.grading.maths.text import take_group, tokens

_ARGUMENTS = {r"\frac": 2, r"\sqrt": 1, r"\binom": 2, r"\overline": 1, r"\text": 1, "_": 1, "^": 1}
_INFIX = {r"\over": r"\frac", r"\choose": r"\binom"}
_TAKES_ALL_DIGITS = frozenset((r"\sqrt", "_", "^"))
r"""`\sqrt12` is what is left of a root of 12: nobody writes a root of 1 times 2 so."""


def brace_arguments(text: str) -> str:
    r"""`\frac12`, `\sqrt2`, `\sqrt(2)`, `x^-1`, `{1\over2}` with the arguments in braces.

    What cannot be understood stays as it is.
    """
    if any(command in text for command in _INFIX):
        text = _prefix(tokens(text))
    out, rest = [], tokens(text)
    while rest:
        out.append(_take_command(rest))
    return "".join(out)


def _take_command(rest: list[str]) -> str:
    """The first token with its arguments, taken off the tokens."""
    command = rest.pop(0)
    out = [command]
    if command == r"\sqrt":
        out.append(_take_option(rest))
    for _ in range(_ARGUMENTS.get(command, 0)):
        out.append(_take_argument(rest, command))
    return "".join(out)


def _take_argument(rest: list[str], command: str) -> str:
    while rest and rest[0].isspace():
        rest.pop(0)
    if rest and rest[0] == "{":
        group = take_group(rest, "{", "}")
        return "{" + brace_arguments(group[1:-1]) + "}" if group.endswith("}") else group
    if rest and rest[0] == "(" and command in (r"\sqrt", "^"):
        group = take_group(rest, "(", ")")
        return "{" + brace_arguments(group[1:-1]) + "}" if group.endswith(")") else group
    if command in _TAKES_ALL_DIGITS and (digits := _take_digits(rest, signed=command == "^")):
        return f"{{{digits}}}"
    if not rest or rest[0] in "}])^_&,'" or (command == "^" and rest[0] == r"\circ"):
        return ""
    return "{" + _take_command(rest) + "}"


def _take_digits(rest: list[str], *, signed: bool) -> str:
    sign = 1 if signed and len(rest) > 1 and rest[0] == "-" else 0
    end = sign
    while end < len(rest) and rest[end].isdigit():
        end += 1
    if end == sign:
        return ""
    digits = "".join(rest[:end])
    del rest[:end]
    return digits


def _take_option(rest: list[str]) -> str:
    while rest and rest[0].isspace():
        rest.pop(0)
    return take_group(rest, "[", "]") if rest and rest[0] == "[" else ""


def _prefix(rest: list[str]) -> str:
    """The tokens up to the brace that closes the group that they stand in, which is taken off too."""
    out: list[str] = []
    while rest:
        token = rest.pop(0)
        if token == "{":
            out.append("{" + _prefix(rest) + "}")
        elif token == "}":
            break
        elif token in _INFIX:
            return f"{_INFIX[token]}{{{''.join(out).strip()}}}{{{_prefix(rest).strip()}}}"
        else:
            out.append(token)
    return "".join(out)
