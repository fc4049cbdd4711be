"""Values between the process of the tests and that of the solution: data, as JSON with tags.

What arrives is built here from JSON alone, so a solution cannot hand over an object that only claims to be
equal to the expected one. Functions stay where they are and can be called from the other side. What is
neither arrives as an `Opaque`, and a test that has to look into one cannot be carried over to two processes.
"""

from __future__ import annotations

import builtins
import json
from collections import deque
from decimal import Decimal
from fractions import Fraction
from itertools import islice

from . import scientific

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PLAIN: tuple[Any, ...] = (int, float, str, list)
MAX_ITEMS = 1_000_000
"""How much of an iterator, which may be endless, is handed over."""
LARGE_INT = 1 << 1024
SOLUTION_MODULES = ("solution", "__main__")


class UnreadableError(Exception):
    """What arrived is no message."""


class NotCarriedError(BaseException):
    """A test needs an object itself, which is in the other process. Tests do not catch it."""


class Opaque:
    """Stands for an object that cannot be handed over.

    One of a class of the solution's `own` equals nothing else: no test knows that class. One of a library's
    class could be what the test expects, and to compare it is refused. `truth` is what `bool` says of it.
    """

    __slots__ = ("own", "truth", "type_name")

    def __init__(self, type_name: str, own: bool = True, truth: bool = True) -> None:
        self.type_name = type_name
        self.own = own
        self.truth = truth

    def __repr__(self) -> str:
        return f"<{self.type_name}, which is no plain data>"

    def __bool__(self) -> bool:
        return self.truth

    def __eq__(self, other: object) -> bool:
        if not self.own and other is not None:
            raise self.refusal()
        return self is other

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.refusal()

    def refusal(self) -> NotCarriedError:
        return NotCarriedError(f"it needs the solution's {self.type_name} itself")


class Remote:
    """A function that is in the other process."""

    def __init__(self, call: Callable[..., Any], number: int, name: str) -> None:
        self._call = call
        self._number = number
        self.__name__ = name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._call(self._number, arguments, keywords)

    def __repr__(self) -> str:
        return f"<function {self.__name__} of the other side>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotCarriedError(f"it needs {self.__name__}.{name} of the other side")


class Codec:
    """One side's way of writing and reading values; it holds the functions that it has handed over.

    `call` runs a function of the other side: (its number, arguments, keywords) -> result. Without it,
    functions are opaque too. `strict` refuses what would be opaque, and `arrays` keeps numpy's kinds of
    numbers and arrays, which otherwise become plain ones.
    """

    def __init__(
        self, call: Callable[..., Any] | None = None, *, strict: bool = False, arrays: bool = False
    ) -> None:
        self._call = call
        self._strict = strict
        self._arrays = arrays
        self._functions: list[Any] = []
        self._numbers: dict[int, int] = {}
        self.remotes: dict[int, Remote] = {}
        self.opaque: Opaque | None = None
        """The last one that arrived; the caller resets it."""

    def encode(self, value: Any) -> Any:
        """The value as JSON knows it, tagged where that is not enough. Subclasses become their base."""
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            return value if -LARGE_INT < value < LARGE_INT else {"int": hex(value)}
        if kind is list:
            return [self.encode(item) for item in value]
        package = kind.__module__.partition(".")[0]
        if package == "numpy" and not self._arrays and hasattr(value, "tolist"):
            return self.encode(value.tolist())
        data = scientific.take_apart(package, value, self.encode)
        if data is not None:
            return {package: data}
        for name, (base, to_data, _) in TAGS.items():
            if isinstance(value, base):
                return {name: to_data(self, value)}
        for plain in PLAIN:
            if isinstance(value, plain):
                return self.encode(plain(value))
        if hasattr(kind, "__next__") or kind in VIEWS:
            return {"iterator": self.items(islice(value, MAX_ITEMS))}
        return self._encode_callable(value) if callable(value) else self._encode_object(value)

    def items(self, values: Any) -> list[Any]:
        return [self.encode(item) for item in values]

    def _encode_callable(self, value: Any) -> Any:
        if isinstance(value, Remote) and self.remotes.get(value._number) is value:
            return {"yours": value._number}
        name = str(getattr(value, "__name__", type(value).__name__))
        if isinstance(value, type) and getattr(builtins, name, None) is value:
            return {"type": name}
        if self._call is None:
            return self._encode_object(value)
        number = self._numbers.setdefault(id(value), len(self._functions))
        if number == len(self._functions):
            self._functions.append(value)
        return {"function": [number, name]}

    def _encode_object(self, value: Any) -> dict[str, Any]:
        kind = type(value)
        if self._strict:
            raise NotCarriedError(f"it hands over a {kind.__qualname__}")
        try:
            truth = bool(value)
        except Exception:
            truth = True
        return {"opaque": [kind.__qualname__, kind.__module__ in SOLUTION_MODULES, truth]}

    def decode(self, text: bytes) -> Any:
        """What `encode` and JSON made of a value or of a message; UnreadableError for anything else."""
        try:
            return json.loads(text, object_hook=self._build)
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            raise UnreadableError(f"{type(error).__name__}: {error}") from None

    def function(self, number: int) -> Any:
        """The function that was handed over under this number; LookupError where there is none."""
        if number < 0:
            raise IndexError(number)
        return self._functions[number]

    def _build(self, tagged: dict[str, Any]) -> Any:
        if len(tagged) != 1:
            raise ValueError("an object has to have one tag")
        ((name, data),) = tagged.items()
        if name not in BUILDERS:
            raise ValueError(f"there is no tag {name!r}")
        return BUILDERS[name](self, data)

    def build_opaque(self, data: Any) -> Opaque:
        type_name, own, truth = data
        self.opaque = Opaque(str(type_name), bool(own), bool(truth))
        return self.opaque

    def build_remote(self, data: Any) -> Remote:
        number, name = data
        if self._call is None or type(number) is not int:
            raise ValueError("no function can be called from here")
        return self.remotes.setdefault(number, Remote(self._call, number, str(name)))


