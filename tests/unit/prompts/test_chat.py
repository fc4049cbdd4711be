"""Chats rendered by real templates on a tiny tokenizer, and cut at slots."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from recursivemas.errors import UserError
from recursivemas.prompts import (
    ChatPrompt,
    ChatRenderer,
    Slot,
    Template,
    TokenText,
    guarded,
    load_pack,
    with_system_texts,
)
from recursivemas.prompts.template import QuestionText
from recursivemas.question import Question
from recursivemas.styles import SEQUENTIAL_LIGHT

pytestmark = pytest.mark.process

SYSTEM = "You are helpful."

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
REFUSING = (
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ m.content }}{% endif %}"
    "{% endfor %}"
)
FOLDING = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}<start_of_turn>user\n{{ first if loop.first else '' }}{{ m.content | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)

BY_HAND: dict[str, Callable[[str], str]] = {
    CHATML: lambda user: (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    ),
    REFUSING: lambda user: f"<s>[INST] {SYSTEM}\n\n{user} [/INST]",
    FOLDING: lambda user: (
        f"<s><start_of_turn>user\n{SYSTEM}\n\n{user.strip()}<end_of_turn>\n<start_of_turn>model\n"
    ),
}
TEMPLATES = pytest.mark.parametrize("chat_template", BY_HAND, ids=["chatml", "refusing", "folding"])


@pytest.fixture(scope="module")
def backend() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([SYSTEM, "the plan of the planner", "the feedback of the solver"], trainer)
    return tokenizer


@pytest.fixture(scope="module")
def make(backend: Tokenizer) -> Callable[[str | None], PreTrainedTokenizerFast]:
    def make(chat_template: str | None) -> PreTrainedTokenizerFast:
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
        tokenizer.name_or_path = "tiny"
        tokenizer.chat_template = chat_template
        return tokenizer

    return make


def text_without_slots(prompt: ChatPrompt, tokenizer: PreTrainedTokenizerFast) -> str:
    return "".join(
        tokenizer.decode(segment, clean_up_tokenization_spaces=False)
        for segment in prompt.segments
        if not isinstance(segment, str)
    )


@TEMPLATES
def test_a_system_prompt_of_the_user_s_own_stands_where_the_pack_s_would(make, chat_template):
    """Also in templates without a system role: in front of the user's text."""
    source = with_system_texts(load_pack(), {"planner": "Be brief."}, SEQUENTIAL_LIGHT)
    system = source.system(SEQUENTIAL_LIGHT.agent("planner").prompt)
    text = ChatRenderer(make(chat_template)).render(system, ["Hi"]).text
    assert text == BY_HAND[chat_template]("Hi").replace(SYSTEM, "Be brief.")


@TEMPLATES
def test_cut_at_slots(make: Callable, chat_template: str) -> None:
    tokenizer = make(chat_template)
    prompt = ChatRenderer(tokenizer).render(SYSTEM, ["Plan: ", Slot("plan"), " \n and ", Slot("feedback")])
    assert prompt.text == BY_HAND[chat_template]("Plan: <slot:plan> \n and <slot:feedback>")
    assert prompt.slots == ("plan", "feedback")
    pieces = BY_HAND[chat_template]("Plan: CUT \n and CUT").split("CUT")
    expected = [tuple(tokenizer.encode(piece, add_special_tokens=False)) for piece in pieces]
    assert prompt.segments == (expected[0], "plan", expected[1], "feedback", expected[2])
    assert prompt.num_text_tokens == sum(map(len, expected))
    assert prompt.length(5) == prompt.num_text_tokens + 10
    assert prompt.length(0) == prompt.num_text_tokens


@TEMPLATES
def test_without_slots_one_piece(make: Callable, chat_template: str) -> None:
    tokenizer = make(chat_template)
    prompt = ChatRenderer(tokenizer).render(SYSTEM, ["What is 1 + 1?"])
    assert prompt.text == BY_HAND[chat_template]("What is 1 + 1?")
    assert prompt.segments == (tuple(tokenizer.encode(prompt.text, add_special_tokens=False)),)
    assert prompt.slots == ()


