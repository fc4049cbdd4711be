"""What a refusal of vLLM's is turned into."""

from __future__ import annotations

import pytest

from recursivemas.engine.vllm.start import _first_words

VALIDATION = """1 validation error for ModelConfig
  Value error, Model architectures ['Qwen3_5ForCausalLM'] failed to be inspected. [type=value_error, input={}]
    For further information visit a page"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VALIDATION, "Value error, Model architectures ['Qwen3_5ForCausalLM'] failed to be inspected"),
        ("\nNo room for the cache.\nMore of it", "No room for the cache"),
        ("1 validation error", "1 validation error"),
        ("", "RuntimeError"),
    ],
)
def test_the_first_words_say_what_is_wrong(error, words):
    assert _first_words(RuntimeError(error)) == words
