"""The toy release: complete, the same bytes every time, and true to the families it stands in for."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from recursivemas.engine.backbone import Backbone
from recursivemas.links import load_inner_link, load_outer_link
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES, Style
from recursivemas.toy import build, ensure, release
from recursivemas.toy.__main__ import main

ROLES = [(style, agent.role) for style in PUBLISHED_STYLES.values() for agent in style.agents]
ROLE_IDS = [f"{style.name}-{role}" for style, role in ROLES]
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
TEXTS = (
    "What is 3 * 14?\n\nA. 40\nB. 42\n",
    "Solve $\\frac{x}{2} = \\sqrt{1234567}$; the answer is \\boxed{-0.5}.",
    "```python\ndef f(xs):\n    return [x for x in xs if x >= 10]\n\n\nprint(f([1, 20]))\n```",
    "Größe 30° – “quoted”, 漢字, π ≈ 3.14159, 😀 and\ta tab",
    "  two  spaces before and after  ",
)


@dataclass(frozen=True)
class Loaded:
    model: Any
    tokenizer: Any
    folder: Path

    @property
    def hidden_size(self) -> int:
        return int(self.model.get_input_embeddings().weight.shape[1])

    def encode(self, question: str) -> torch.Tensor:
        """Token ids [1, T] of a chat with one user turn."""
        text = render(self.tokenizer, [user(question)], enable_thinking=False)
        ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        assert isinstance(ids, torch.Tensor)
        return ids


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def render(tokenizer: Any, messages: list[dict[str, str]], **options: Any) -> str:
    options.setdefault("add_generation_prompt", True)
    return str(tokenizer.apply_chat_template(messages, tokenize=False, **options))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("release") / "toy")


@pytest.fixture(scope="module")
def hub(toy: Path) -> Path:
    return toy / HUB_ORGANISATION


@pytest.fixture(scope="module")
def load(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Style, str], Loaded]:
    """Agents by style and role, each loaded once. The view hides `adapter_config.json` from peft."""

    @cache
    def load_agent(repo: str) -> Loaded:
        view = tmp_path_factory.mktemp("view")
        for path in (hub / repo).iterdir():
            if path.name != "adapter_config.json":
                (view / path.name).symlink_to(path)
        model = AutoModelForCausalLM.from_pretrained(view, dtype="auto").eval()
        return Loaded(model=model, tokenizer=AutoTokenizer.from_pretrained(view), folder=hub / repo)

    return lambda style, role: load_agent(style.agent(role).repo)


def inner_link_files(hub: Path, style: Style, role: str) -> list[Path]:
    """As a reader finds them: by the manifest where there is one, else by the naming convention."""
    folder = hub / style.agent(role).repo
    if (folder / "innerlink_config.json").exists():
        tasks = read_json(folder / "innerlink_config.json")["tasks"]
        return [folder / tasks[link_set]["adapter.pt"] for link_set in style.link_sets]
    return [folder / f"adapter({name}).pt" for name in style.link_sets] or [folder / "adapter.pt"]


def outer_rows(hub: Path, style: Style) -> list[list[dict[str, Any]]]:
    """The manifest's lists of links, one a link set."""
    assert style.outer_repo is not None
    manifest = read_json(hub / style.outer_repo / "outerlink_config.json")
    if style.link_sets:
        return [manifest["tasks"][link_set]["adapters"] for link_set in style.link_sets]
    return [manifest["adapters"]]


# ---------------------------------------------------------------------------------------------------------
# The folder


def test_every_published_repository_is_there_and_nothing_else(hub: Path):
    agents = {agent.repo for style in PUBLISHED_STYLES.values() for agent in style.agents}
    outer = {style.outer_repo for style in PUBLISHED_STYLES.values()}
    assert {path.name for path in hub.iterdir()} == agents | outer


def test_the_release_is_small(toy: Path):
    assert sum(path.stat().st_size for path in toy.rglob("*") if path.is_file()) < 40e6


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_a_role_repository_holds_model_tokenizer_and_links_only(hub: Path, style: Style, role: str):
    folder = hub / style.agent(role).repo
    expected = {"config.json", "generation_config.json", "model.safetensors", "adapter_config.json"}
    expected |= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    expected |= {path.name for path in inner_link_files(hub, style, role)}
    optional = {"innerlink_config.json", "pytorch_model.bin"}
    assert {path.name for path in folder.iterdir()} - optional == expected
    assert read_json(folder / "adapter_config.json") == {"adapter_type": "ln_res_adapter"}


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_outer_manifests_name_all_links_and_files(hub: Path, style: Style):
    assert style.outer_repo is not None
    folder = hub / style.outer_repo
    named = set()
    for rows in outer_rows(hub, style):
        assert [row["legacy_key"] for row in rows] == [link.key for link in style.links]
        named |= {row["filename"] for row in rows}
    assert len(named) == len(style.links) * max(1, len(style.link_sets))
    assert {path.name for path in folder.iterdir()} == named | {"outerlink_config.json"}


