"""The builders of a prompts.py, asked for many prompts at a time.

The file is code, and not ours: each time it runs in the sandbox, as model-written code does. It sees no
variable of our environment, no file but its own, and no network; it and all that it starts end with the
answer, whatever they do. Where a machine offers no isolation (`limits`), it still has an environment and an
empty folder of its own and ends in time, but a file that means harm could read and write what its user may.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from recursivemas.files.disk_cache import DiskCache, user_cache
from recursivemas.prompts.prompt_file import PromptFile
from recursivemas.prompts.source import PromptsError
from recursivemas.sandbox.run import (
    IsolationError,
    Limits,
    Outcome,
    SandboxError,
    find_isolation,
    run_python,
    site_packages,
)

RUNNER = Path(__file__).with_name("run_builders.py")
LIMITS = Limits(
    time_s=30.0, memory_bytes=2 << 30, output_bytes=64 << 20, file_bytes=16 << 20, tmp_bytes=64 << 20
)
MAX_CALLS = 5000
MAX_CHARACTERS = 4_000_000
"""Calls in one run of the file, and characters in them. They take well below a second."""
MAX_ENDS = 3
"""How many calls of one batch may end the file's process before the rest is given up."""
SHOWN_CHARACTERS = 1000


@dataclass(frozen=True)
class BuilderCall:
    """One call: a function of the file, its named arguments, and the texts of other agents in order."""

    builder: str
    arguments: Mapping[str, Any]
    texts: Sequence[str] = ()

    def to_data(self) -> list[Any]:
        return [self.builder, dict(self.arguments), list(self.texts)]

    def __str__(self) -> str:
        given = [f"{name}={reprlib.repr(value)}" for name, value in self.arguments.items()]
        return f"{self.builder}({', '.join([*given, *map(reprlib.repr, self.texts)])})"


@dataclass(frozen=True)
class Content:
    """What a loaded prompts.py holds: the wanted constants that are texts, and the names of functions."""

    constants: Mapping[str, str]
    functions: frozenset[str]


class Cache(Protocol):
    """Where answers are kept by a key that JSON can hold."""

    def get(self, key: object) -> dict[str, Any] | None: ...

    def put(self, key: object, entry: Mapping[str, Any]) -> None: ...


