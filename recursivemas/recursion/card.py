"""A system as a notebook shows it: its graph over some rounds, and what its agents are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recursivemas.agents.agent import Agent
from recursivemas.links import OuterLink
from recursivemas.output.html import render
from recursivemas.release.names import label_model
from recursivemas.styles import Style
from recursivemas.styles.drawing import draw

HEADER = ("agent", "model", "hidden size", "inner link", "precision", "device")


def system_html(
    style: Style,
    about: Sequence[str],
    agents: Mapping[str, Agent],
    outer_links: Mapping[tuple[str, str], OuterLink],
    num_rounds: int,
    release: str,
) -> str:
    """The system as HTML. Agents that are gone have no row; links say which sizes they go between.

    `about` are what the heading says beside the style's name, `release` where models come from.
    """
    repos = {agent.role: agent.repo for agent in style.agents}
    graph = draw(style, num_rounds)
    sizes = {
        f"{source}->{target}": f"{link.source_size} → {link.target_size}"
        for (source, target), link in outer_links.items()
    }
    return render(
        "system",
        title=style.name,
        about="".join(f", {one}" for one in about)
        + f": {num_rounds} {'round' if num_rounds == 1 else 'rounds'}"
        + ("" if agents else ", closed"),
        graph=graph,
        figures={
            edge.message: sizes[link]
            for edge in graph.edges
            if (link := edge.message.partition("/")[2]) in sizes
        },
        does={node.turn: "thinks" for node in graph.nodes} | {graph.answer.turn: "writes"},
        header=HEADER,
        rows=[
            (
                role,
                label_model(agent.model_name, agent.repo_id, repos.get(role), release),
                agent.hidden_size,
                agent.inner_link.variant,
                str(agent.engine.dtype).removeprefix("torch."),
                agent.device,
            )
            for role, agent in agents.items()
        ],
    )
