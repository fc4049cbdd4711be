"""Prompt packs: every text that an agent is shown, as data.

A pack is a YAML file. Its prompts stand under family, role, task kind and round: `first` for a prompt without
feedback, `feedback` for one that reads the answering agent's feedback of the round before. A question's kind
is looked up as it is; `gpqa` falls back to `choice`, and every kind to `any`. System texts and choice rules
stand under `family/role`, `family` or `default`, and the most specific one holds. What an agent is told about
its tools stands under `tools`, in the default pack where a pack has none.

`default.yaml` beside this file is a complete example; `template` says how prompts mark their places.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml

from recursivemas.errors import UserError
from recursivemas.prompts.choice import ChoiceRule, read_choice_rule
from recursivemas.prompts.markers import fill_slots
from recursivemas.prompts.source import Pieces, PromptRequest, check_variant
from recursivemas.prompts.template import SLOT_NAME, Template
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.styles import TOOLS, AgentSpec, Style

FORMAT = 1
REQUIRED = ("format", "name", "system", "retry_cues", "choice_lines", "prompts")
FIELDS = (*REQUIRED, "tools")
TOOL_TEXTS = ("before", *TOOLS, "after")
KINDS: tuple[str, ...] = (*get_args(TaskKind), "any")
VARIANTS = ("first", "feedback")

Kinds = Mapping[str, Mapping[str, Template]]
"""Task kind -> variant -> template."""

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

    def check(self, style: Style, *, task: str, mode: str) -> None:
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

    def template(self, prompt: str, kind: TaskKind, *, feedback: bool = False) -> Template:
        """The prompt of `family/role` for a task kind.

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

    def system(self, prompt: str, tools: Sequence[str] = ()) -> str:
        """The system text for `family/role`, empty for none; the default one also explains these tools."""
        text = _most_specific(self.system_texts, prompt)
        if not tools or {prompt, prompt.partition("/")[0]} & set(self.system_texts):
            return text
        return "\n\n".join([text, *(self.tool_texts[name] for name in ("before", *tools, "after"))]).strip()

    def retry_cue(self, kind: TaskKind) -> str:
        """What is appended to a text in which no answer of this kind can be found."""
        return self._by_kind(self.retry_cues, kind, "retry cue for")

    def answer_kind(self, question: Question, prompt: str) -> TaskKind:
        return self.kind_of(question, prompt)

    def kind_of(self, question: Question, prompt: str = "") -> TaskKind:
        """The task kind whose prompt this question gets from `family/role`.

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

    def with_prompts(self, prompts: Mapping[str, Any], source: str = "the style's prompts") -> PromptPack:
        """This pack with a style's own prompts, as `{family: {role: {kind: text or {first:, feedback:}}}}`.

        A kind given here replaces the pack's entry for that role, and the kinds that fall back to it: `any`
        replaces all of the role's prompts, `choice` also its `gpqa`.
        """
        if not prompts:
            return self
        merged = dict(self.prompts)
        for prompt, kinds in _read_prompts(prompts, source).items():
            kept = {
                kind: variants
                for kind, variants in merged.get(prompt, {}).items()
                if not set(_fallbacks(kind)) & set(kinds)
            }
            merged[prompt] = {**kept, **kinds}
        return replace(self, prompts=merged, source=f"{self.source} with {source}")

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
        text = yaml.dump(
            self.to_data(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")
        )
        Path(path).write_text(text, encoding="utf-8", newline="\n")

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
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"prompt pack {path} is not UTF-8 text: {error}; is it a YAML file?") from error
    return _read_pack(text, f"prompt pack {path}")


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
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{source} is not valid YAML: {error}") from error
    data = _mapping(data, source)
    _check_keys(data, FIELDS, source, required=REQUIRED)
    if data["format"] != FORMAT:
        raise UserError(f"{source}: format is {data['format']!r}; this version reads format {FORMAT}")
    return PromptPack(
        name=_text(data["name"], f"{source}: name"),
        source=source,
        system_texts=_read_texts(data["system"], f"{source}: system", required=("default",)),
        tool_texts=_read_tool_texts(data["tools"], f"{source}: tools")
        if "tools" in data
        else load_pack().tool_texts,
        retry_cues=_read_cues(data["retry_cues"], f"{source}: retry_cues"),
        choice_lines=_read_choice_lines(data["choice_lines"], f"{source}: choice_lines"),
        prompts=_read_prompts(data["prompts"], f"{source}: prompts"),
    )


def _read_texts(data: Any, where: str, required: Iterable[str] = ()) -> dict[str, str]:
    data = _mapping(data, where)
    _check_keys(data, data, where, required=required)
    return {key: _text(value, f"{where}.{key}") for key, value in data.items()}


def _read_tool_texts(data: Any, where: str) -> dict[str, str]:
    texts = _read_texts(data, where, required=TOOL_TEXTS)
    _check_keys(texts, TOOL_TEXTS, where)
    return texts


def _read_cues(data: Any, where: str) -> dict[str, str]:
    cues = _read_texts(data, where)
    _check_keys(cues, KINDS, where)
    for kind in get_args(TaskKind):
        if not set(_fallbacks(kind)) & set(cues):
            raise UserError(f"{where} has no cue for {kind!r}; add one, or one for 'any'")
    return cues


def _read_choice_lines(data: Any, where: str) -> dict[str, ChoiceRule | None]:
    data = _mapping(data, where)
    _check_keys(data, data, where, required=("default",))
    return {
        key: None if row is None else read_choice_rule(row, f"{where}.{key}") for key, row in data.items()
    }


def _read_prompts(data: Any, where: str) -> dict[str, Kinds]:
    prompts: dict[str, Kinds] = {}
    for family, roles in _mapping(data, where).items():
        _check_name(family, where)
        for role, kinds in _mapping(roles, f"{where}.{family}").items():
            _check_name(role, f"{where}.{family}")
            place = f"{where}.{family}.{role}"
            kinds = _mapping(kinds, place)
            _check_keys(kinds, KINDS, place)
            if not kinds:
                raise UserError(f"{place} has no prompts; it takes the kinds {', '.join(KINDS)}")
            prompts[f"{family}/{role}"] = {
                kind: _read_variants(entry, f"{place}.{kind}") for kind, entry in kinds.items()
            }
    return prompts


def _read_variants(data: Any, where: str) -> dict[str, Template]:
    texts = {"first": data} if isinstance(data, str) else _mapping(data, where)
    _check_keys(texts, VARIANTS, where, required=("first",))
    return {variant: _parse(texts[variant], f"{where}.{variant}") for variant in VARIANTS if variant in texts}


def _parse(value: Any, where: str) -> Template:
    text = _text(value, where)
    try:
        return Template.parse(text)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{where} has to be a mapping, not {_short(value)}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{where} has to be a text, not {_short(value)}")
    return value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not SLOT_NAME.fullmatch(name):
        raise UserError(f"{where}: {name!r} is not a name; use letters, digits and underscores")


def _check_keys(
    data: Mapping[str, Any], known: Iterable[str], where: str, required: Iterable[str] = ()
) -> None:
    for key in data:
        if not isinstance(key, str) or key not in known:
            raise UserError(f"{where} has the unknown entry {key!r}; known are {', '.join(map(str, known))}")
    for key in required:
        if key not in data:
            raise UserError(f"{where} lacks the entry {key!r}")


# ---------------------------------------------------------------------------------------------------------
# YAML


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: plain YAML would keep the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.append(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as block scalars, also where a line ends in spaces or holds a tab."""

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        analysis.allow_block = _is_printable(scalar)
        return analysis


def _is_printable(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    block = "\n" in text.strip("\n") and _is_printable(text)
    style = "|" if block else None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
