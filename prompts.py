"""Doorway: prompt packs."""

from recursivemas.prompts import ChatPrompt, ChatRenderer, PromptPack, import_prompts, load_pack

__all__ = ["ChatPrompt", "ChatRenderer", "PromptPack", "import_prompts", "load_pack"]
