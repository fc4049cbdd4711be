"""Loads a published prompts.py and calls its builders on request, in a process of its own.

`published` starts this file as a script in Python's isolated mode, so it imports nothing of this package. It
speaks JSON, one message a line: first what the module holds, then an answer to each list of calls. The
module's own standard output goes to standard error, where it cannot mix with the answers.
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
from typing import Any, TextIO


def main(path: Path) -> None:
    requests, answers = _private_streams()
    try:
        module = _load(path)
    except (Exception, SystemExit):
        _send(answers, {"error": traceback.format_exc(limit=-3)})
        return
    content = vars(module)
    _send(
        answers,
        {
            "texts": {name: value for name, value in content.items() if isinstance(value, str)},
            "functions": [name for name, value in content.items() if callable(value)],
        },
    )
    for line in requests:
        _send(answers, [_call(content[name], arguments) for name, arguments in json.loads(line)])


def _private_streams() -> tuple[TextIO, TextIO]:
    """The pipes to and from the starting process, moved away from the standard streams."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def _load(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, str]:
    try:
        text = function(**_fit(function, arguments))
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if not isinstance(text, str):
        return {"error": f"it gave back {type(text).__name__}, not a text"}
    return {"text": text}


def _fit(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that the function has parameters for; `args` becomes an object with attributes.

    Where an argument is empty and the function has a default of its own, the default holds.
    """
    if "args" in arguments:
        arguments = {**arguments, "args": SimpleNamespace(**arguments["args"])}
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return arguments
    return {
        name: value
        for name, value in arguments.items()
        if name in parameters and (value or parameters[name].default is inspect.Parameter.empty)
    }


def _send(answers: TextIO, message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
