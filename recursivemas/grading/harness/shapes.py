"""Comparisons of numpy that hold for any shapes: nothing is close to everything, one number to a list of it.

So `numpy.allclose([], 3.14)` is true. A test that compares what a solution returns means something else.
"""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def guard(*, broadcast: bool, testing: bool) -> None:
    """Let numpy's comparisons fail in this process for two values of different shapes.

    With `broadcast` only where one of them is empty and the other is not: a hand-written test may mean to
    compare a list with one number. Those of numpy.testing too, which takes long to import, where it is used.
    """
    try:
        import numpy
    except ImportError:
        return  # the tests will say so

    def fits(values: tuple[Any, ...]) -> bool:
        try:
            shapes = [numpy.shape(value) for value in values]
        except ValueError:
            return True  # of no shape at all: that is for numpy to refuse
        if broadcast:
            return len({0 in shape for shape in shapes}) == 1
        return shapes[0] == shapes[1]

    def guarded(compare: Callable[..., Any], refuse: Callable[[], Any]) -> Callable[..., Any]:
        @functools.wraps(compare)
        def compare_same_shape(*arguments: Any, **keywords: Any) -> Any:
            if not fits((*arguments, *keywords.values())[:2]):
                return refuse()
            return compare(*arguments, **keywords)

        return compare_same_shape

    def fail() -> None:
        raise AssertionError("the shapes differ")

    numpy.allclose = guarded(numpy.allclose, lambda: False)
    numpy.isclose = guarded(numpy.isclose, lambda: numpy.False_)
    if not testing:
        return
    import numpy.testing

    for name in ("assert_allclose", "assert_almost_equal", "assert_array_almost_equal"):
        setattr(numpy.testing, name, guarded(getattr(numpy.testing, name), fail))
