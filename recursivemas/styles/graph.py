"""Styles: a multi-agent system as data.

A style is a small graph: agents in running order (the last one answers) and links between them. A link
carries a message within a round, from an earlier agent to a later one, or, as a feedback link, from one round
to the next. The five published styles are values in `PUBLISHED_STYLES`; `load_style` reads a user's own from
YAML. Everything here is checked when a style is built, before any model loads.

Source: docs/protocol.md, "Styles" and "Rounds"; the paper's Figure 2 (arXiv 2604.25917).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from recursivemas.errors import UserError, did_you_mean
from recursivemas.question import QuestionKind
from recursivemas.styles.text_quirks import TextQuirk
from recursivemas.values import NO_OTHERS, Flag, Text

HUB_ORGANISATION = "RecursiveMAS"
DEFAULT_INNER_VARIANT = "ln_res_adapter"
"""The inner link's variant where no adapter_config.json names one."""
SINGLE_PROMPT = "single/agent"
"""Where the prompts of an agent by itself stand in a prompt pack."""
TOOLS = ("python", "search")
"""What an agent may use while it writes; each has its tag, such as <python>."""
ROLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _refuse(value: Any) -> Any:
    raise ValueError("only the published styles have it; leave it out")


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """One agent of a style."""

    __pydantic_config__: ClassVar = NO_OTHERS

    role: Text
    """Its name within the style."""
    repo: Text
    """Its repository in the release: a bare name (in the release's organisation), `owner/name`, or a folder's
    path."""
    prompt: Text
    """Where its prompts stand in the prompt pack, as `family/role`."""
    tools: tuple[Text, ...] = ()
    """Those that it may use wherever it writes text (latent rounds write none)."""
    fresh_inner_link: Flag = False
    """Start from an untrained inner link instead of the repository's."""
    targets: tuple[Text, ...] = ()
    """Fields of a training row, of which the first that is filled holds the text that this agent learns from;
    without any it is the field named after its role, for the answering agent also `answer`."""
    learns_with_open_slots: Flag = False
    """Train its inner link on a prompt whose slots stand open, as the text that marks them, where others see
    other agents' texts."""
    release_feedback_kind: QuestionKind | None = None
    """The kind of question whose feedback prompt the release shows this agent on code questions by mistake
    (read only with release quirks on)."""
    release_text: Annotated[tuple[TextQuirk, ...], BeforeValidator(_refuse)] = ()
    """What the release does otherwise with this agent in mode text (only in the published styles, and read
    only with release quirks on)."""


@dataclass(frozen=True, kw_only=True)
class LinkSpec:
    """One outer link: its source's messages fill a slot of its target's prompt."""

    __pydantic_config__: ClassVar = NO_OTHERS

    source: Text
    """The role that the messages come from."""
    target: Text
    """The role that reads them."""
    slot: Text
    """The name of the slot in the target's prompt."""
    key: Text = ""
    """The link's name in its repository's manifest (`outer_12`)."""
    feedback: Flag = False
    """Deliver in the next round what the source thought in this one."""
    repo: Text | None = None
    """Overrides the style's `outer_repo`."""
    fresh: Flag = False
    """Start from an untrained link."""

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"