def test_file_names_are_the_published_ones(hub: Path):
    for name in (
        "Sequential-Light-Outerlinks/Planner-Critic-Outerlink(math).pt",
        "Sequential-Scaled-Outerlinks/Solver-Planner-Outerlink(code).pt",
        "Mixture-Outerlinks/Summarizer-Science-Outerlink.pt",
        "Distillation-Outerlinks/Expert-Learner-Outerlink.pt",
        "Distillation-Outerlinks/Learner-Expert-Outerlink.pt",
    ):
        assert (hub / name).is_file()


def test_the_layout_has_the_variety_that_loaders_must_handle(hub: Path):
    repositories = sorted(path.name for path in hub.iterdir())
    with_manifest = [name for name in repositories if (hub / name / "innerlink_config.json").exists()]
    with_decoy = [name for name in repositories if (hub / name / "pytorch_model.bin").exists()]
    assert with_manifest == ["Distillation-Expert-Qwen3.5-9B"]
    assert with_decoy == ["Mixture-Science-BioMistral-7B"]
    dtypes = {}
    for path in hub.glob("*/model.safetensors"):
        with safe_open(path, "pt") as file:
            dtypes[path.parent.name] = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    assert dtypes.pop("Mixture-Science-BioMistral-7B") == {"BF16"}
    assert all(dtype == {"F32"} for dtype in dtypes.values())


def test_link_sets_differ(hub: Path):
    for style in PUBLISHED_STYLES.values():
        files = [path for role in style.roles for path in inner_link_files(hub, style, role)]
        files += [
            hub / str(style.outer_repo) / r["filename"] for rows in outer_rows(hub, style) for r in rows
        ]
        contents = [path.read_bytes() for path in files]
        assert len(set(contents)) == len(files)


# ---------------------------------------------------------------------------------------------------------
# The agents


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
    """Latents [L, D], by the model's cache."""
    backbone = Backbone(model)
    cache, step, latents = backbone.new_cache(), prompt, []
    for _ in range(num_steps):
        length = cache.get_seq_length()
        positions = torch.arange(length, length + step.shape[1])[None]
        hidden = backbone.hidden(step, torch.ones(1, positions[0, -1] + 1), positions, cache)
        latents.append(hidden)
        step = link(hidden)[:, None]
    return torch.cat(latents)


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


# ---------------------------------------------------------------------------------------------------------
# Tokenizers and chat templates


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


# ---------------------------------------------------------------------------------------------------------
# Building


def test_a_build_depends_on_no_global_state_and_leaves_none(toy: Path, tmp_path: Path):
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    torch.set_default_dtype(torch.float64)
    try:
        other = build(tmp_path / "other")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state
    assert torch.is_grad_enabled()
    assert digests(other) == digests(toy)


def test_two_processes_fill_the_cache_at_once_with_the_same_bytes(toy: Path, tmp_path: Path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "from recursivemas.toy import ensure; print(ensure())"],
            env={**os.environ, "RECURSIVEMAS_CACHE": str(tmp_path), "OMP_NUM_THREADS": threads},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for threads in ("1", "3")
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    folders = {stdout.strip() for stdout, _ in outputs}
    assert folders == {str(path) for path in tmp_path.iterdir()}
    assert len(folders) == 1
    assert digests(Path(folders.pop())) == digests(toy)
    assert any("building the toy release" in stderr for _, stderr in outputs)


def test_ensure_yields_to_a_process_that_was_faster(toy: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path))

    def write_while_another_finishes(root: Path) -> Path:
        shutil.copytree(toy, winner)
        return shutil.copytree(toy, root)

    winner = tmp_path / f"toy-{release._fingerprint()}"
    monkeypatch.setattr(release, "_write_release", write_while_another_finishes)
    assert ensure() == winner
    assert list(tmp_path.iterdir()) == [winner]
    monkeypatch.setattr(release, "_write_release", pytest.fail)
    assert ensure() == winner


def test_ensure_says_where_to_go_when_the_cache_cannot_be_written(tmp_path: Path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="set RECURSIVEMAS_CACHE to a folder that can be written"):
        ensure()


def test_build_refuses_a_folder_with_other_things(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(FileExistsError, match="neither an empty folder nor a toy release"):
        build(tmp_path)
    with pytest.raises(FileExistsError, match="neither an empty folder nor a toy release"):
        build(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def test_an_interrupted_build_leaves_nothing_half(toy: Path, tmp_path: Path, monkeypatch):
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "_write_outer_links", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(toy, tmp_path / "old")
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "old")
    assert digests(tmp_path / "old") == digests(toy)
    assert list(tmp_path.iterdir()) == [tmp_path / "old"]


def test_the_command_replaces_an_older_toy_release(toy: Path, tmp_path: Path, monkeypatch, capsys):
    old = tmp_path / "old"
    old.mkdir()
    (old / release.MARKER).write_text("{}")
    (old / "left-over").touch()
    monkeypatch.setattr(release, "_write_release", lambda root: shutil.copytree(toy, root))
    assert main(["build", str(old)]) == 0
    assert capsys.readouterr().out.strip() == str(old)
    assert digests(old) == digests(toy)
    (tmp_path / "other").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["build", str(tmp_path)])
    assert "neither an empty folder nor a toy release" in capsys.readouterr().err