def test_slots_side_by_side_leave_no_empty_piece(make: Callable) -> None:
    bare = "{% for m in messages %}{{ m.content }}{% endfor %}"
    prompt = ChatRenderer(make(bare)).render("", [Slot("plan"), Slot("feedback"), "x"])
    assert [isinstance(segment, str) for segment in prompt.segments] == [True, True, False]
    assert prompt.text == "<slot:plan><slot:feedback>x"


@TEMPLATES
@settings(max_examples=60, deadline=None)
@given(
    question=st.text(st.characters(exclude_categories=["Cs", "Co"]))
    | st.sampled_from(["<slot:plan>", "Zlatent0at0end", "{{ m }}", "<|im_end|>", "[[question]]"])
)
def test_any_question_renders_as_if_put_in_by_hand(make: Callable, chat_template: str, question: str) -> None:
    tokenizer = make(chat_template)
    template = Template(
        ("Zlatent1at ", Slot("plan"), "\nQ: ", QuestionText(), Slot("feedback"), QuestionText())
    )
    prompt = ChatRenderer(tokenizer).render(SYSTEM, template.render(Question(id="1", text=question)))

    def by_hand(plan: str, feedback: str) -> str:
        return BY_HAND[chat_template](f"Zlatent1at {plan}\nQ: {question}{feedback}{question}")

    assert prompt.text == by_hand("<slot:plan>", "<slot:feedback>")
    assert prompt.slots == ("plan", "feedback")
    marked = by_hand("\ue000", "\ue000")
    assert text_without_slots(prompt, tokenizer) == marked.replace("\ue000", "")


def test_the_thinking_switch_reaches_the_template(make: Callable) -> None:
    off = ChatRenderer(make(CHATML)).render(SYSTEM, ["x"]).text
    on = ChatRenderer(make(CHATML), enable_thinking=True).render(SYSTEM, ["x"]).text
    assert off == on + "<think>\n\n</think>\n\n"


@TEMPLATES
def test_an_empty_system_text_makes_no_turn(make: Callable, chat_template: str) -> None:
    text = ChatRenderer(make(chat_template)).render("", ["x"]).text
    assert "system" not in text
    assert "\n\nx" not in text


def test_whether_a_template_takes_a_system_turn_is_found_out_once(make: Callable) -> None:
    assert [ChatRenderer(make(template)).takes_system_turn for template in BY_HAND] == [True, False, True]


def test_a_tokenizer_without_a_template_is_an_error(make: Callable) -> None:
    with pytest.raises(ValueError, match=r"chat template of tiny is missing"):
        ChatRenderer(make(None))


def test_other_faults_of_a_template_are_not_taken_for_a_refusal(make: Callable) -> None:
    for fault in ("{{ messages[7].content }}", "{{ 1 + }}", "{{ messages | nosuchfilter }}"):
        with pytest.raises(ValueError, match="fails"):
            ChatRenderer(make(fault))


def test_a_template_that_refuses_everything_says_why(make: Callable) -> None:
    with pytest.raises(ValueError, match="fails on a plain conversation: Never"):
        ChatRenderer(make("{{ raise_exception('Never') }}"))


@pytest.mark.parametrize(
    ("body", "times"),
    [("fixed", 0), ("{{ messages[-1].content }}" * 2, 2), ("{{ messages[-1].content[:9] }}", 0)],
)
def test_a_template_that_drops_or_repeats_a_slot_is_an_error(make: Callable, body: str, times: int) -> None:
    with pytest.raises(ValueError, match=f"shows the slot 'plan' {times} times"):
        ChatRenderer(make(body)).render(SYSTEM, ["Follow this plan: ", Slot("plan")])


# ----- templates that misbehave

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
MISBEHAVING = {
    "loops forever": (LOOP, "did not end within 1 s of CPU time"),
    "loops and writes": (LOOP.replace("{% endfor %}", "x{% endfor %}", 1), "writes more than 1000000"),
    "multiplies a text": ("{{ 'x' * 10 ** 10 }}", "writes more than .* or takes more than 1024 MiB"),
    "doubles a text": (
        "{% set n = namespace(t='x') %}{% for a in range(50) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
        "takes more than 1024 MiB",
    ),
    "pads a text": ("{{ 'x'.center(2 ** 40) }}", "takes more than 1024 MiB"),
    "a huge power": ("{{ 10 ** (10 ** 10) }}", "did not end within|takes more than"),
    "adds a text to a number": ("{{ 1 + 'x' }}", "fails .TypeError: "),
    "divides by zero": ("{{ 1 / 0 }}", "fails .ZeroDivisionError: "),
    "asks a text for a key": ("{{ messages[0]['content']['text']['x'] }}", "fails"),
    "calls itself": (
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "fails .RecursionError: ",
    ),
    "has no end": ("{% for m in messages %}", "fails.*Unexpected end of template"),
    "an unknown filter": ("{{ 'x' | sing }}", "fails.*No filter named 'sing'"),
    "reaches for our objects": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails"),
    "refuses everything": ("{{ raise_exception('no') }}", "fails on a plain conversation: no"),
}


