"""HTML from templates: what a notebook shows of our objects, and the drawing that the page of a run shares.

Everything that is put into a template is escaped. What is shown in a notebook brings no colours, fonts or
scripts of its own, so that it fits light and dark ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recursivemas.output.screen import harmless

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")


def environment(*folders: Path, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """What reads templates from these folders, then from ours; `finalize` sees each value that is put in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """One of our templates with these values in it."""
    return environment(finalize=_harmless).get_template(f"{template}.html.jinja").render(values)


def _harmless(value: Any) -> Any:
    """Text without what would turn the direction of writing, or cannot be written; HTML of ours as it is."""
    return harmless(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
