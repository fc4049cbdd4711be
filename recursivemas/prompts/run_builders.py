"""Loads a prompts.py and calls its builders, as a program of its own inside the sandbox.

`builders` hands the text of this file to the sandbox, so it imports nothing of this package. One job comes in
on standard input, as JSON: `files` (contents in Latin-1, by path), `main` among them, the `constants` wanted,
and `calls`, each a function's name, its arguments, and texts for parameters whose names are not known. The
answers go out one JSON a line: first what the module holds, then `[index, answer]` for each call, as soon as
there is one. What the module prints goes to standard error, where it cannot mix with the answers.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

PARAMETERS = {"question", "args", "mas_shape", "mas_task", "hie_role", "task_type", "fn_name"}
"""Those that a builder has for anything but another agent's text."""


class Answers:
    """The way out, moved away from where the module prints. Processes that the module forks end here."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)

    def send(self, message: Any) -> None:
        if os.getpid() != self._process:
            os._exit(0)
        self._file.write(json.dumps(message) + "\n")
        self._file.flush()


def main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    answers = Answers()
    try:
        module = load(job["files"], job["main"])
    except BaseException as error:  # whatever it is, the file raised it, and it is what the user has to hear
        answers.send({"error": explain(error, place_of(error))})
        return
    content = vars(module)
    constants = {name: content[name] for name in job["constants"] if isinstance(content.get(name), str)}
    functions = [name for name, value in content.items() if callable(value)]
    answers.send({"constants": constants, "functions": functions})
    for index, (name, arguments, texts) in enumerate(job["calls"]):
        answers.send([index, call(content.get(name), arguments, texts)])


def load(files: dict[str, str], main: str) -> ModuleType:
    """The module `main`, from a folder of its own that holds the files."""
    folder = folder_of_files()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("latin-1"))
    sys.path.insert(0, str(folder))
    name = main.removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, folder / main)
    if spec is None or spec.loader is None:
        raise ImportError(f"{main} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def folder_of_files() -> Path:
    return Path.cwd() / "published"


def explain(error: BaseException, place: str = "") -> str:
    """The error on one line: its type, its message, and where it was raised."""
    try:
        message = " ".join(str(error).split())
    except BaseException:
        message = "its message cannot be shown"
    return f"{type(error).__name__}{message and f': {message}'}{place and f' ({place})'}"


def place_of(error: BaseException) -> str:
    """The innermost line of the files that the error came through; empty where it came through none."""
    folder = folder_of_files()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(folder):
            return f"line {frame.lineno} of {Path(frame.filename).relative_to(folder)}"
    return ""


def call(function: Callable[..., Any] | None, arguments: dict[str, Any], texts: list[str]) -> dict[str, str]:
    if function is None:
        return {"error": "there is no such function"}
    try:
        text = function(**fit(function, arguments, texts))
    except BaseException as error:
        return {"error": explain(error)}
    if not isinstance(text, str):
        return {"error": f"it gave back {type(text).__name__}, not a text"}
    return {"text": text}


def fit(function: Callable[..., Any], arguments: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """The arguments that the function has parameters for; `args` becomes an object with attributes.

    Where an argument is empty and the function has a default of its own, the default holds. The texts go to
    the parameters that are none of PARAMETERS, in order.
    """
    if "args" in arguments:
        arguments = {**arguments, "args": SimpleNamespace(**arguments["args"])}
    parameters = inspect.signature(function).parameters.values()
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    others = [one for one in named if one.name not in PARAMETERS]
    if len(required := [one for one in others if one.default is one.empty]) == len(texts):
        others = required
    if len(others) < len(texts):
        raise TypeError(f"it takes {len(others)} texts of other agents, where there are {len(texts)}")
    quoted = {one.name: text for one, text in zip(others, texts, strict=False)}
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return {**arguments, **quoted}
    given = {
        one.name: arguments[one.name]
        for one in named
        if one.name in arguments and (arguments[one.name] or one.default is one.empty)
    }
    return {**given, **quoted}


if __name__ == "__main__":
    main()
