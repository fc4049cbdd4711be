"""The toy's agents before they are taught: each family's tokenizer and chat template fit the task."""

from __future__ import annotations

import pytest

from recursivemas.prompts import ChatRenderer, PromptRequest, load_pack
from recursivemas.question import Question
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.toy.agents import make_agent, toy_agents
from recursivemas.toy.train import PACK

pytestmark = pytest.mark.process  # rendering tries templates out in one

FAMILIES = {
    agent.family.tokenizer.template: (style, role)
    for style in PUBLISHED_STYLES
    for role, agent in toy_agents(style).items()
}


@pytest.mark.parametrize("template", FAMILIES)
def test_a_reply_begins_where_its_prompt_ends(template):
    """Else links would learn from other positions than those that a rollout goes through."""
    style, role = FAMILIES[template]
    pack, spec = load_pack(PACK), PUBLISHED_STYLES[style].agent(role)
    _, tokenizer = make_agent(toy_agents(style)[role].family, 32, pack, seed=0)
    question = Question(id="one", text="You are on A0.", gold="A0", kind="math")
    (pieces,) = pack.write([PromptRequest(prompt=spec.prompt, question=question, feedback=False, texts=None)])
    renderer, system = ChatRenderer(tokenizer), pack.system(spec.prompt, spec.tools)
    shown = renderer.render(system, pieces).text
    assert renderer.render(system, pieces, reply="From A0.").text.startswith(f"{shown}From A0.")
