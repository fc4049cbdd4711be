"""What a system's `solve` is given, held against what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recursivemas.errors import UserError, did_you_mean
from recursivemas.options import iterate_options
from recursivemas.recursion.toolbox import writing_agents
from recursivemas.settings import SWEEP, SolveSettings, ToolSettings
from recursivemas.styles import TOOLS, Style
from recursivemas.tools import Toolbox


def check_toolbox(toolbox: object, style: Style, solving: SolveSettings, explicit: Mapping[str, Any]) -> None:
    """UserError for a toolbox that would not be used as it was meant."""
    if not isinstance(toolbox, Toolbox):
        raise UserError(f"toolbox is {toolbox!r}; give a recursivemas.tools.Toolbox, such as Toolbox([tool])")
    writing = writing_agents(style, solving.passes)
    roles = ", ".join(agent.role for agent in writing)
    for name in toolbox.names:
        if not any(name in agent.tools for agent in writing):
            raise UserError(
                f"the toolbox holds {name}, but of the agents that write ({roles}) none has it; agents may "
                f"have {' and '.join(TOOLS)}, in the `tools` of their entries in the style"
            )
    if unread := sorted(_names(ToolSettings) & set(explicit)):
        raise UserError(f"{unread[0]} is not read where a toolbox is given; set up its tools instead")


def _names(group: type[Any]) -> set[str]:
    return {option.name for option in iterate_options(group)}


def check_names(settings: Mapping[str, Any]) -> None:
    """UserError for a setting that solving does not read, and for one that stands for several runs."""
    known = _names(SolveSettings) | _names(ToolSettings)
    if unknown := sorted(set(settings) - known):
        raise UserError(
            f"solve() has no setting {unknown[0]!r}{did_you_mean(unknown[0], known)}; it has "
            f"{', '.join(sorted(known))}"
        )
    if settings.get("latent_length") == SWEEP:
        raise UserError(f"solve() takes one latent_length, not {SWEEP} for several; call it for each")
