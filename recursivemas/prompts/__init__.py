"""Prompts: packs of templates as data, the builders of a published prompts.py, and chat rendering."""

from recursivemas.prompts.chat import ChatPrompt, ChatRenderer
from recursivemas.prompts.choice import ChoiceRule, load_choice_rule
from recursivemas.prompts.choose import PROMPT_NAMES, load_prompts, name_prompts
from recursivemas.prompts.importer import ImportedPrompts, check_output, import_prompts, read_published
from recursivemas.prompts.pack import PromptPack, check_slots, load_pack
from recursivemas.prompts.published import PublishedPrompts
from recursivemas.prompts.source import Pieces, PromptRequest, PromptsError, PromptSource
from recursivemas.prompts.system_texts import read_system_texts, with_system_texts
from recursivemas.prompts.template import Slot, Template
from recursivemas.prompts.token_text import TokenText

__all__ = [
    "PROMPT_NAMES",
    "ChatPrompt",
    "ChatRenderer",
    "ChoiceRule",
    "ImportedPrompts",
    "Pieces",
    "PromptPack",
    "PromptRequest",
    "PromptSource",
    "PromptsError",
    "PublishedPrompts",
    "Slot",
    "Template",
    "TokenText",
    "check_output",
    "check_slots",
    "import_prompts",
    "load_choice_rule",
    "load_pack",
    "load_prompts",
    "name_prompts",
    "read_published",
    "read_system_texts",
    "with_system_texts",
]