@dataclass
class Builders:
    """A prompts.py that can be asked. Answers are kept in the user's cache, by the file's contents.

    `cache` None keeps nothing.
    """

    file: PromptFile
    limits: Limits = LIMITS
    cache: Cache | None = field(default_factory=lambda: DiskCache(user_cache() / "prompts" / "answers"))

    def content(self, constants: Sequence[str]) -> Content:
        """What the file holds. Raises PromptsError when it does not load."""
        wanted = sorted(constants)
        key = self._key("content", wanted)
        kept = self.cache.get(key) if self.cache else None
        if kept is None:
            kept, _ = self._read(self._run([], wanted), 0)
            if self.cache:
                self.cache.put(key, kept)
        return Content(kept["constants"], frozenset(kept["functions"]))

    def ask(self, calls: Sequence[BuilderCall]) -> list[str | PromptsError]:
        """What each call gives, in order: a text, or the error that it ends with, alone.

        Raises PromptsError when the file does not load, or answers something that is no answer.
        """
        answers: dict[str, str | PromptsError] = {}
        waiting: dict[str, BuilderCall] = {}
        keys = [json.dumps(call.to_data(), sort_keys=True) for call in calls]
        for key, call in zip(keys, calls, strict=True):
            if key in answers or key in waiting:
                continue
            kept = self.cache.get(self._key("text", key)) if self.cache else None
            if kept is None:
                waiting[key] = call
            else:
                answers[key] = kept["text"]
        for key, answer in zip(waiting, self._ask_anew(list(waiting.values())), strict=True):
            answers[key] = answer
            if self.cache and isinstance(answer, str):
                self.cache.put(self._key("text", key), {"text": answer})
        return [answers[key] for key in keys]

    def _key(self, what: str, asked: object) -> list[object]:
        return [what, self.file.fingerprint, self.file.main, _runner_version(), asked]

    def _ask_anew(self, calls: Sequence[BuilderCall]) -> list[str | PromptsError]:
        """One run of the file for all, and one more after each call that ended it."""
        answers: list[str | PromptsError] = []
        num_ends = 0
        while len(answers) < len(calls):
            asked = calls[len(answers) : len(answers) + _how_many(calls[len(answers) :])]
            outcome = self._run(asked, [])
            _, texts = self._read(outcome, len(asked))
            answers += [
                text["text"]
                if "text" in text
                else PromptsError(f"{self.file.place}: {call} fails with {text['error']}")
                for call, text in zip(asked, texts, strict=False)
            ]
            if len(texts) == len(asked):
                continue
            num_ends += 1
            ended = f"{self.file.place}: {asked[len(texts)]} {self._explain_end(outcome)}"
            lost = 1 if num_ends < MAX_ENDS else len(calls) - len(answers)
            answers += [PromptsError(ended)] * lost
        return answers

    def _run(self, calls: Sequence[BuilderCall], constants: Sequence[str]) -> Outcome:
        job = {
            "files": {name: content.decode("latin-1") for name, content in self.file.files.items()},
            "main": self.file.main,
            "constants": constants,
            "calls": [call.to_data() for call in calls],
        }
        try:
            return run_python(
                RUNNER.read_text(encoding="utf-8"),
                stdin=json.dumps(job),
                limits=self.limits,
                isolation=find_isolation(allow_unisolated=True),
                import_from=site_packages(),
            )
        except (IsolationError, SandboxError) as error:
            raise PromptsError(f"{self.file.place} cannot be run apart from us: {error}") from error

    def _read(self, outcome: Outcome, num_calls: int) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """What the module holds, and the answers to the first calls, to as many as there are."""
        lines = outcome.stdout.split("\n")[:-1]
        try:
            content, *rest = map(json.loads, lines)
            if "error" not in content:
                _check_content(content)
            texts = [_check_answer(index, answer) for index, answer in enumerate(rest)]
            if len(texts) > num_calls:
                raise ValueError(f"{len(texts)} answers to {num_calls} calls")
        except (ValueError, TypeError, KeyError) as error:
            if not lines:
                raise PromptsError(f"{self.file.place} {self._explain_end(outcome)}") from error
            raise PromptsError(
                f"{self.file.place} spoils what its process answers ({error}); a file of prompts has no need "
                "to write to other file descriptors than those of print"
            ) from error
        if "error" in content:
            raise PromptsError(f"{self.file.place} does not load: {content['error']}")
        return content, texts

    def _explain_end(self, outcome: Outcome) -> str:
        limits = self.limits
        reasons = {
            "time": f"takes longer than {limits.time_s:g} seconds; building prompts takes well below one",
            "memory": f"takes more than {limits.memory_bytes >> 20} MiB of memory",
            "output": f"writes more than {limits.output_bytes >> 20} MiB",
            "processes": f"starts more than {limits.processes} processes",
            "lost": "ends the sandbox that it runs in",
        }
        if outcome.ended_by in reasons:
            return reasons[outcome.ended_by]
        how = f"code {outcome.exit_code}" if outcome.signal is None else f"signal {outcome.signal}"
        last_words = outcome.stderr.strip()[-SHOWN_CHARACTERS:] or "(none)"
        return f"ends its process with {how}; its last words: {last_words}"


def _how_many(calls: Sequence[BuilderCall]) -> int:
    """How many of the calls go into one run: at least one."""
    room = MAX_CHARACTERS
    for index, call in enumerate(calls[:MAX_CALLS]):
        room -= sum(len(str(value)) for value in (*call.arguments.values(), *call.texts))
        if room < 0:
            return max(index, 1)
    return len(calls[:MAX_CALLS])


def _check_content(content: dict[str, Any]) -> None:
    texts = [*content["constants"], *content["constants"].values(), *content["functions"]]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("what the module holds is no list of names and texts")


def _check_answer(index: int, answer: Any) -> dict[str, str]:
    number, given = answer
    if number != index or len(given) != 1 or not isinstance(given.get("text", given.get("error")), str):
        raise ValueError(f"answer {index} is {reprlib.repr(answer)}")
    return given


@functools.cache
def _runner_version() -> str:
    """What decides an answer beside the file: how it is asked, and the Python that runs it."""
    runner = hashlib.sha256(RUNNER.read_bytes()).hexdigest()
    return f"{platform.python_version()}-{runner[:16]}"
