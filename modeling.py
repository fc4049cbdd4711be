"""Doorway: the RecursiveLinks."""

from recursivemas.links import (
    INNER_VARIANTS,
    OUTER_VARIANTS,
    InnerLink,
    OuterLink,
    load_inner_link,
    load_outer_link,
    save_link,
)

__all__ = [
    "INNER_VARIANTS",
    "OUTER_VARIANTS",
    "InnerLink",
    "OuterLink",
    "load_inner_link",
    "load_outer_link",
    "save_link",
]
