"""Prompt packs: every text that an agent is shown, as data.

A pack is a YAML file. Its prompts stand under family, role, kind and round: `first` for a prompt without
feedback, `feedback` for one that reads the answering agent's feedback of the round before. A question's kind
is looked up as it is; `gpqa` falls back to `choice`, and every kind to `any`. System texts and choice rules
stand under `family/role`, `family` or `default`, and the most specific one holds. What an agent is told about
its tools stands under `tools`, in the default pack where a pack has none.

`default.yaml` beside this file is a complete example; `template` says how prompts mark their places.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from recursivemas.errors import UserError, did_you_mean
from recursivemas.files.own import parse_yaml, read_text
from recursivemas.prompts.choice import ChoiceRule
from recursivemas.prompts.dump import dump_yaml
from recursivemas.prompts.markers import fill_slots
from recursivemas.prompts.source import Pieces, PromptRequest, check_variant
from recursivemas.prompts.template import SLOT_NAME, Slot, Template
from recursivemas.question import CODE_KINDS, Question, QuestionKind, Task
from recursivemas.styles import AgentSpec, Style
from recursivemas.values import NO_OTHERS, Text, read_as

FORMAT = 1
KINDS: tuple[str, ...] = (*get_args(QuestionKind), "any")

Kinds = Mapping[str, Mapping[str, Template]]
"""Kind of question -> variant -> template."""

V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class PromptPack:
    """All prompts of a run, a `PromptSource`. Build one with `load_pack`.

    `prompts` maps `family/role` to its kinds; `source` says where the pack was read, for error messages, and
    `origin` whether it is the built-in one.
    `choice_lines` holds None where only questions that a benchmark declares count as choice questions.
    """

    name: str
    source: str = field(compare=False)
    system_texts: Mapping[str, str]
    tool_texts: Mapping[str, str]
    retry_cues: Mapping[str, str]
    choice_lines: Mapping[str, ChoiceRule | None]
    prompts: Mapping[str, Kinds]
    origin: Literal["default", "pack"] = field(default="pack", compare=False)

    def describe(self) -> dict[str, Any]:
        return {"origin": self.origin, "name": self.name, "sha256": self.sha256}

    def check(self, style: Style, *, task: Task, mode: str) -> None:
        check_slots(self, style)

    def write(self, requests: Sequence[PromptRequest]) -> list[Pieces | UserError]:
        return [self._write(request) for request in requests]

    def _write(self, request: PromptRequest) -> Pieces | UserError:
        kind = self.kind_of(request.question, request.prompt)
        try:
            template = self.template(request.prompt, kind, feedback=request.feedback)
            pieces = template.render(request.question)
        except UserError as error:
            return error
        return pieces if request.texts is None else fill_slots(pieces, request.texts)

    def template(self, prompt: str, kind: QuestionKind, *, feedback: bool = False) -> Template:
        """The prompt of `family/role` for a kind of question.

        With `feedback` the variant that reads feedback, or the only one where there is just one. Raises
        ValueError when the pack has no such prompt.
        """
        if prompt not in self.prompts:
            raise UserError(
                f"{self.source} has no prompts for {prompt!r}; it has {', '.join(sorted(self.prompts))}; add "
                "them to the pack, or to the style's own prompts"
            )
        variants = self._by_kind(self.prompts[prompt], kind, f"prompt for {prompt} on")
        return variants.get("feedback", variants["first"]) if feedback else variants["first"]

    def marker(self, prompt: str, slot: str) -> str:
        return str(Slot(slot))

    def system(self, prompt: str, tools: Sequence[str] = ()) -> str:
        """The system text for `family/role`, empty for none; the default one also explains these tools."""
        text = _most_specific(self.system_texts, prompt)
        if not tools or {prompt, prompt.partition("/")[0]} & set(self.system_texts):
            return text
        return self.with_tools(text, tools)

    def with_tools(self, text: str, tools: Sequence[str]) -> str:
        """A system text, and behind it what an agent is told of these tools."""
        told = [self.tool_texts[name] for name in ("before", *tools, "after")] if tools else []
        return "\n\n".join([text, *told]).strip()

    def retry_cue(self, kind: QuestionKind) -> str:
        """What is appended to a text in which no answer of this kind can be found."""
        return self._by_kind(self.retry_cues, kind, "retry cue for")

    def kind_of(self, question: Question, prompt: str = "") -> QuestionKind:
        """The kind whose prompt this question gets from `family/role`.

        Code questions keep their kind. Lettered lines make a `math` question a `choice` one. What a benchmark
        declares `choice` or `gpqa` stays so, unless the rule in force looks at the text alone.
        """
        if question.kind in CODE_KINDS:
            return question.kind
        rule = _most_specific(self.choice_lines, prompt)
        lettered = rule is not None and rule.matches(question.text)
        if question.kind == "math":
            return "choice" if lettered else "math"
        return question.kind if lettered or rule is None or rule.trust_declared else "math"

    def with_prompts(self, prompts: Mapping[str, Any], source: str = "the style") -> PromptPack:
        """This pack with a style's own prompts, as `{family: {role: {kind: text or {first:, feedback:}}}}`.

        A kind given here replaces the pack's entry for that role, and the kinds that fall back to it: `any`
        replaces all of the role's prompts, `choice` also its `gpqa`.
        """
        if not prompts:
            return self
        merged = dict(self.prompts)
        own = read_as(_OwnPrompts, {"prompts": prompts}, source)
        for prompt, kinds in _by_prompt(own.prompts).items():
            kept = {
                kind: variants
                for kind, variants in merged.get(prompt, {}).items()
                if not set(_fallbacks(kind)) & set(kinds)
            }
            merged[prompt] = {**kept, **kinds}
        return replace(self, prompts=merged, source=f"{self.source} with {source}'s prompts")

    @property
    def sha256(self) -> str:
        """A hash of the content, the same however the file is laid out."""
        canonical = json.dumps(self.to_data(), sort_keys=True)
        return hashlib.sha256(canonical.encode("utf-8")).hexdigest()

    def to_data(self) -> dict[str, Any]:
        """The pack as plain data, as its YAML file holds it."""
        prompts: dict[str, Any] = {}
        for prompt, kinds in self.prompts.items():
            family, role = prompt.split("/")
            prompts.setdefault(family, {})[role] = {
                kind: _variants_to_data(variants) for kind, variants in kinds.items()
            }
        return {
            "format": FORMAT,
            "name": self.name,
            "system": dict(self.system_texts),
            "tools": dict(self.tool_texts),
            "retry_cues": dict(self.retry_cues),
            "choice_lines": {key: rule and asdict(rule) for key, rule in self.choice_lines.items()},
            "prompts": prompts,
        }

    def save(self, path: str | Path) -> None:
        """Write the pack as YAML, texts as block scalars; `load_pack` gives an equal pack back."""
        Path(path).write_text(dump_yaml(self.to_data()), encoding="utf-8", newline="\n")

    def _by_kind(self, table: Mapping[str, V], kind: str, what: str) -> V:
        for candidate in _fallbacks(kind):
            if candidate in table:
                return table[candidate]
        raise UserError(f"{self.source} has no {what} {kind!r} questions; it has {', '.join(table)}")


def load_pack(path: str | Path | None = None) -> PromptPack:
    """The prompt pack in a YAML file, or the default pack.

    Raises UserError, with the file and the place in it, for anything that a pack does not have.
    """
    if path is None:
        text = resources.files("recursivemas.prompts").joinpath("default.yaml").read_text(encoding="utf-8")
        return replace(_read_pack(text, "the default prompt pack"), origin="default")
    path = Path(path)
    if not path.is_file():
        raise UserError(f"prompt pack {str(path)!r} is no file; give a YAML file, or none for the default")
    return _read_pack(read_text(path, f"prompt pack {path}"), f"prompt pack {path}")


def check_slots(pack: PromptPack, style: Style, agents: Iterable[AgentSpec] | None = None) -> None:
    """Hold the prompts of each agent, or of those given, against the links that reach it.

    Raises UserError naming the prompt, the slot and the link when a link's slot is missing from a prompt, or
    a slot of a prompt is filled by no link.
    """
    for agent in style.agents if agents is None else agents:
        if agent.prompt not in pack.prompts:
            raise UserError(
                f"style {style.name}: {pack.source} has no prompts {agent.prompt!r} for {agent.role}; it has "
                f"{', '.join(sorted(pack.prompts))}. Add them to the pack, or to the style's own prompts"
            )
        for kind, variants in pack.prompts[agent.prompt].items():
            check_variant(style, agent, f"{kind}, first", variants["first"].slots, with_feedback=False)
            if style.reads_feedback(agent.role, 2):
                slots = variants.get("feedback", variants["first"]).slots
                check_variant(style, agent, f"{kind}, feedback", slots, with_feedback=True)


# ---------------------------------------------------------------------------------------------------------
# Looking up


def _variants_to_data(variants: Mapping[str, Template]) -> dict[str, str] | str:
    texts = {variant: template.source for variant, template in variants.items()}
    return texts if len(texts) > 1 else texts["first"]


def _fallbacks(kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((kind, *(("choice",) if kind == "gpqa" else ()), "any")))


def _most_specific(table: Mapping[str, V], prompt: str) -> V:
    family = prompt.partition("/")[0]
    return table[next(key for key in (prompt, family, "default") if key in table)]


# ---------------------------------------------------------------------------------------------------------
# Reading


def _read_pack(text: str, source: str) -> PromptPack:
    file = read_as(_PackFile, parse_yaml(text, source), source)
    return PromptPack(
        name=file.name,
        source=source,
        system_texts=file.system,
        tool_texts=asdict(file.tools) if file.tools else load_pack().tool_texts,
        retry_cues=file.retry_cues,
        choice_lines=file.choice_lines,
        prompts=_by_prompt(file.prompts),
    )


def _name(name: str) -> str:
    if not SLOT_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name; use letters, digits and underscores")
    return name


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(
            f"the kind {kind!r} is unknown{did_you_mean(kind, KINDS)}; known are {', '.join(KINDS)}"
        )
    return kind


def _template(text: Any) -> Template:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no text")
    return Template.parse(text)


def _with_first(variants: Any) -> Any:
    """A text alone is a prompt that does not depend on feedback."""
    if isinstance(variants, str):
        return {"first": variants}
    return _mapping("give a text, or a mapping with first and feedback")(variants)


def _mapping(advice: str) -> Callable[[Any], Any]:
    """A check that something is a mapping; else there is this advice."""

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{'nothing' if value is None else repr(value)[:40]} stands there; {advice}")
        return value

    return check


def _format(number: Any) -> Any:
    if type(number) is not int or number != FORMAT:
        raise ValueError(
            f"{number!r} is no format that this version reads; it reads format: {FORMAT}, which "
            "`recursivemas prompts import` writes and docs/prompts.md explains"
        )
    return number


def _with_default(entries: Mapping[str, V]) -> Mapping[str, V]:
    if "default" not in entries:
        raise ValueError("there is no entry 'default'; add it")
    return entries


def _for_all_kinds(cues: Mapping[str, str]) -> Mapping[str, str]:
    for kind in get_args(QuestionKind):
        if not set(_fallbacks(kind)) & set(cues):
            raise ValueError(f"there is no cue for {kind!r}; add one, or one for 'any'")
    return cues


def _not_empty(kinds: Mapping[str, V]) -> Mapping[str, V]:
    if not kinds:
        raise ValueError(f"there are no prompts; it takes the kinds {', '.join(KINDS)}")
    return kinds


_Name = Annotated[Text, AfterValidator(_name)]
_Kind = Annotated[Text, AfterValidator(_kind)]
_Prompt = Annotated[Template, PlainValidator(_template)]


@dataclass(frozen=True, kw_only=True)
class _Variants:
    """One prompt, as a text by itself or as two."""

    __pydantic_config__: ClassVar = NO_OTHERS

    first: _Prompt
    feedback: _Prompt | None = None


_Kinds = Annotated[
    Mapping[_Kind, Annotated[_Variants, BeforeValidator(_with_first)]],
    BeforeValidator(_mapping(f"give a mapping from kinds of questions ({', '.join(KINDS)}) to texts")),
    AfterValidator(_not_empty),
]
_Roles = Annotated[
    Mapping[_Name, _Kinds], BeforeValidator(_mapping("give a mapping from roles to their prompts by kind"))
]
_Families = Annotated[
    Mapping[_Name, _Roles],
    BeforeValidator(_mapping("give a mapping from families, such as sequential, to roles")),
]


@dataclass(frozen=True, kw_only=True)
class _ToolTexts:
    __pydantic_config__: ClassVar = NO_OTHERS

    before: Text
    python: Text
    search: Text
    after: Text


@dataclass(frozen=True, kw_only=True)
class _PackFile:
    """A pack's YAML file."""

    __pydantic_config__: ClassVar = NO_OTHERS

    format: Annotated[int, BeforeValidator(_format)]
    name: Text
    system: Annotated[Mapping[Text, Text], AfterValidator(_with_default)]
    retry_cues: Annotated[Mapping[_Kind, Text], AfterValidator(_for_all_kinds)]
    choice_lines: Annotated[Mapping[Text, ChoiceRule | None], AfterValidator(_with_default)]
    prompts: _Families
    tools: _ToolTexts | None = None


@dataclass(frozen=True, kw_only=True)
class _OwnPrompts:
    """The prompts that a style brings."""

    prompts: _Families


def _by_prompt(families: Mapping[str, Mapping[str, Mapping[str, _Variants]]]) -> dict[str, Kinds]:
    """The prompts by `family/role`."""
    return {
        f"{family}/{role}": {kind: _given(variants) for kind, variants in kinds.items()}
        for family, roles in families.items()
        for role, kinds in roles.items()
    }


def _given(variants: _Variants) -> dict[str, Template]:
    both = {"first": variants.first, "feedback": variants.feedback}
    return {variant: template for variant, template in both.items() if template is not None}
