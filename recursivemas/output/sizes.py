"""Numbers of bytes as they are to be read."""

from __future__ import annotations

from collections.abc import Sequence

UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def format_size(num_bytes: int | None) -> str:
    """To three digits, in the largest unit of which there is one; None is `not known`."""
    return format_sizes([num_bytes])[0]


def format_sizes(sizes: Sequence[int | None]) -> list[str]:
    """The same for sizes that stand beside each other: all in the unit of the largest."""
    largest = max((size for size in sizes if size is not None), default=0)
    name, unit = next((one for one in UNITS if largest >= one[1]), UNITS[-1])
    return ["not known" if size is None else f"{size / unit:.3g} {name}" for size in sizes]
