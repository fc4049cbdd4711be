"""What passes between the solution's process and the tests', and what hostile bytes become."""

import json
import math
import os
import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.grading.harness import wire

Pair = namedtuple("Pair", "a b")


class Level(IntEnum):
    HIGH = 3


def there_and_back(value):
    return wire.decode(json.dumps(wire.encode(value)).encode())


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
hashable = st.recursive(
    scalars | st.fractions() | st.complex_numbers(allow_nan=False), st.tuples, max_leaves=5
)
values = st.recursive(
    hashable | st.frozensets(hashable),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(hashable, inner) | st.sets(hashable)
    ),
    max_leaves=20,
)


@given(values)
def test_plain_data_arrives_as_it_was(value):
    arrived = there_and_back(value)
    assert arrived == value
    assert repr(arrived) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)


LARGE = 1 << 20_000
UNUSUAL = [LARGE, -LARGE, 2**1024, range(1, 9, 2), deque([1]), Decimal("1.50"), float("-inf"), "\ud800"]


@pytest.mark.parametrize("value", UNUSUAL, ids=lambda value: type(value).__name__)
def test_less_usual_plain_data(value):
    arrived = there_and_back(value)
    assert (type(arrived), arrived) == (type(value), value)


def test_not_a_number_stays_one():
    assert math.isnan(there_and_back(float("nan")))


@pytest.mark.parametrize(
    ("value", "arrived"),
    [
        (Level.HIGH, 3),
        (Pair(1, 2), (1, 2)),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([[1, 2]]), [[1, 2]]),
    ],
)
def test_of_subclasses_and_arrays_the_plain_value_arrives(value, arrived):
    result = there_and_back(value)
    assert (type(result), result) == (type(arrived), arrived)


def test_iterators_arrive_as_iterators_even_endless_ones(monkeypatch):
    monkeypatch.setattr(wire, "MAX_ITEMS", 3)
    endless = there_and_back(iter(int, 1))
    assert endless != [0, 0, 0]
    assert list(endless) == [0, 0, 0]
    assert sorted(there_and_back({2: 1, 1: 2}.keys())) == [1, 2]
    assert list(there_and_back(map(str, [1]))) == ["1"]


def test_objects_arrive_as_something_that_equals_nothing():
    class Everything:
        def __eq__(self, other):
            return True

        __hash__ = None

    arrived = there_and_back([Everything()])[0]
    assert arrived != 1
    assert arrived != there_and_back(Everything())
    assert bool(arrived)
    assert "Everything" in repr(arrived)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b'{"unknown": 1}',
        b'{"__class__": 1}',
        b"{}",
        b'{"tuple": [1], "set": []}',
        b'{"set": [[1]]}',
        b'{"dict": [[1]]}',
        b'{"dict": [[[], 1]]}',
        b'{"int": "zz"}',
        b'{"int": 5}',
        b'{"fraction": [1, 0]}',
        b'{"fraction": ["a", "b"]}',
        b'{"decimal": "x"}',
        b'{"complex": [1, 2, 3]}',
        b'{"range": "x"}',
        b'{"iterator": 5}',
        b'{"bytes": "0"}',
        b"[" * 100_000,
        b"9" * 100_000,
    ],
)
def test_what_is_no_message_is_unreadable(text):
    with pytest.raises(wire.UnreadableError):
        wire.decode(text)


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def test_messages_one_after_the_other(pipe):
    wire.send(pipe[1], ["first", (1, 2)])
    wire.send(pipe[1], None)
    assert wire.receive(pipe[0]) == ["first", (1, 2)]
    assert wire.receive(pipe[0]) is None


def test_a_closed_end(pipe):
    os.write(pipe[1], b"\x05")
    os.close(pipe[1])
    with pytest.raises(wire.ClosedError):
        wire.receive(pipe[0])


def test_nobody_reads(pipe):
    os.close(pipe[0])
    with pytest.raises(wire.ClosedError):
        wire.send(pipe[1], 1)


def test_deadlines(pipe):
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.receive(pipe[0], start + 0.05)
    os.set_blocking(pipe[1], False)
    with pytest.raises(TimeoutError):
        wire.send(pipe[1], "x" * 10**6, start + 0.1)
    assert 0.1 <= time.monotonic() - start < 5


def test_a_message_that_claims_to_be_huge(pipe):
    os.write(pipe[1], (1 << 60).to_bytes(8, "little"))
    with pytest.raises(wire.UnreadableError, match="are accepted"):
        wire.receive(pipe[0])