def _build_type(name: Any) -> type:
    kind = getattr(builtins, name)
    if not isinstance(kind, type):
        raise ValueError(f"{name} is no type")
    return kind


def _without_codec(build: Callable[[Any], Any]) -> Callable[[Codec, Any], Any]:
    return lambda codec, data: build(data)


def _pairs(codec: Codec, value: dict[Any, Any]) -> list[Any]:
    return [codec.items(pair) for pair in value.items()]


TAGS: dict[str, tuple[Any, Callable[[Codec, Any], Any], Callable[[Any], Any]]] = {
    "tuple": (tuple, Codec.items, tuple),
    "dict": (dict, _pairs, dict),
    "set": (set, Codec.items, set),
    "frozenset": (frozenset, Codec.items, frozenset),
    "deque": (deque, Codec.items, deque),
    "bytes": (bytes, lambda _, value: bytes(value).hex(), bytes.fromhex),
    "bytearray": (bytearray, lambda _, value: bytes(value).hex(), bytearray.fromhex),
    "complex": (complex, lambda _, value: [value.real, value.imag], lambda data: complex(*data)),
    "range": (
        range,
        lambda codec, value: codec.items((value.start, value.stop, value.step)),
        lambda data: range(*data),
    ),
    "slice": (
        slice,
        lambda codec, value: codec.items((value.start, value.stop, value.step)),
        lambda data: slice(*data),
    ),
    "fraction": (
        Fraction,
        lambda codec, value: codec.items((value.numerator, value.denominator)),
        lambda data: Fraction(*data),
    ),
    "decimal": (Decimal, lambda _, value: str(value), Decimal),
}
"""For each tag: the type, how it is taken apart, and how it is built again."""
BUILDERS: dict[str, Callable[[Codec, Any], Any]] = {
    **{name: _without_codec(build) for name, (_, _, build) in TAGS.items()},
    **{name: _without_codec(build) for name, build in scientific.BUILDERS.items()},
    "int": lambda _, data: int(data, 16),
    "iterator": lambda _, data: iter(data),
    "type": lambda _, data: _build_type(data),
    "opaque": Codec.build_opaque,
    "function": Codec.build_remote,
    "yours": lambda codec, data: codec.function(data),
}
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
