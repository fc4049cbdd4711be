"""The toy release's tokenizers and chat templates are their families'."""

from __future__ import annotations

import jinja2
import pytest

from recursivemas.styles import PUBLISHED_STYLES, Style
from tests.support.toy_agents import ROLE_IDS, ROLES, TEXTS, render, system, user


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_the_tokenizer(load, style: Style, role: str, text: str):
    tokenizer = load(style, role).tokenizer
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert (ids[0] == tokenizer.bos_token_id) == (tokenizer.bos_token is not None)


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_template_markers_are_single_tokens(load, style: Style, role: str):
    tokenizer = load(style, role).tokenizer
    markers = {"<|im_start|>", "<|im_end|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "<think>"}
    markers |= {"<｜User｜>", "<｜Assistant｜>", "<s>", "<bos>", "<|begin_of_text|>", "<|start_header_id|>"}
    text = render(tokenizer, [user("Hello")], enable_thinking=False)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode(text, add_special_tokens=False))
    present = {marker for marker in markers if marker in text}
    assert present
    assert present <= set(pieces)


SYSTEM_AND_USER = [system("Be brief."), user(" 1+1? ")]


@pytest.mark.parametrize(
    ("style", "role", "options", "expected"),
    [
        (
            "sequential_light",
            "planner",
            {"enable_thinking": False},
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n 1+1? <|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        (
            "sequential_light",
            "planner",
            {},
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n 1+1? <|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        (
            "sequential_light",
            "critic",
            {},
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n"
            "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            "sequential_light",
            "solver",
            {},
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n 1+1? <|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        (
            "sequential_scaled",
            "planner",
            {},
            "<bos><start_of_turn>user\nBe brief.\n\n1+1?<end_of_turn>\n<start_of_turn>model\n",
        ),
        (
            "sequential_scaled",
            "solver",
            {"enable_thinking": False},
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        (
            "distillation",
            "learner",
            {},
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n",
        ),
        (
            "mixture",
            "math",
            {"enable_thinking": False},
            "<｜begin▁of▁sentence｜>Be brief.<｜User｜> 1+1? <｜Assistant｜><think>\n",
        ),
    ],
)
def test_chats_are_rendered_as_the_family_does(load, style, role, options, expected):
    tokenizer = load(PUBLISHED_STYLES[style], role).tokenizer
    assert render(tokenizer, SYSTEM_AND_USER, **options) == expected


def test_qwen2_adds_a_system_text_where_none_is_given(load):
    tokenizer = load(PUBLISHED_STYLES["mixture"], "code").tokenizer
    text = render(tokenizer, [user("Hi")])
    assert text.startswith("<|im_start|>system\nYou are a helpful assistant")
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_mistral_refuses_the_system_role(load):
    tokenizer = load(PUBLISHED_STYLES["mixture"], "science").tokenizer
    assert render(tokenizer, [user("Hi")]) == "<s>[INST] Hi [/INST]"
    with pytest.raises(jinja2.exceptions.TemplateError, match="Conversation roles must alternate"):
        render(tokenizer, SYSTEM_AND_USER)


def test_answers_in_the_history_lose_their_thinking(load):
    turns = [user("a"), {"role": "assistant", "content": "<think>\nhm\n</think>\n\n2"}, user("b")]
    for style, role in (("sequential_light", "planner"), ("deliberation", "toolcaller"), ("mixture", "math")):
        text = render(load(PUBLISHED_STYLES[style], role).tokenizer, turns, add_generation_prompt=False)
        assert "hm" not in text
        assert "2" in text
