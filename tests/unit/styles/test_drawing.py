"""The drawing of a run: what ran and what passed, each in a place of its own."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.runs.read import style_of
from recursivemas.styles import PUBLISHED_STYLES, alone, load_style
from recursivemas.styles.drawing import NODE_HEIGHT, NODE_WIDTH, draw

TWO_CRITICS = Path(__file__).parents[3] / "docs" / "two_critics.yaml"
STYLES = {**PUBLISHED_STYLES, "own": load_style(str(TWO_CRITICS))}
PILL = (42, 20)
CASES = [(name, rounds) for name in STYLES for rounds in (1, 3)]


@pytest.mark.parametrize(("name", "rounds"), CASES)
def test_every_turn_and_message_that_is_read_is_drawn(name, rounds):
    style = STYLES[name]
    graph = draw(style_of({"style": asdict(style)}), rounds)
    turns = {f"r{number}/{role}" for number, role in style.turns(rounds)}
    assert {node.turn for node in graph.nodes} == turns
    assert {edge.message for edge in graph.edges} == {
        f"r{number}/{link}"
        for number in range(1, rounds + 1)
        for link in style.links
        if f"r{number}/{link.source}" in turns and f"r{number + link.feedback}/{link.target}" in turns
    }
    assert graph.answer.turn == f"r{rounds}/{style.answering_role}"


@pytest.mark.parametrize(("name", "rounds"), CASES)
def test_nothing_covers_anything(name, rounds):
    graph = draw(STYLES[name], rounds)
    boxes = [(node.x, node.y, NODE_WIDTH, NODE_HEIGHT) for node in graph.nodes]
    boxes += [(edge.x - PILL[0] // 2, edge.y - PILL[1] // 2, *PILL) for edge in (*graph.edges, graph.answer)]
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1
    down = {node.middle for node in graph.nodes}  # where links into the next round come
    across = [edge.x for edge in graph.edges if "read in round" not in edge.title]
    assert all(abs(x - other) > PILL[0] // 2 for x in across for other in down)
    assert all(x >= 0 and y >= 0 and x + w <= graph.width and y + h <= graph.height for x, y, w, h in boxes)


def test_an_agent_alone_is_a_graph_too():
    graph = draw(alone(PUBLISHED_STYLES["mixture"]), 1)
    assert (len(graph.nodes), graph.edges) == (1, ())


def test_rounds_without_turns_take_no_room():
    """Those before the last, where nothing is passed on from one to the next."""
    light = PUBLISHED_STYLES["sequential_light"]
    forward = replace(light, links=tuple(link for link in light.links if not link.feedback))
    (one, three) = draw(forward, 1), draw(forward, 3)
    assert three.height == one.height
    assert [number for number, _ in three.rounds] == [3]


def test_an_edited_record_is_told():
    record = asdict(PUBLISHED_STYLES["sequential_light"])
    record["links"] = record["links"][1:]
    with pytest.raises(UserError, match="missing link"):
        style_of({"style": record})
