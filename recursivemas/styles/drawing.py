"""A style's graph as the paper draws it: agents in columns, rounds in rows, links between, the answer last.

Lengths are in units of the drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

from recursivemas.styles.graph import LinkSpec, Style

GUTTER, MARGIN = 34, 8
NODE_WIDTH, NODE_HEIGHT = 112, 42
COLUMN, BAND = 176, 62
"""From column to column; and what is left below a row for the links into the next round."""
ARC = 22
"""How much higher a link rises for each column that it goes on."""
ANSWER_DROP = 44
LABEL_HEIGHT = 20


@dataclass(frozen=True, kw_only=True)
class Node:
    """An agent's turn; `x` and `y` are its upper left corner."""

    turn: str
    """`r{round}/{role}`."""
    role: str
    x: int
    y: int

    @property
    def middle(self) -> int:
        return self.x + NODE_WIDTH // 2


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A message; `path` and its arrow's `head` are SVG paths, (`x`, `y`) is the place for its label."""

    message: str
    """`r{round}/{source}->{target}`."""
    turn: str
    """The source's."""
    title: str
    path: str
    head: str
    x: int
    y: int
    is_across: bool = False
    """Whether it goes on within a row, with room above its label; else beside it."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A drawing. `rounds` are (number, y of the row's middle)."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    rounds: tuple[tuple[int, int], ...]
    answer: Edge
    """From the answering agent's last turn to the answer."""
    width: int
    height: int
    node_width: int = NODE_WIDTH
    node_height: int = NODE_HEIGHT


def draw(style: Style, num_rounds: int) -> Graph:
    """The turns that so many rounds take, and the messages between them."""
    columns = {role: GUTTER + COLUMN * index for index, role in enumerate(style.roles)}
    rises = [_rise(_span(style, link)) for link in style.links if not link.feedback]
    head = max(rises, default=0)
    pitch = NODE_HEIGHT + BAND + head
    turns = style.turns(num_rounds)
    # Without a way back, all rounds but the last are nobody's to read: there are no turns in them.
    tops = {
        number: MARGIN + head + pitch * row for row, number in enumerate(dict.fromkeys(n for n, _ in turns))
    }
    nodes = {
        (number, role): Node(turn=f"r{number}/{role}", role=role, x=columns[role], y=tops[number])
        for number, role in turns
    }
    edges = []
    for link in style.links:
        for number, role in turns:
            end = nodes.get((number + link.feedback, link.target))
            if role == link.source and end is not None:
                edges.append(_edge(link, number, nodes[number, role], end, _span(style, link)))
    last = nodes[turns[-1]]
    rows = sorted({(number, nodes[number, role].y + NODE_HEIGHT // 2) for number, role in turns})
    bottom = last.y + NODE_HEIGHT
    return Graph(
        nodes=tuple(nodes.values()),
        edges=tuple(edges),
        rounds=tuple(rows),
        answer=Edge(
            message="answer",
            turn=last.turn,
            title=f"the {last.role}'s answer",
            path=f"M{last.middle} {bottom}V{bottom + ANSWER_DROP - 20}",
            head=_downward(last.middle, bottom + ANSWER_DROP - 14),
            x=last.middle,
            y=bottom + ANSWER_DROP,
        ),
        width=GUTTER + COLUMN * (len(columns) - 1) + NODE_WIDTH + MARGIN,
        height=bottom + ANSWER_DROP + 14 + MARGIN,
    )


def _span(style: Style, link: LinkSpec) -> int:
    """How many columns a link goes to the right."""
    return style.roles.index(link.target) - style.roles.index(link.source)


def _edge(link: LinkSpec, number: int, start: Node, end: Node, span: int) -> Edge:
    if link.feedback:
        path, x, y = _down(start, end)
        head = _downward(end.middle, end.y)
    elif span == 1:
        path, x, y = _across(start, end)
        head = f"M{end.x} {y}l-7 -4v8z"
    else:
        path, x, y = _over(start, end, span)
        head = _downward(end.middle - NODE_WIDTH // 4, end.y)
    arrives = f", read in round {number + 1}" if link.feedback else ""
    return Edge(
        message=f"r{number}/{link}",
        turn=start.turn,
        title=f"round {number}: {link.source} to {link.target}{arrives}",
        path=path,
        head=head,
        x=x,
        y=y,
        is_across=not link.feedback,
    )


def _across(start: Node, end: Node) -> tuple[str, int, int]:
    y = start.y + NODE_HEIGHT // 2
    return f"M{start.x + NODE_WIDTH} {y}H{end.x - 6}", (start.x + NODE_WIDTH + end.x) // 2 - 3, y


def _over(start: Node, end: Node, span: int) -> tuple[str, int, int]:
    """Above the agents between them, its label above none of them."""
    left, right, top, lift = start.middle + NODE_WIDTH // 4, end.middle - NODE_WIDTH // 4, start.y, ARC * span
    path = f"M{left} {top}C{left} {top - lift} {right} {top - lift} {right} {top - 6}"
    on = 0.5 if span % 2 else 0.27
    return path, round(left + (3 * on**2 - 2 * on**3) * (right - left)), round(top - 3 * on * (1 - on) * lift)


def _rise(span: int) -> int:
    """How much room there has to be above a row for a link that goes on so many columns."""
    return 0 if span == 1 else ARC * span * 3 // 4 + LABEL_HEIGHT // 2


def _down(start: Node, end: Node) -> tuple[str, int, int]:
    """Into the next round: over to the target's column in the band below the row, then down."""
    top, label = start.y + NODE_HEIGHT, start.y + NODE_HEIGHT + BAND // 2 + 8
    path = (
        f"M{start.middle} {top}C{start.middle} {top + BAND // 2} {end.middle} {top} {end.middle} {label}"
        f"V{end.y - 6}"
    )
    return path, end.middle, label


def _downward(x: int, y: int) -> str:
    """An arrow's head with its tip there."""
    return f"M{x} {y}l-4 -7h8z"
