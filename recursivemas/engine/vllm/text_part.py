"""The text part of a multimodal model, as a model of its own: to write text, vLLM needs no vision tower."""

from __future__ import annotations

from transformers import PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

TEXT_PART = "recursivemas_text_part"
"""The name of the loader (`recursivemas.engine.vllm.worker`) that reads it, and has it think."""
PREFIXES = {
    "model.language_model.": "model.",
    "language_model.model.": "model.",
    "language_model.lm_head.": "lm_head.",
    "lm_head.": "lm_head.",
}
"""How names of text weights begin in the files, and by themselves."""


def text_config(whole: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration of a model's text part: what vLLM is told in place of the whole one."""
    text = whole.get_text_config()
    if text is not whole:
        text.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[text.model_type]]
        text.tie_word_embeddings = whole.tie_word_embeddings
    return text


def text_name(name: str) -> str | None:
    """A weight's name within the text part, None for one of another part."""
    for prefix, own in PREFIXES.items():
        if name.startswith(prefix):
            return own + name.removeprefix(prefix)
    return None
