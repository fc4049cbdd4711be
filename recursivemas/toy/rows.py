"""The trained toy's rows: what links learn from, and the questions that are held out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from recursivemas.styles import PUBLISHED_STYLES, Style
from recursivemas.toy.board import HELD_OUT_SQUARES, PATHS, SQUARES, Report, Trip
from recursivemas.toy.lessons import (
    PEOPLE,
    TRAINED_SQUARES,
    asks_tolls,
    known_colours,
    random_start,
    say,
    toll_page,
)

NUM_ROUNDS = 3
"""What every question can be answered in."""
NUM_TEXT_ROWS = 1000
TEXT_SEED = 1


def play(style: Style, trip: Trip, num_rounds: int) -> list[dict[str, str]]:
    """What each agent says in each round, by role, if everybody does what it was taught."""
    rounds: list[dict[str, str]] = []
    reports: dict[str, Report] = {}
    for number in range(num_rounds):
        said = {}
        for role in style.roles:
            links = style.inbound(role, with_feedback=number > 0)
            read = [reports[link.source] for link in links] or [trip.start]
            step = trip.step(max(read, key=lambda report: report.num_done), known_colours(style, role))
            reports[role] = step.end
            said[role] = "".join(passage.text for passage in say(trip, step, role == style.answering_role))
        rounds.append(said)
    return rounds


def ask(style: Style, trip: Trip, random: Random) -> Trip:
    """The question as the style's agents are asked it: an answering agent with tools tells tolls."""
    return Trip(trip.start, trip.path, random.choice(PEOPLE)) if asks_tolls(style) else trip


def text_rows(style: Style, seed: int, count: int) -> Iterator[dict[str, str]]:
    """Rows whose texts follow from one another, for inner links and least-squares starts.

    Their questions begin anywhere on the way, so that every agent has something to say of each arrow.
    """
    random = Random(seed)
    for number in range(count):
        path = random.choice(PATHS)
        trip = ask(style, Trip(random_start(random, path), path), random)
        yield _row(style, trip, f"text-{number}", play(style, trip, 1)[0])


def answer_rows(style: Style, seed: int, num_rounds: int) -> list[dict[str, str]]:
    """All questions from the squares that are not held out, in random order, with their answers."""
    random = Random(seed)
    rows = []
    for square in TRAINED_SQUARES:
        for path in PATHS:
            trip = ask(style, Trip(Report(square, 0), path), random)
            rows.append(_row(style, trip, f"{square}-{'-'.join(path)}", play(style, trip, num_rounds)[-1]))
    random.shuffle(rows)
    return rows


def held_out_trips(style: Style) -> list[Trip]:
    """The questions from the squares that nothing has been trained on."""
    random = Random(0)
    return [
        ask(style, Trip(Report(square, 0), path), random)
        for square in sorted(HELD_OUT_SQUARES)
        for path in PATHS
    ]


def _row(style: Style, trip: Trip, row_id: str, said: dict[str, str]) -> dict[str, str]:
    texts = {style.target_fields(role)[0]: text for role, text in said.items()}
    return {"id": row_id, "question": str(trip), "gold": trip.answer, **texts}


def write_held_out(path: Path) -> None:
    """The held-out questions of all styles as a file for `--dataset`: a row says which styles it is for."""
    groups: dict[tuple[Trip, ...], list[str]] = {}
    for style in PUBLISHED_STYLES.values():
        groups.setdefault(tuple(held_out_trips(style)), []).append(style.name)
    lines = []
    for trips, styles in groups.items():
        for trip in trips:
            place = "-".join((trip.start.square, *trip.path, *(["toll"] if trip.num_people else [])))
            row = {
                "id": place,
                "question": str(trip),
                "answer": trip.answer,
                "kind": "phrase",
                "styles": styles,
            }
            lines.append(json.dumps(row) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def write_tolls(folder: Path) -> None:
    """The folder that the tool caller searches: a file a square."""
    folder.mkdir(exist_ok=True)
    for square in SQUARES:
        (folder / f"{square}.txt").write_text(toll_page(square) + "\n", encoding="utf-8")


def write_training_rows(folder: Path, style: Style) -> None:
    """`texts.jsonl` for inner links and least squares, `answers.jsonl` for training through the recursion."""
    for name, rows in (
        ("texts.jsonl", text_rows(style, TEXT_SEED, NUM_TEXT_ROWS)),
        ("answers.jsonl", answer_rows(style, 0, NUM_ROUNDS)),
    ):
        lines = (json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), encoding="utf-8")
