"""`recursivemas doctor`: what this machine has of what runs need, and what to do about what it has not.

Every part is looked at by itself: whatever is missing or broken, the others are told all the same.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from recursivemas.cli.diagnosis import hub, machine, packages
from recursivemas.cli.diagnosis.finding import PROBLEM, Finding, State
from recursivemas.output.redaction import redact_data, redact_urls
from recursivemas.output.screen import harmless

Examine = Callable[[], list[Finding]]

MARKS: Mapping[State, str] = {"ok": "ok", "missing": "-", "note": "note", "problem": "PROBLEM"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `recursivemas doctor`."""
    parser.description = (
        "Tell what this machine has of what runs need: packages, devices, sandbox, keys, hub, folders, and "
        "which styles fit. The exit status is 1 where something that every run needs is missing, else 0."
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for scripts and for reports of errors")
    parser.add_argument(
        "--release", default="hub", metavar="TEXT", help="the release whose sizes to look up (default: hub)"
    )


def run(arguments: dict[str, Any]) -> int:
    """Print what was found; returns the exit status."""
    with _silence():
        found = examine(arguments["release"])
    problems = [one for findings in found.values() for one in findings if one.state == PROBLEM]
    if arguments["json"]:
        parts = {part: [one.to_json() for one in findings] for part, findings in found.items()}
        print(json.dumps(redact_data({"ok": not problems, **parts}, urls=True), indent=2, ensure_ascii=False))
    else:
        for part, findings in found.items():
            print(harmless(redact_urls(format_part(part, findings))), end="\n\n", flush=True)
        print(f"{len(problems)} problem{'s' * (len(problems) != 1)}" if problems else "nothing is in the way")
    return 1 if problems else 0


def examine(release: str = "hub") -> dict[str, list[Finding]]:
    """What was found, by part; nothing raises, and nothing waits for a hub longer than seconds."""
    answers = hub.ask(release)  # it takes its time while all else is looked at
    parts: dict[str, Examine] = {
        "packages": packages.examine_packages,
        "devices": machine.examine_devices,
        "sandbox": machine.examine_sandbox,
        "keys": machine.examine_keys,
        "folders": machine.examine_folders,
        "hub": lambda: hub.examine_hub(answers),
        "styles": lambda: hub.examine_styles(answers),
    }
    return {part: _examined(part, examine_part) for part, examine_part in parts.items()}


def _examined(part: str, examine_part: Examine) -> list[Finding]:
    try:
        return examine_part()
    except Exception as error:  # whatever is broken here, it is what the user asks about
        text = f"could not be looked at: {type(error).__name__}: {error}"
        return [Finding(part, text, PROBLEM, "Install what is missing: pip install -r requirements.txt")]


def format_part(part: str, findings: list[Finding]) -> str:
    """A part's findings in columns, advice below what it is for."""
    marks = max(len(MARKS[one.state]) for one in findings)
    names = max(len(one.name) for one in findings)
    lines = [part]
    for one in findings:
        lines.append(f"  {MARKS[one.state]:<{marks}}  {one.name:<{names}}  {one.value}".rstrip())
        lines += [f"  {'':<{marks}}  {line}" for line in one.advice.splitlines()]
    return "\n".join(lines)


@contextmanager
def _silence() -> Iterator[None]:
    """What libraries say on the way, as that a hub is asked again, stands in the findings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
