"""Rendering a chat template that nobody has vetted: within limits of time, memory and length.

A template is a program from the repository. jinja's sandbox keeps it from our objects, but not from looping
through a range of ranges or multiplying a text by a billion. So each template first renders two plain
conversations in a process of its own, where the operating system holds it to its limits; then every rendering
here is given up when it has taken too long, and refused when it is too long.

What this does not stop: a template that behaves in the trial and, for certain questions only, does something
huge in a single operation (one multiplication of a text) of which there is no interrupting.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from recursivemas.errors import UserError
from recursivemas.prompts.template_probe import LARGE

logger = logging.getLogger(__name__)

CPU_S = 5
"""Of CPU time, so that a busy machine refuses nothing. A real template takes about a millisecond."""
WALL_S = 120
MEMORY_BYTES = 1 << 30
MAX_CHARACTERS = 1_000_000
"""What a template may add to a conversation."""
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "SYSTEMROOT")
"""What an interpreter may need to start."""
PROBE = Path(__file__).with_name("template_probe.py")
TRIALS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("system", "Be helpful."), ("user", "What is 12 + 30?\nThink about it.")),
    (("user", "What is 12 + 30?\nThink about it."),),
)


class TemplateLimitError(UserError):
    """A chat template takes too much time, memory or text; the message goes on after the template's name."""


def try_out(template: str, variables: Mapping[str, Any]) -> None:
    """Render plain conversations in a process of its own; once for each template and variables.

    Raises TemplateLimitError when the template does not stay within the limits.
    """
    if reason := _try_out(template, json.dumps(variables, sort_keys=True)):
        raise TemplateLimitError(reason)


@lru_cache(maxsize=256)
def _try_out(template: str, variables: str) -> str:
    """What was too much, empty for nothing."""
    job = {
        "path": sys.path,
        "template": template,
        "variables": json.loads(variables),
        "conversations": [
            [{"role": role, "content": content} for role, content in trial] for trial in TRIALS
        ],
        "cpu_s": CPU_S,
        "memory_bytes": MEMORY_BYTES,
        "max_characters": MAX_CHARACTERS,
    }
    try:
        finished = subprocess.run(
            [sys.executable, "-I", str(PROBE)],
            input=json.dumps(job),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {WALL_S} s"
    except OSError as error:
        logger.warning("a chat template could not be tried out in a process of its own (%s)", error)
        return ""
    if finished.returncode == LARGE:
        return f"writes more than {MAX_CHARACTERS} characters, or takes more than {MEMORY_BYTES >> 20} MiB"
    if finished.returncode >= 0:
        return ""
    killed = -finished.returncode
    if killed in (signal.SIGXCPU, signal.SIGKILL):  # how the limit on CPU time is told
        return f"did not end within {CPU_S} s of CPU time"
    return f"crashes the interpreter ({signal.Signals(killed).name})"


@contextmanager
def deadline() -> Iterator[None]:
    """Give a rendering in this thread up, by TemplateLimitError, once it has taken CPU_S of CPU time."""
    end = time.thread_time() + CPU_S
    before = sys.gettrace()

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        if time.thread_time() > end:
            raise TemplateLimitError(f"did not end within {CPU_S} s of CPU time")
        return watch if frame.f_code.co_filename == "<template>" else None

    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def check_length(text: str, turns: Sequence[Mapping[str, str]]) -> None:
    """Raise TemplateLimitError for a template that added too much to a conversation."""
    added = len(text) - sum(len(turn["content"]) for turn in turns)
    if added > MAX_CHARACTERS:
        raise TemplateLimitError(f"adds {added} characters to a conversation, more than {MAX_CHARACTERS}")
