"""What agents are taught: one turn at a time, and never where a question ends."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.tools.search.folder import FolderSearch
from recursivemas.tools.search.tool import SearchTool
from recursivemas.toy.board import ARROWS, COUNTS, HELD_OUT_SQUARES, SQUARES
from recursivemas.toy.lessons import TurnMaker, drill
from recursivemas.toy.rows import answer_rows, held_out_trips, text_rows, write_tolls

ROLES = [(style, role) for style in PUBLISHED_STYLES.values() for role in style.roles]
IDS = [f"{style.name}-{role}" for style, role in ROLES]
STEP = re.compile(r"From (\w\d), (\w+) done by (\w+) to (\w\d), (\w+) done\.")


def turns(style, role, count=300):
    random, maker = Random(0), TurnMaker(style, role)
    return [maker.random_turn(random) for _ in range(count)]


@pytest.mark.parametrize(("style", "role"), ROLES, ids=IDS)
def test_an_agent_goes_on_from_the_furthest_report_by_an_arrow_that_it_knows(style, role):
    for turn in turns(style, role):
        start, done, colour, end, now_done = STEP.match(turn.text).groups()
        reports = [STEP.match(text).groups()[3:] for text in turn.messages.values()]
        furthest = max((COUNTS.index(count) for _, count in reports), default=turn.trip.start.num_done)
        assert COUNTS.index(done) == furthest
        assert not reports or (start, done) in reports
        assert end == (start if colour == "none" else ARROWS[colour][start])
        assert COUNTS.index(now_done) == furthest + (colour != "none")
        assert colour == "none" or colour == turn.trip.path[furthest]


@pytest.mark.parametrize(("style", "role"), ROLES, ids=IDS)
def test_no_turn_is_about_a_held_out_question(style, role):
    made = turns(style, role)
    begun = [turn.trip.start.square for turn in made if turn.trip.start.num_done == 0]
    assert begun
    assert not HELD_OUT_SQUARES & set(begun)
    read = [turn for turn in made if turn.messages]
    # A square in a message has nothing to do with where the question began.
    on_the_way = [
        turn
        for turn in read
        if STEP.search(next(iter(turn.messages.values())))[4] == turn.trip.end != turn.trip.start.square
    ]
    assert len(on_the_way) < 0.05 * max(len(read), 1)


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_links_learn_from_no_held_out_question(style):
    held_out = {str(trip) for trip in held_out_trips(style)}
    starts = {question.removeprefix("You are on ").split(".")[0] for question in held_out}
    rows = [*text_rows(style, 1, 500), *answer_rows(style, 0, 3)]
    assert not {row["question"].removeprefix("You are on ").split(".")[0] for row in rows} & starts


def test_the_tool_caller_is_taught_what_the_tools_really_say(tmp_path: Path):
    write_tolls(tmp_path / "tolls")
    search = SearchTool(FolderSearch(tmp_path / "tolls"))
    style = PUBLISHED_STYLES["deliberation"]
    for turn in turns(style, "toolcaller", 30):
        asked, found, computed, printed, boxed = (passage.text for passage in turn.reply)
        square = re.search(r"<search> (\w\d) </search>$", asked)[1]
        assert found == f" <result> {search(square).text} </result>"
        toll, people = map(int, re.search(r"<python> print\((\d+) \* (\d+)\) </python>", computed).groups())
        assert printed == f" <result> {toll * people} </result>"
        assert boxed == f" \\boxed{{ {toll * people} }}"
        assert [passage.learned for passage in turn.reply] == [True, False, True, False, True]


def test_drills_go_through_the_tables():
    text = " ".join(drill(Random(seed), ("red", "green"), 8) for seed in range(400))
    steps = [match.groups() for match in STEP.finditer(text)]
    assert len(steps) == 3200
    assert all(ARROWS[colour][start] == end for start, _, colour, end, _ in steps)
    assert {(start, colour) for start, _, colour, *_ in steps} == {
        (square, colour) for square in SQUARES for colour in ("red", "green")
    }