@dataclass(frozen=True, kw_only=True)
class Style:
    """A collaboration pattern. Raises UserError when the graph cannot run."""

    __pydantic_config__: ClassVar = NO_OTHERS

    name: Text
    agents: tuple[AgentSpec, ...]
    """In running order; the last one answers."""
    links: tuple[LinkSpec, ...]
    outer_repo: Text | None = None
    """The repository of the outer links, written as an agent's `repo`."""
    link_sets: tuple[Text, ...] = ()
    """The sets of trained links that the repositories hold (`math`, `code`); empty where there is only one.
    """
    prompts: Mapping[Text, Any] = field(default_factory=dict)
    """Adds to or overrides the prompt pack, as `{family: {role: ...}}`."""

    def __post_init__(self) -> None:
        _check_agents(self)
        _check_links(self)
        _check_order(self)
        _check_every_agent_is_read(self)

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(agent.role for agent in self.agents)

    @property
    def answering_role(self) -> str:
        return self.agents[-1].role

    @property
    def family(self) -> str:
        """The family of prompts that the answering agent reads: one for both sequential styles."""
        return self.agents[-1].prompt.partition("/")[0]

    def agent(self, role: str) -> AgentSpec:
        """The agent of that role; UserError with the known roles otherwise."""
        for agent in self.agents:
            if agent.role == role:
                return agent
        raise UserError(
            f"style {self.name} has no role {role!r}{did_you_mean(role, self.roles)}; its roles are "
            f"{', '.join(self.roles)}"
        )

    def target_fields(self, role: str) -> tuple[str, ...]:
        """The fields of a training row that may hold the text `role` learns from, the preferred one first."""
        own = (role, "answer") if role == self.answering_role else (role,)
        return self.agent(role).targets or own

    def inbound(self, role: str, *, with_feedback: bool) -> tuple[LinkSpec, ...]:
        """The links that fill slots of `role`'s prompt; feedback links only from the second round on."""
        return tuple(
            link for link in self.links if link.target == role and (with_feedback or not link.feedback)
        )

    def reads_feedback(self, role: str, round_number: int) -> bool:
        """Whether `role`'s prompt in that round (counted from 1) has a slot for feedback."""
        return round_number > 1 and any(link.feedback for link in self.inbound(role, with_feedback=True))

    def outbound(self, role: str, *, with_feedback: bool) -> tuple[LinkSpec, ...]:
        """The links that `role` sends over; feedback links not in the last round, where nobody would read."""
        return tuple(
            link for link in self.links if link.source == role and (with_feedback or not link.feedback)
        )

    def link_set(self, task: str) -> str | None:
        """The link set for a task, None where the style has only one."""
        if not self.link_sets:
            return None
        if task not in self.link_sets:
            raise UserError(f"style {self.name} has no link set {task!r}; it has {', '.join(self.link_sets)}")
        return task

    def schedule(self, num_rounds: int) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """The roles that have to run in each round, in stages, in order.

        Those of one stage read nothing from each other within the round, so they may run side by side. An
        agent runs in a round only if what it thinks there reaches the answer. In the published styles every
        agent runs in every round; a style without feedback links needs its last round alone.
        """
        if num_rounds < 1:
            raise UserError(f"num_recursive_rounds is {num_rounds}; it has to be 1 or more")
        order = {role: index for index, role in enumerate(self.roles)}
        needed: list[set[str]] = [set() for _ in range(num_rounds)]
        frontier = [(num_rounds - 1, self.answering_role)]
        while frontier:
            round_index, role = frontier.pop()
            if role in needed[round_index]:
                continue
            needed[round_index].add(role)
            for link in self.inbound(role, with_feedback=round_index > 0):
                frontier.append((round_index - link.feedback, link.source))
        return tuple(self._stages(sorted(roles, key=order.__getitem__)) for roles in needed)

    def turns(self, num_rounds: int) -> tuple[tuple[int, str], ...]:
        """(round, role) of every turn in that many rounds, in order; rounds count from 1."""
        rounds = enumerate(self.schedule(num_rounds), start=1)
        return tuple((number, role) for number, stages in rounds for stage in stages for role in stage)

    def _stages(self, roles: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Roles in running order, cut where one reads what another of its stage has sent in this round."""
        stages: list[list[str]] = []
        for role in roles:
            sources = {link.source for link in self.inbound(role, with_feedback=False)}
            if not stages or sources & set(stages[-1]):
                stages.append([])
            stages[-1].append(role)
        return tuple(map(tuple, stages))


def _check_agents(style: Style) -> None:
    if not style.agents:
        raise UserError(f"style {style.name} has no agents; list at least one, the answering agent last")
    for agent in style.agents:
        if not ROLE_NAME.fullmatch(agent.role):
            raise UserError(
                f"style {style.name}: role {agent.role!r} is not a name; use letters, digits and underscores"
            )
        for tool in agent.tools:
            if tool not in TOOLS or agent.tools.count(tool) > 1:
                raise UserError(
                    f"style {style.name}: {agent.role} has the tools {', '.join(agent.tools)}; it may have "
                    f"{' and '.join(TOOLS)}, each once"
                )
    repeated = sorted({role for role in style.roles if style.roles.count(role) > 1})
    if repeated:
        raise UserError(
            f"style {style.name}: role {repeated[0]!r} stands twice; every agent needs its own role"
        )


def _check_links(style: Style) -> None:
    edges: set[tuple[str, str]] = set()
    slots: set[tuple[str, str]] = set()
    for link in style.links:
        for end in (link.source, link.target):
            if end not in style.roles:
                raise UserError(
                    f"style {style.name}: link {link} names the role {end!r}, which is no agent of the "
                    f"style; its roles are {', '.join(style.roles)}"
                )
        if not ROLE_NAME.fullmatch(link.slot):
            raise UserError(
                f"style {style.name}: link {link} fills the slot {link.slot!r}, which is not a name; use "
                "letters, digits and underscores"
            )
        if (link.source, link.target) in edges:
            raise UserError(f"style {style.name}: link {link} stands twice")
        if (link.target, link.slot) in slots:
            raise UserError(
                f"style {style.name}: two links fill the slot {link.slot!r} of {link.target}; "
                "give each its own slot"
            )
        if not link.fresh and not (link.key and (link.repo or style.outer_repo)):
            raise UserError(
                f"style {style.name}: link {link} names no weights; give its key and a repo "
                "(or the style's outer_repo), or say fresh: true to start from an untrained link"
            )
        edges.add((link.source, link.target))
        slots.add((link.target, link.slot))


def _check_order(style: Style) -> None:
    """Within a round messages flow forward along the running order."""
    order = {role: index for index, role in enumerate(style.roles)}
    forward = [link for link in style.links if not link.feedback]
    cycle = _find_cycle(style.roles, forward)
    if cycle:
        raise UserError(
            f"style {style.name}: {' -> '.join(cycle)} is a cycle without feedback; mark the link that "
            "carries a message into the next round with feedback: true"
        )
    for link in forward:
        if order[link.source] >= order[link.target]:
            raise UserError(
                f"style {style.name}: link {link} runs against the order of agents "
                f"({', '.join(style.roles)}); list {link.source} before {link.target}, or mark the link with "
                "feedback: true"
            )


def _find_cycle(roles: Iterable[str], links: list[LinkSpec]) -> list[str] | None:
    """The roles along one cycle, first role repeated at the end; None if there is none."""
    done: set[str] = set()

    def walk(role: str, path: list[str]) -> list[str] | None:
        if role in path:
            return [*path[path.index(role) :], role]
        if role in done:
            return None
        for link in links:
            if link.source == role and (cycle := walk(link.target, [*path, role])):
                return cycle
        done.add(role)
        return None

    for role in roles:
        if cycle := walk(role, []):
            return cycle
    return None


def _check_every_agent_is_read(style: Style) -> None:
    read = {style.answering_role}
    while grown := {link.source for link in style.links if link.target in read} - read:
        read |= grown
    for role in style.roles:
        if role not in read:
            raise UserError(
                f"style {style.name}: missing link: none leads from {role} to the answering agent "
                f"{style.answering_role}, so what {role} thinks is never read; add a link or drop the agent"
            )


def alone(style: Style, role: str | None = None) -> Style:
    """One agent of a style with plain prompts and nobody to talk to; the answering agent by default.

    Raises UserError for a role that the style does not have.
    """
    agent = style.agent(role or style.answering_role)
    return replace(style, agents=(replace(agent, prompt=SINGLE_PROMPT),), links=(), prompts={})
