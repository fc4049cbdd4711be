"""A published prompts.py as a process that can be asked, and the table of what it is asked.

The file is the user's, and it is code: it runs in a process of its own, in an empty folder, without our
environment variables and under a time limit.
"""

from __future__ import annotations

import json
import os
import reprlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from recursivemas.errors import UserError

RUNNER = Path(__file__).with_name("run_builders.py")

KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
"""What the process needs to start; everything else in our environment is none of its business."""


class PromptImportError(UserError):
    """A published prompts.py that cannot be read into a pack."""


@dataclass(frozen=True)
class Call:
    """One call of a builder; the question, and a function's name, come on top of `arguments`."""

    builder: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class RoleBuilders:
    """How one role's prompts of one round are built: a call for each task kind, a constant for each slot."""

    prompt: str
    variant: str
    calls: Mapping[str, Call]
    slots: Mapping[str, str]


NO_CODE = {"task_type": "", "fn_name": None}
FUNCTION = {"task_type": "function"}
PROGRAM = {"task_type": "complete", "fn_name": None}


def _by_builder(
    prompt: str, variant: str, math: str, code: str, slots: Mapping[str, str], solver: bool = False
) -> RoleBuilders:
    """Builders for text questions and for code; they find out for themselves what is a choice question."""
    shared: dict[str, Any] = {
        "mas_shape": "chain",
        "args": {"solver_pre_question": 0, "choice_old_prompt": 0},
    }
    extra = shared if solver else {}
    calls = {
        "math": Call(math, extra),
        "choice": Call(math, extra),
        "function": Call(code, {**extra, **FUNCTION}),
        "program": Call(code, {**extra, **PROGRAM}),
    }
    if solver:
        calls["gpqa"] = Call(math, {**extra, "args": {"solver_pre_question": 0, "choice_old_prompt": 2}})
    return RoleBuilders(prompt, variant, calls, slots)


def _by_task(
    prompt: str, variant: str, builder: str, slots: Mapping[str, str], hie_role: str | None = None
) -> RoleBuilders:
    """One builder that is told the task."""
    role = {"hie_role": hie_role} if hie_role else {}
    calls = {
        "math": Call(builder, {**role, "mas_task": "math", **NO_CODE}),
        "choice": Call(builder, {**role, "mas_task": "choice", **NO_CODE}),
        "function": Call(builder, {**role, "mas_task": "code", **FUNCTION}),
        "program": Call(builder, {**role, "mas_task": "code", **PROGRAM}),
    }
    return RoleBuilders(prompt, variant, calls, slots)


def _experts() -> list[RoleBuilders]:
    first, feedback = "build_hie_expert_prompt", "build_hie_expert_prompt_with_feedback_slot"
    return [
        _by_task(f"mixture/{role}", variant, builder, slots, f"hie_{role}_expert")
        for role in ("math", "code", "science")
        for variant, builder, slots in (
            ("first", first, {}),
            ("feedback", feedback, {"feedback": "HIE_FEEDBACK_SLOT"}),
        )
    ]


ROLE_BUILDERS: tuple[RoleBuilders, ...] = (
    _by_builder("sequential/planner", "first", "build_math_planner_prompt", "build_code_planner_prompt", {}),
    _by_builder(
        "sequential/planner",
        "feedback",
        "build_math_planner_prompt_with_feedback_slot",
        "build_code_planner_prompt_with_feedback_slot",
        {"feedback": "FEEDBACK_SLOT"},
    ),
    _by_builder(
        "sequential/critic",
        "first",
        "build_math_refiner_prompt_with_slot",
        "build_code_refiner_prompt_with_slot",
        {"plan": "PLANNER_SLOT"},
    ),
    _by_builder(
        "sequential/solver",
        "first",
        "build_math_solver_prompt_with_slots",
        "build_code_solver_prompt_with_slots",
        {"refined_plan": "REFINED_SLOT"},
        solver=True,
    ),
    *_experts(),
    _by_task(
        "mixture/summarizer",
        "first",
        "build_hie_summarizer_prompt_with_slots",
        {
            "math": "HIE_MATH_EXPERT_SLOT",
            "code": "HIE_CODE_EXPERT_SLOT",
            "science": "HIE_SCIENCE_EXPERT_SLOT",
        },
    ),
    _by_task("distillation/expert", "first", "build_distill_expert_prompt", {}),
    _by_task(
        "distillation/expert",
        "feedback",
        "build_distill_expert_prompt_with_feedback_slot",
        {"feedback": "DISTILL_FEEDBACK_SLOT"},
    ),
    _by_task(
        "distillation/learner",
        "first",
        "build_distill_learner_prompt_with_slot",
        {"plan": "DISTILL_EXPERT_SLOT"},
    ),
    _by_task("deliberation/reflector", "first", "build_deliberation_reflector_prompt", {}),
    _by_task(
        "deliberation/reflector",
        "feedback",
        "build_deliberation_reflector_prompt_with_feedback_slot",
        {"feedback": "DELIBERATION_FEEDBACK_SLOT"},
    ),
    _by_task(
        "deliberation/toolcaller",
        "first",
        "build_deliberation_toolcaller_prompt_with_slot",
        {"reflection": "DELIBERATION_REFLECTOR_SLOT"},
    ),
)

