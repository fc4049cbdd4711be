"""Static steps, each made into one program by torch.compile, come to what steps on a growing cache come to.

Compiling takes minutes and a C++ compiler: `make test-compiled` runs them, `make test` does not.
"""

from __future__ import annotations

import pytest
import torch

from tests.support.backbones import BACKBONES, tiny_engine, tiny_inner_link
from tests.support.pauses import prompts_for
from tests.support.sessions import write

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning"),
]
NUM_ROWS = 2


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_compiled_steps_are_the_same(name):
    thoughts, texts, compiled = [], [], []

    def compile_step(step):
        compiled.append(step)
        return torch.compile(step, fullgraph=True)

    for mode in ("on", "off"):
        engine = tiny_engine(name, static_cache=mode)
        engine.static_pool.prepare = compile_step
        prompts = prompts_for()[:NUM_ROWS]
        thoughts.append(engine.open(prompts).think(tiny_inner_link(engine), 4).latents)
        texts.append([row.token_ids for row in write(engine, prompts, max_new_tokens=4)])
    assert len(compiled) == 3, "a latent step, and both halves of a text step"
    static, dynamic = thoughts
    assert ((static - dynamic).norm(dim=-1) / dynamic.norm(dim=-1)).max() < 1e-9
    assert texts[0] == texts[1]
