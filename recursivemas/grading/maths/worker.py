"""A process that compares mathematical answers; `pool` starts it and talks to it in lines of JSON."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from typing import Any, TextIO

MEMORY_BYTES = 2 << 30
GRACE_S = 5
"""How much longer than its guard by the clock the process lives when nobody is left to kill it."""


def main() -> None:
    """Answer requests with `{"equal": ...}` or `{"error": ...}`.

    A request has `gold`, `answer`, `in_percent` (see `equality.equal`), or for plain math-verify `gold` and
    `text`; and `cpu_s`, the processor time that it may take, and `clock_s`, after which it ends by the clock
    too. The first limit ends it by SIGPROF.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    for ends in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(ends, signal.SIG_DFL)
    try:
        _limit_memory()
        sys.set_int_max_str_digits(0)  # the time limit is enough
        refuse_python_code()
        from recursivemas.grading.maths.equality import equal
    except ImportError as error:
        _say(answers, {"error": str(error)})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        # The signals' default action ends the process even where Python code gets no turn.
        signal.setitimer(signal.ITIMER_PROF, request["cpu_s"])
        signal.setitimer(signal.ITIMER_REAL, request["clock_s"] + GRACE_S)
        try:
            if "text" in request:
                _say(answers, _verify(request["gold"], request["text"]))
            else:
                verdict = equal(request["gold"], request["answer"], in_percent=request["in_percent"])
                _say(answers, {"equal": verdict})
        except Exception as error:
            # Computer algebra on arbitrary text fails in arbitrary ways; none of them says "equal".
            _say(answers, {"error": f"{type(error).__name__} while they were compared"})
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _verify(gold: str, text: str) -> dict[str, object]:
    """math-verify's verdict by its defaults but for its limits by the clock, which this process has instead.

    A gold stands in dollars, as its documentation has it. What was read is the text that it gives beside the
    parsed values.
    """
    from math_verify import parse, verify

    golds = parse(f"${gold}$", parsing_timeout=None)
    if not golds:
        return {"error": f"math-verify reads nothing in the gold {gold!r}"}
    found = parse(text, parsing_timeout=None)
    extracted = next((one for one in found if isinstance(one, str)), None)
    return {"equal": verify(golds, found, timeout_seconds=None), "extracted": extracted}


def _limit_memory() -> None:
    if sys.platform == "darwin":
        return  # it takes no such limit; the one on time holds there too
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


_HARMLESS = re.compile(r"\w+|-?[0-9.]+")


def refuse_python_code() -> None:
    """SymPy evaluates text as Python where it is handed some. Its own use, names and numbers, goes on."""
    from sympy.parsing import sympy_parser

    evaluate = sympy_parser.parse_expr

    def parse_expr(text: str, *args: Any, **kwargs: Any) -> Any:
        if not _HARMLESS.fullmatch(text):
            raise ValueError(f"{text!r} would be run as Python code")
        return evaluate(text, *args, **kwargs)

    sympy_parser.parse_expr = parse_expr


def _say(answers: TextIO, message: dict[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