SYSTEM_CONSTANT = "SYSTEM_PROMPT"
SYSTEM_BUILDER = "get_system_prompt"


class PublishedPrompts:
    """The module in its process. Use it as a context manager.

    `texts` are its constants by name. Raises PromptImportError when it does not load, lacks a name, dies, or
    takes longer than `time_limit_s` seconds in all.
    """

    def __init__(self, path: Path, time_limit_s: float) -> None:
        if not path.is_file():
            raise PromptImportError(f"{path} is no file; give the path of a published prompts.py")
        self.path = path
        self.time_limit_s = time_limit_s
        self.texts: dict[str, str] = {}

    def __enter__(self) -> PublishedPrompts:
        self._scratch = tempfile.TemporaryDirectory(prefix="recursivemas-prompts-")
        self._log = (Path(self._scratch.name) / "stderr.log").open("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", str(RUNNER), str(self.path.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=self._scratch.name,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            encoding="utf-8",
        )
        self._timed_out = threading.Event()
        self._timer = threading.Timer(self.time_limit_s, self._stop_late)
        self._timer.start()
        try:
            self._read_content(self._receive())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()
        self._log.close()
        self._scratch.cleanup()

    def ask(self, calls: Sequence[tuple[Call, Mapping[str, Any]]]) -> list[str | PromptImportError]:
        """What each call gives with the arguments on top of its own: a text, or the error it raises."""
        message = [(call.builder, {**call.arguments, **arguments}) for call, arguments in calls]
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return [
            answer["text"] if "text" in answer else self._failed(call, arguments, answer["error"])
            for (call, arguments), answer in zip(calls, self._receive(), strict=True)
        ]

    def text(self, call: Call, **arguments: Any) -> str:
        """What one call gives. Raises PromptImportError when the builder raises."""
        (answer,) = self.ask([(call, arguments)])
        if isinstance(answer, PromptImportError):
            raise answer
        return answer

    def _read_content(self, content: dict[str, Any]) -> None:
        if "error" in content:
            raise PromptImportError(f"{self.path} does not load:\n{content['error']}")
        self.texts = content["texts"]
        constants = {name for builders in ROLE_BUILDERS for name in builders.slots.values()}
        constants.add(SYSTEM_CONSTANT)
        functions = {call.builder for builders in ROLE_BUILDERS for call in builders.calls.values()}
        functions.add(SYSTEM_BUILDER)
        missing = sorted(functions - set(content["functions"])) + sorted(constants - set(self.texts))
        if missing:
            raise PromptImportError(
                f"{self.path} lacks {', '.join(missing)}; it has to be the prompts.py of a release with all "
                "five styles"
            )

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise self._ended()
        return json.loads(line)

    def _stop_late(self) -> None:
        self._timed_out.set()
        self._process.kill()

    def _failed(self, call: Call, arguments: Mapping[str, Any], error: str) -> PromptImportError:
        given = ", ".join(f"{name}={reprlib.repr(value)}" for name, value in arguments.items())
        return PromptImportError(f"{self.path}: {call.builder} fails on {given} with {error}")

    def _ended(self) -> PromptImportError:
        if self._timed_out.is_set():
            return PromptImportError(
                f"{self.path} took longer than {self.time_limit_s:g} seconds; a file that only builds "
                "prompts takes a few"
            )
        self._process.wait()
        self._log.seek(0)
        return PromptImportError(
            f"{self.path} ended its process with code {self._process.returncode}; "
            f"its last words: {self._log.read()[-1000:] or '(none)'}"
        )
