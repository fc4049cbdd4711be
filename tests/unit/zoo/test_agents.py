"""The toy release's agents: each true to its family, their links fitting them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from recursivemas.engine import LocalEngine
from recursivemas.links import load_inner_link, load_outer_link
from recursivemas.styles import PUBLISHED_STYLES, Style
from tests.support.toy_agents import ROLE_IDS, ROLES, TEXTS, inner_link_files, outer_rows, read_json

MODEL_TYPES = {
    "sequential_light-planner": "qwen3",
    "sequential_light-critic": "llama",
    "sequential_light-solver": "qwen2",
    "sequential_scaled-planner": "gemma3",
    "sequential_scaled-critic": "llama",
    "sequential_scaled-solver": "qwen3_5",
    "mixture-math": "qwen2",
    "mixture-code": "qwen2",
    "mixture-science": "mistral",
    "mixture-summarizer": "qwen3_5_text",
    "distillation-expert": "qwen3_5",
    "distillation-learner": "qwen3_5_text",
    "deliberation-reflector": "qwen3_5",
    "deliberation-toolcaller": "qwen3_5_text",
}
MODEL_CLASSES = {
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "gemma3": "Gemma3ForConditionalGeneration",
    "qwen3_5": "Qwen3_5ForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
}


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_an_agent_loads_and_reads_a_chat(load, style: Style, role: str):
    agent = load(style, role)
    model_type = read_json(agent.folder / "config.json")["model_type"]
    assert model_type == MODEL_TYPES[f"{style.name}-{role}"]
    assert type(agent.model).__name__ == MODEL_CLASSES[model_type]
    assert agent.model.config.get_text_config().max_position_embeddings >= 4096
    assert 200_000 < agent.model.num_parameters() < 800_000
    assert agent.model.dtype == (torch.bfloat16 if model_type == "mistral" else torch.float32)
    ids = agent.encode("What is 3 + 4?")
    assert ids.max() < agent.model.get_input_embeddings().weight.shape[0] == len(agent.tokenizer)
    with torch.no_grad():
        logits = agent.model(input_ids=ids).logits
    assert logits.shape == (1, ids.shape[1], len(agent.tokenizer))
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_agents_of_a_style_share_neither_hidden_size_nor_tokenizer(load, style: Style):
    agents = [load(style, role) for role in style.roles]
    assert len({agent.hidden_size for agent in agents}) == len(agents)
    assert len({len(agent.tokenizer) for agent in agents}) == len(agents)


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_links_fit_their_agents_and_speak_at_embedding_scale(hub: Path, load, style: Style):
    agents = {role: load(style, role) for role in style.roles}
    thoughts = {role: torch.randn(64, agents[role].hidden_size) for role in style.roles}
    links = [
        (role, load_inner_link(path, variant="ln_res_adapter", hidden_size=agents[role].hidden_size)(x))
        for role, x in thoughts.items()
        for path in inner_link_files(hub, style, role)
    ]
    for rows in outer_rows(hub, style):
        for row, link in zip(rows, style.links, strict=True):
            outer = load_outer_link(
                hub / str(style.outer_repo) / row["filename"],
                variant=row["adapter_type"],
                source=(link.source, row["in_dim"]),
                target=(link.target, row["out_dim"]),
            )
            assert (row["in_dim"], row["out_dim"]) == (
                agents[link.source].hidden_size,
                agents[link.target].hidden_size,
            )
            links.append((link.target, outer(thoughts[link.source])))
    for target, message in links:
        agent = agents[target]
        with torch.no_grad():
            embedded = agent.model.get_input_embeddings()(agent.encode(TEXTS[0])).float()
        ratio = message.norm(dim=-1).median() / embedded.norm(dim=-1).median()
        assert 0.6 < ratio < 1.6


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_sampled_text_is_varied(load, style: Style, role: str):
    agent = load(style, role)
    ids = agent.encode("Ada has 12 apples and buys 30 more. How many apples does she have?")
    distinct = set()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        options = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 0}
        rows = agent.model.generate(ids.repeat(3, 1), max_new_tokens=24, pad_token_id=0, **options)
    for row in rows[:, ids.shape[1] :]:
        distinct |= set(row.tolist())
    assert len(distinct) >= 24


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_latent_steps_do_not_blow_up_rounding(hub: Path, load, style: Style, role: str):
    agent = load(style, role)
    link = load_inner_link(
        inner_link_files(hub, style, role)[0], variant="ln_res_adapter", hidden_size=agent.hidden_size
    )
    ids = agent.encode("Ada has 12 apples and buys 30 more. How many apples does she have?")
    with torch.no_grad():
        prompt = agent.model.get_input_embeddings()(ids).float()
        model = copy.deepcopy(agent.model).float()
        nudged = prompt * (1 + 1e-5 * torch.randn(prompt.shape, generator=torch.Generator().manual_seed(0)))
        latents, other = (roll(model, link, start) for start in (prompt, nudged))
    assert (latents - other).norm() / latents.norm() < 0.05
    assert (latents[1:] - latents[:-1]).norm(dim=-1).min() > 1e-3 * latents.norm(dim=-1).mean()


def roll(model: Any, link: Any, prompt: torch.Tensor, num_steps: int = 8) -> torch.Tensor:
    """Latents [L, D]."""
    return LocalEngine(model).open([[prompt[0]]]).think(link, num_steps).latents[0]


def test_hybrid_and_sliding_layers(load):
    gemma = load(PUBLISHED_STYLES["sequential_scaled"], "planner").model.config.get_text_config()
    assert set(gemma.layer_types) == {"sliding_attention", "full_attention"}
    assert gemma.sliding_window <= 64
    qwen = load(PUBLISHED_STYLES["deliberation"], "reflector").model.config.get_text_config()
    assert qwen.layer_types == ["linear_attention"] * 3 + ["full_attention"]


def test_multimodal_repositories_hold_a_vision_tower(hub: Path):
    for repo in ("Sequential-Scaled-Planner-Gemma3-4B", "Distillation-Expert-Qwen3.5-9B"):
        with safe_open(hub / repo / "model.safetensors", "pt") as file:
            vision = [file.get_tensor(key) for key in file.keys() if "vis" in key]  # noqa: SIM118
        assert 0 < sum(value.numel() for value in vision) < 30_000


@pytest.mark.parametrize(
    ("style", "role", "expected"),
    [
        ("sequential_light", "solver", {"temperature": 0.7, "top_k": 20, "repetition_penalty": 1.05}),
        ("sequential_light", "planner", {"temperature": 0.6, "top_p": 0.95, "top_k": 20}),
        ("sequential_light", "critic", {"temperature": 0.6, "top_p": 0.9}),
        ("sequential_scaled", "planner", {"top_k": 64, "top_p": 0.95}),
    ],
)
def test_generation_defaults_are_the_familys(load, style: str, role: str, expected: dict[str, float]):
    config = load(PUBLISHED_STYLES[style], role).model.generation_config.to_dict()
    assert {key: config[key] for key in expected} == expected
