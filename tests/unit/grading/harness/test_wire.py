"""What passes between the solution's process and the tests', and what hostile bytes become."""

import datetime
import json
import math
import os
import time
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.grading.harness import allowance as allowance_module
from recursivemas.grading.harness import values as wire_values
from recursivemas.grading.harness import wire
from recursivemas.grading.harness.allowance import Allowance, cpu_seconds
from recursivemas.grading.harness.values import Codec, NotCarriedError, UnreadableError

Pair = namedtuple("Pair", "a b")


class Level(IntEnum):
    HIGH = 3


def there_and_back(value, arrays=False):
    return Codec().decode(json.dumps(Codec(arrays=arrays).encode(value)).encode())


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
    monkeypatch.setattr(wire_values, "MAX_ITEMS", 3)
    endless = there_and_back(iter(int, 1))
    assert endless != [0, 0, 0]
    assert list(endless) == [0, 0, 0]
    assert sorted(there_and_back({2: 1, 1: 2}.keys())) == [1, 2]
    assert list(there_and_back(map(str, [1]))) == ["1"]


def test_objects_of_the_solution_s_own_classes_equal_nothing():
    class Everything:
        def __eq__(self, other):
            return True

        __hash__ = None
        __module__ = "solution"

    arrived = there_and_back([Everything()])[0]
    assert arrived != 1
    assert arrived != there_and_back(Everything())
    assert bool(arrived)
    assert "Everything" in repr(arrived)
    with pytest.raises(NotCarriedError, match="Everything itself"):
        arrived.value()


def test_objects_of_libraries_are_not_compared():
    arrived = there_and_back(uuid.UUID(int=1))
    assert arrived is not None
    assert arrived != None  # noqa: E711 - so do tests
    for compare in (lambda: arrived == uuid.UUID(int=1), lambda: arrived != 3, lambda: arrived in [3]):
        with pytest.raises(NotCarriedError):
            compare()


def test_what_cannot_be_handed_over_is_refused_where_that_is_asked_for():
    with pytest.raises(NotCarriedError, match="hands over a UUID"):
        Codec(strict=True).encode([uuid.UUID(int=1)])


@pytest.mark.parametrize(
    "value",
    [
        datetime.date(2020, 2, 29),
        datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2020, 1, 2, fold=1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3.5))),
        datetime.time(1, 2, 3, 4),
        datetime.timedelta(-1, 2, 3),
        datetime.UTC,
        sympy.Rational(-1, 3),
        sympy.Integer(2**2000),
        sympy.Float("0.1", 50),
        sympy.Float("-1e1000"),
        sympy.Symbol("x") ** 2 + sympy.pi * sympy.sqrt(2) - sympy.I / 3,
        sympy.oo,
        np.int8(-3),
        np.float32(0.1),
        np.complex64(1 + 2j),
        np.bool_(True),
        np.str_("é"),
    ],
    ids=repr,
)
def test_dates_and_numbers_of_libraries(value):
    arrived = there_and_back(value, arrays=True)
    assert (type(arrived), arrived, repr(arrived)) == (type(value), value, repr(value))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(1, 2, 3),
        np.zeros((0, 3)),
        np.array(5),
        np.array(["a", "bcd"]),
        np.array([[1], "x", None], dtype=object),
        np.array([1.5, np.inf], dtype=np.float16),
        np.array([1 / 3], dtype=np.longdouble).astype(np.float64),
    ],
    ids=repr,
)
def test_arrays(array):
    arrived = there_and_back(array, arrays=True)
    assert (type(arrived), arrived.dtype, arrived.shape) == (np.ndarray, array.dtype, array.shape)
    assert arrived.tolist() == array.tolist()


def test_functions_are_called_on_their_side():
    here, there = Codec(lambda number, given, _: there.function(number)(*given)), Codec(lambda *_: None)

    def double(x):
        return 2 * x

    arrived = here.decode(json.dumps(there.encode([double, double, len])).encode())
    assert arrived[0] is arrived[1]
    assert (arrived[0](4), arrived[2]("abc")) == (8, 3)
    assert arrived[0].__name__ == "double"
    assert there.decode(json.dumps(here.encode(arrived[0])).encode()) is double
    with pytest.raises(NotCarriedError):
        arrived[0].attribute()


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
        b'{"type": "len"}',
        b'{"type": 3}',
        b'{"function": [0, "f"]}',
        b'{"yours": 0}',
        b'{"yours": -1}',
        b'{"opaque": 3}',
        b'{"datetime": ["date", "x", 0]}',
        b'{"datetime": ["sys", "x", 0]}',
        b'{"numpy": ["V8", [1], [1]]}',
        b'{"numpy": ["<i8", [2], [1]]}',
        b'{"numpy": ["<i8", null, []]}',
        b'{"sympy": ["Lambda", "x", "x"]}',
        b'{"sympy": ["Symbol", 3]}',
        b'{"sympy": ["Rational", "1+1", 1]}',
        b'{"sympy": ["Float", ["1", 1, 1, 1], 53]}',
        b'{"sympy": ["Add", "1"]}',
        b'{"sympy": []}',
        b"[" * 100_000,
        b"9" * 100_000,
    ],
)
def test_what_is_no_message_is_unreadable(text):
    with pytest.raises(UnreadableError):
        Codec().decode(text)


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
    wire.send(pipe[1], Codec(), ["first", (1, 2)])
    wire.send(pipe[1], Codec(), None)
    assert wire.receive(pipe[0], Codec()) == ["first", (1, 2)]
    assert wire.receive(pipe[0], Codec()) is None


def test_a_closed_end(pipe):
    os.write(pipe[1], b"\x05")
    os.close(pipe[1])
    with pytest.raises(wire.ClosedError):
        wire.receive(pipe[0], Codec())


def test_nobody_reads(pipe):
    os.close(pipe[0])
    with pytest.raises(wire.ClosedError):
        wire.send(pipe[1], Codec(), 1)


def test_allowances(pipe):
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not done after 0\.06 s by the clock"):
        wire.receive(pipe[0], Codec(), Allowance(os.getpid(), 0.01))
    os.set_blocking(pipe[1], False)
    with pytest.raises(TimeoutError):
        wire.send(pipe[1], Codec(), "x" * 10**6, Allowance(os.getpid(), 0.02))
    assert 0.1 <= time.monotonic() - start < 5


def test_an_allowance_is_of_processor_time(monkeypatch):
    monkeypatch.setattr(allowance_module, "WALL_FACTOR", 1000)  # this machine may be busy
    start = cpu_seconds(os.getpid())
    allowance = Allowance(os.getpid(), 0.2)
    time.sleep(0.4)
    assert not allowance.is_used_up()
    while not allowance.is_used_up():
        pass
    assert 0.2 <= cpu_seconds(os.getpid()) - start < 0.6
    assert str(allowance) == "more than 0.2 s of processor time"


def test_a_message_that_claims_to_be_huge(pipe):
    os.write(pipe[1], (1 << 60).to_bytes(8, "little"))
    with pytest.raises(UnreadableError, match="are accepted"):
        wire.receive(pipe[0], Codec())
