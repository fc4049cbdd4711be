"""From what `prompts` names to the source of a run's prompts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.files.toy_release import PROMPTS, brought_by
from recursivemas.prompts.fetch import fetch_published
from recursivemas.prompts.pack import PromptPack, load_pack
from recursivemas.prompts.prompt_file import PUBLISHED_PROMPTS, PromptFile, read_prompt_file
from recursivemas.prompts.published import PublishedPrompts
from recursivemas.prompts.source import PromptSource
from recursivemas.styles import SINGLE_PROMPT

logger = logging.getLogger(__name__)

PROMPT_NAMES = ("auto", "published", "default", "release")


def load_prompts(
    prompts: str | Path, *, release: str | Path, style_prompts: Mapping[str, Any] | None = None
) -> PromptSource:
    """The source that `prompts` names: one of PROMPT_NAMES, a pack, a prompts.py, a checkout.

    `release` is the pack that a release folder brings with it, as `toy` does. `auto` stands for `published`
    with the release `hub`, whose checkpoints know these words, for `release` where there is such a pack, and
    for `default` elsewhere. `style_prompts` are a style's own, which come before the others. Raises
    UserError for what is none of these, and PromptsError where the published prompts cannot be had or do not
    load.
    """
    name = name_prompts(prompts, release)
    if name == "published":
        return _builders(fetch_published(), style_prompts or {})
    if name == "default":
        if str(release) == "hub":
            logger.warning(
                "the published checkpoints were trained with other prompts than the default ones: accuracy "
                "will differ from the published; --prompts published has theirs"
            )
        return load_pack().with_prompts(style_prompts or {})
    if name == "release":
        return load_pack(_of_release(release)).with_prompts(style_prompts or {})
    path = Path(prompts)
    if not path.exists():
        raise UserError(
            f"prompts {name!r} is no file; give {', '.join(PROMPT_NAMES)}, a prompt pack (YAML), a published "
            "prompts.py, or the folder of a checkout that has one"
        )
    if path.is_dir() or path.suffix.lower() == ".py":
        return _builders(read_prompt_file(path), style_prompts or {})
    return load_pack(path).with_prompts(style_prompts or {})


def name_prompts(prompts: str | Path, release: str | Path) -> str:
    """What `prompts` names, `auto` resolved."""
    name = str(prompts)
    if name == "auto":
        if str(release) == "hub":
            return "published"
        return "release" if brought_by(release, PROMPTS) else "default"
    return name


def _of_release(release: str | Path) -> Path:
    pack = brought_by(release, PROMPTS)
    if pack is None:
        raise UserError(
            f"the release {str(release)!r} brings no {PROMPTS}; give --prompts default, or another pack"
        )
    return pack


def _builders(file: PromptFile, style_prompts: Mapping[str, Any]) -> PublishedPrompts:
    if file.origin != "published":
        logger.warning(
            "%s is not the published prompts.py (sha256 %s, the published one's is %s)",
            file.place,
            file.sha256[:12],
            PUBLISHED_PROMPTS.sha256[:12],
        )
    return PublishedPrompts(file, beside_builders(style_prompts))


def beside_builders(style_prompts: Mapping[str, Any]) -> PromptPack:
    """What no builder writes: the prompt of an agent by itself, and a style's own prompts."""
    default = load_pack()
    alone = replace(
        default, prompts={SINGLE_PROMPT: default.prompts[SINGLE_PROMPT]}, source="what stands beside them"
    )
    return alone.with_prompts(style_prompts)