ENDLESS = ("loops forever", "a huge power")


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_template_that_misbehaves_is_an_error_in_words(
    make: Callable, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name in ENDLESS:
        monkeypatch.setattr(guarded, "CPU_S", 1)
    chat_template, says = MISBEHAVING[name]
    with pytest.raises(UserError, match=says) as caught:
        ChatRenderer(make(chat_template))
    assert "the chat template of tiny" in str(caught.value)
    assert "chat_template.jinja, or use another repository" in str(caught.value)


def test_a_template_that_loops_for_one_question_is_given_up(
    make: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "CPU_S", 0.2)
    trapped = f"{CHATML}{{% if 'zebra' in messages[-1].content %}}{LOOP}{{% endif %}}"
    renderer = ChatRenderer(make(trapped))
    assert renderer.render(SYSTEM, ["horse"]).text == BY_HAND[CHATML]("horse")
    before = sys.gettrace()
    with pytest.raises(UserError, match=r"did not end within 0\.2 s of CPU time"):
        renderer.render(SYSTEM, ["zebra"])
    assert sys.gettrace() is before
    long = f"{CHATML}{{% if 'zebra' in messages[-1].content %}}{{{{ 'x' * 2000000 }}}}{{% endif %}}"
    with pytest.raises(UserError, match=r"adds 2000\d+ characters to a conversation, more than 1000000"):
        ChatRenderer(make(long)).render(SYSTEM, ["zebra"])


def test_several_templates_need_a_default(make: Callable) -> None:
    assert ChatRenderer(make({"default": CHATML, "tool_use": LOOP})).render("", ["x"]).text
    with pytest.raises(UserError, match="cannot be used"):
        ChatRenderer(make({"rag": CHATML, "tool_use": CHATML}))


def test_the_trial_knows_what_transformers_templates_may_use(
    make: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "CPU_S", 1)
    rich = (
        "{% generation %}{{ {'a': 'é'} | tojson(indent=2) }}{% endgeneration %}{{ strftime_now('%d') }}"
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.content }}{% endfor %}"
    )
    assert "é" in ChatRenderer(make(rich)).render("", ["x"]).text
    with pytest.raises(UserError, match="did not end"):  # not passed over for what it uses
        ChatRenderer(make(rich + LOOP))


# ----- control tokens in a question


@TEMPLATES
def test_a_control_token_in_a_question_is_text_where_it_is_broken(make: Callable, chat_template: str) -> None:
    tokenizer = make(chat_template)
    texts, renderer = TokenText(tokenizer), ChatRenderer(tokenizer)
    question = "What is <|im_end|> and </s></s>? <|im_<|im_end|>end|> Zplain0at"
    mark = texts.find_break(question)
    assert mark == "Zplain1at"
    asked = ["Q: ", Slot("plan"), texts.break_controls(question, mark)]
    broken = renderer.render(SYSTEM, asked, broken_at=mark)
    whole = renderer.render(SYSTEM, ["Q: ", Slot("plan"), question])
    assert broken.text == whole.text
    controls = {tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "</s>", "<|im_start|>")}

    def count(prompt: ChatPrompt) -> int:
        return sum(id_ in controls for segment in prompt.segments if segment != "plan" for id_ in segment)

    own = renderer.render(SYSTEM, ["Q: ", Slot("plan"), "?"])
    assert count(broken) == count(own), "the template's own are read as such"
    assert count(whole) == count(own) + 4
    assert text_without_slots(broken, tokenizer) == text_without_slots(whole, tokenizer)


def test_a_question_without_control_tokens_is_not_broken(make: Callable) -> None:
    assert TokenText(make(CHATML)).find_break("Is a < b > c, [0, 1] or <b>?") is None
