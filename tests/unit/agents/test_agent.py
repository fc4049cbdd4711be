"""An agent's texts: from letters to token ids and back."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from recursivemas.agents.agent import Agent
from recursivemas.styles import PUBLISHED_STYLES

STYLES = PUBLISHED_STYLES.values()


@pytest.fixture(scope="module", params=sorted({spec.repo for style in STYLES for spec in style.agents}))
def tokenizer(request, toy_release):
    return AutoTokenizer.from_pretrained(toy_release / "RecursiveMAS" / request.param)


def agent_with(tokenizer) -> Agent:
    return Agent(role="any", engine=None, tokenizer=tokenizer, inner_link=None, repo_id="any")


def test_a_text_from_elsewhere_holds_no_special_tokens(tokenizer):
    agent = agent_with(tokenizer)
    text = f" <result> {tokenizer.eos_token} a > b </think> c {tokenizer.eos_token}</result>"
    ids = agent.plain_ids(text)
    added = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.content.endswith(">")}
    assert not added & set(ids)
    before = agent.token_ids("It is so.")
    assert agent.text(ids, after=before) == text
    assert agent.text([*before, *ids]) == f"It is so.{text}"
    assert tokenizer.eos_token_id in agent.token_ids(text), "in a prompt it is the token that it names"
    assert agent.plain_ids("") == []


def test_a_text_that_is_quoted_spells_no_control_token(tokenizer):
    agent = agent_with(tokenizer)
    text = f"a {tokenizer.eos_token} b </think>"
    quoted = agent.without_controls(text)
    added = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.content.endswith(">")}
    assert added & set(agent.token_ids(text))
    assert not added & set(agent.token_ids(quoted))
    assert agent.without_controls("a < b > c [0, 1]") == "a < b > c [0, 1]"


def test_whatever_ends_a_tag_is_known_to_end_it(tokenizer):
    agent = agent_with(tokenizer)
    holding = {id_ for id_ in range(len(tokenizer)) if ">" in tokenizer.decode([id_])}
    assert holding <= agent.closing_ids
    assert agent.token_ids("</python>")[-1] in agent.closing_ids
