"""The task: nobody can guess an answer, nobody can go a whole way, and rounds decide how far a team gets."""

from __future__ import annotations

from collections import Counter

import pytest

from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.toy.board import ARROWS, COLOURS, HELD_OUT_SQUARES, PATHS, SQUARES, Report, Step, Trip
from recursivemas.toy.rows import held_out_trips, play


@pytest.mark.parametrize("colour", COLOURS)
def test_arrows_lead_from_every_square_to_every_square_and_never_stay(colour):
    assert sorted(ARROWS[colour].values()) == sorted(SQUARES)
    assert all(start != end for start, end in ARROWS[colour].items())


def test_a_way_is_what_its_arrows_say():
    trip = Trip(Report("D4", 0), ("red", "blue", "red"))
    assert trip.end == ARROWS["red"][ARROWS["blue"][ARROWS["red"]["D4"]]]
    assert Trip(Report("D4", 1), ("red", "blue")).end == ARROWS["blue"]["D4"]
    assert str(trip) == (
        "You are on D4, zero done. The arrows are after zero red, after one blue, after two red. "
        "Where do they end?"
    )


def test_an_agent_takes_the_next_arrow_if_it_knows_it():
    trip = Trip(Report("D4", 0), ("red", "blue"))
    there = ARROWS["red"]["D4"]
    assert trip.step(trip.start, {"red"}) == Step(trip.start, "red", Report(there, 1))
    assert trip.step(trip.start, {"blue"}) == Step(trip.start, "none", trip.start)
    assert trip.step(Report(there, 2), {"red", "blue"}).colour == "none"  # all are done
    assert str(trip.step(trip.start, {"red"})) == f"From D4, zero done by red to {there}, one done."


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_three_rounds_answer_everything_and_one_round_little(style):
    trips = held_out_trips(style)
    assert len(trips) == len(HELD_OUT_SQUARES) * len(PATHS) == 510

    def share_answered(num_rounds: int) -> float:
        said = (play(style, trip, num_rounds)[-1][style.answering_role] for trip in trips)
        return sum(f"{{ {trip.answer} }}" in text for trip, text in zip(trips, said, strict=True)) / len(
            trips
        )

    assert share_answered(3) == 1.0
    assert share_answered(1) < 0.2
    assert share_answered(1) < share_answered(2) < 1.0


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_no_answer_is_common(style):
    answers = Counter(trip.answer for trip in held_out_trips(style))
    assert answers.most_common(1)[0][1] / 510 < 0.04
