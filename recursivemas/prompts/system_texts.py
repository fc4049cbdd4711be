"""System prompts that a user gives, in place of those that the run's source of prompts has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError, did_you_mean
from recursivemas.files.own import read_text
from recursivemas.prompts.pack import PromptPack, load_pack
from recursivemas.prompts.source import Pieces, PromptRequest, PromptSource
from recursivemas.question import Question, QuestionKind, Task
from recursivemas.styles import Style

FOR_ALL = ""
"""In place of a role, for all agents that are not named."""
ROLE = re.compile(r"([A-Za-z_]\w*)=")


def read_system_texts(given: Sequence[str], style: Style) -> dict[str, str]:
    """By role, the texts that `TEXT`, `ROLE=TEXT`, `@FILE` and `ROLE=@FILE` give; one for a role comes first.

    Raises UserError for what begins like a role and is none, for a role that is given twice, and for a file
    that cannot be read.
    """
    texts: dict[str, str] = {}
    for entry in given:
        found = ROLE.match(entry)
        role = found[1] if found else FOR_ALL
        if found and role not in style.roles:
            raise UserError(
                f"system_prompt {entry[:60]!r} names {role!r}, and {style.name} has the agents "
                f"{', '.join(style.roles)}{did_you_mean(role, style.roles)}. For a text that begins so, give "
                "@FILE"
            )
        if role in texts:
            raise UserError(f"system_prompt is given twice for {role or 'all agents'}; give each once")
        texts[role] = _text(entry[found.end() :] if found else entry)
    everyone = dict.fromkeys(style.roles, texts[FOR_ALL]) if FOR_ALL in texts else {}
    return everyone | {role: text for role, text in texts.items() if role != FOR_ALL}


def _text(value: str) -> str:
    if not value.startswith("@"):
        return value
    path = Path(value[1:]).expanduser()
    if not path.is_file():
        raise UserError(f"system_prompt names the file {path}, and there is none; give @FILE, or the text")
    return read_text(path, str(path)).strip()


def with_system_texts(source: PromptSource, texts: Mapping[str, str], style: Style) -> PromptSource:
    """The same source of prompts, with these system texts of agents by role; the source itself without any.

    Raises UserError where two agents share a prompt, and with it the system text, and not both are given the
    same one.
    """
    if not texts:
        return source
    by_prompt: dict[str, str | None] = {}
    for role in style.roles:
        prompt, text = style.agent(role).prompt, texts.get(role)
        if by_prompt.setdefault(prompt, text) != text:
            sharing = ", ".join(one for one in style.roles if style.agent(one).prompt == prompt)
            raise UserError(
                f"{sharing} of {style.name} share the prompt {prompt!r} and its system text; give all of "
                "them the same system_prompt"
            )
    given = {prompt: text for prompt, text in by_prompt.items() if text is not None}
    pack = source if isinstance(source, PromptPack) else load_pack()
    return SystemTexts(source=source, texts=given, by_role=dict(texts), pack=pack)


@dataclass(frozen=True, kw_only=True)
class SystemTexts:
    """A source of prompts with system texts of the user's own, by prompt; a `PromptSource` itself.

    An agent with tools is told of them behind the text: without, it would not know how to call one. The words
    are the pack's own, or ours where builders write the prompts.
    """

    source: PromptSource
    texts: Mapping[str, str]
    by_role: Mapping[str, str]
    pack: PromptPack

    def describe(self) -> dict[str, Any]:
        return {**self.source.describe(), "system_prompt": dict(self.by_role)}

    def check(self, style: Style, *, task: Task, mode: str) -> None:
        self.source.check(style, task=task, mode=mode)

    def marker(self, prompt: str, slot: str) -> str:
        return self.source.marker(prompt, slot)

    def system(self, prompt: str, tools: Sequence[str] = ()) -> str:
        if prompt not in self.texts:
            return self.source.system(prompt, tools)
        return self.pack.with_tools(self.texts[prompt], tools)

    def retry_cue(self, kind: QuestionKind) -> str:
        return self.source.retry_cue(kind)

    def kind_of(self, question: Question, prompt: str) -> QuestionKind:
        return self.source.kind_of(question, prompt)

    def write(self, requests: Sequence[PromptRequest]) -> list[Pieces | UserError]:
        return self.source.write(requests)
