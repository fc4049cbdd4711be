"""The baselines against their slow twins: agents that pass on text, and one agent by itself."""

from __future__ import annotations

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.errors import UserError
from recursivemas.prompts import ChatRenderer
from recursivemas.styles import PUBLISHED_STYLES, alone
from tests.support.slow_systems import FAST, FASTER, QUESTIONS, TWINS, SlowTextSystem

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.mark.usefixtures("short_retry")
def test_text_mode_is_its_rounds_written_out(system):
    settings = {**FASTER, "num_rounds": 2, "greedy": True, "batch_size": 3, "mode": "text"}
    for question, solution in zip(QUESTIONS[:3], system.solve(QUESTIONS[:3], **settings), strict=True):
        slow = SlowTextSystem(system, question, 0)
        with torch.no_grad():
            text = TWINS[system.style](slow, 2, FASTER["max_new_tokens"])
        assert {name: passage.text for name, passage in solution.passages.items()} == slow.sent
        assert solution.text.startswith(text)
        for usage in solution.usage:
            assert (usage.latent_steps, usage.latents_read) == (0, 0)
            if passage := solution.passages.get(f"r{usage.round}/{usage.role}"):
                assert usage.generated_tokens == len(passage.token_ids)
                decoded = system.agents[usage.role].tokenizer.decode(passage.token_ids)
                assert decoded.strip() == passage.text.strip()


@pytest.mark.usefixtures("short_retry")
def test_text_mode_does_not_depend_on_the_batch_or_the_order(system):
    def texts(questions, batch_size):
        settings = {**FASTER, "num_rounds": 2, "batch_size": batch_size, "mode": "text"}
        return {
            row.question.id: (row.text, {name: passage.text for name, passage in row.passages.items()})
            for row in system.solve(questions, **settings)
        }

    together = texts(QUESTIONS[:3], 3)
    assert texts(QUESTIONS[:3], 1) == together
    assert texts(QUESTIONS[2::-1], 2) == together


def test_an_agent_alone_sees_the_question_and_nobody(toy_release):
    style = alone(PUBLISHED_STYLES["mixture"], "science")
    with load_mas_system(style, device="cpu", release=toy_release, dtype="float64") as system:
        assert list(system.agents) == ["science"]
        assert system.outer_links == {}
        solution = system.solve(QUESTIONS[1], greedy=True, mode="single", **FAST)[0]
        slow = SlowTextSystem(system, QUESTIONS[1], 0)
        with torch.no_grad():
            text = slow.write("science", {}, feedback=False, max_new_tokens=FAST["max_new_tokens"])
    assert solution.text.startswith(text)
    assert [(usage.round, usage.role) for usage in solution.usage] == [(1, "science")]
    with pytest.raises(UserError, match="has no role 'poet'; its roles are math, code"):
        alone(PUBLISHED_STYLES["mixture"], "poet")


def test_a_prompt_that_outgrows_its_context_fails_alone(toy_release):
    """In text mode a prompt's length is known only when the messages are."""
    with load_mas_system("distillation", device="cpu", release=toy_release, dtype="float64") as system:
        settings = {**FAST, "num_rounds": 1, "mode": "text", "batch_size": 2}
        plain = system.solve(QUESTIONS[:2], **settings)
        learner = system.agents["learner"]
        pack, name = system.prompts, "distillation/learner"
        fits = [
            ChatRenderer(learner.tokenizer)
            .render(
                pack.system(name),
                [pack.template(name, question.kind).render_text(question, markers={"plan": ""})],
            )
            .num_text_tokens
            for question in QUESTIONS[:2]
        ]
        assert fits[0] != fits[1]
        learner.model.config.max_position_embeddings = max(fits)
        solutions = system.solve(QUESTIONS[:2], **settings)
    tight = fits.index(max(fits))
    assert "is too long for the learner" in solutions[tight].error
    assert solutions[tight].passages["r1/expert"].text, "what came before is kept"
    assert solutions[1 - tight].text == plain[1 - tight].text
