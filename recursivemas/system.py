"""A loaded multi-agent system, and how one is loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from recursivemas.agents.agent import Agent
from recursivemas.agents.backend import Backend, choose_backend
from recursivemas.agents.checkpoint import Outline, read_outline
from recursivemas.agents.computing import Placement, check_models
from recursivemas.agents.load import resolve_devices, resolve_dtype
from recursivemas.agents.load_agents import load_agents, load_vllm_agents
from recursivemas.agents.load_links import read_links
from recursivemas.agents.load_vllm import VllmModels
from recursivemas.agents.offload import Offload, check_movable
from recursivemas.benchmarks import Benchmark, find_benchmark
from recursivemas.errors import UserError
from recursivemas.links import LinkError, OuterLink
from recursivemas.prompts import ChatRenderer, PromptSource, load_prompts
from recursivemas.question import Question, as_questions
from recursivemas.recursion.batches import Batches, choose_window
from recursivemas.recursion.card import system_html
from recursivemas.recursion.given import check_names, check_toolbox
from recursivemas.recursion.memory import (
    MemoryPlan,
    choose_batch_size,
    loaded_models,
    longest_prompts,
    plan_memory,
)
from recursivemas.recursion.solve import Solver
from recursivemas.recursion.toolbox import build_toolbox
from recursivemas.recursion.trace import Solution
from recursivemas.recursion.window import Finished
from recursivemas.release.names import short_name
from recursivemas.release.paths import ResolvedMASPaths, resolve_mas_paths
from recursivemas.release.resolve import ReleaseFiles
from recursivemas.settings import RunSettings, SolveSettings, resolve_settings
from recursivemas.styles import PUBLISHED_STYLES, Style, alone, load_style
from recursivemas.tools import Toolbox


class MASSystem:
    """Agents and the links between them, loaded once and used for any number of questions.

    `agents` by role, `outer_links` by (source, target), `paths` says which files they came from, `prompts`
    writes what they are shown, `benchmark` is what `dataset` names, `graph` is the style itself and `style`
    its name, `release` where the models come from, `offload` how they move. A context manager; `close` gives
    the memory back. Without `names_dataset`, nobody chose the dataset, and what is shown does not name it.
    """

    def __init__(
        self,
        *,
        style: Style,
        dataset: str | Benchmark,
        agents: Mapping[str, Agent],
        outer_links: Mapping[tuple[str, str], OuterLink],
        prompts: PromptSource,
        paths: ResolvedMASPaths,
        release: str | Path = "hub",
        offload: Offload | None = None,
        names_dataset: bool = True,
    ) -> None:
        self.graph = style
        self.benchmark = find_benchmark(dataset)
        self.agents = dict(agents)
        self.outer_links = dict(outer_links)
        self.prompts = prompts
        self.paths = paths
        self.release = str(release)
        self.offload = offload or Offload()
        self._names_dataset = names_dataset

    @property
    def style(self) -> str:
        """The style's name, as the published class has it."""
        return self.graph.name

    @property
    def dataset(self) -> str:
        """The dataset's name, or the path of a file of one's own."""
        return self.benchmark.address

    @property
    def family(self) -> str:
        return self.graph.family

    @property
    def outer_adapters(self) -> dict[str, OuterLink]:
        """The outer links by their published keys (`outer_12`, ...)."""
        return {link.key: self.outer_links[link.source, link.target] for link in self.graph.links if link.key}

    def close(self) -> None:
        """Drop agents and links, and hand cached accelerator memory back."""
        self.agents.clear()
        self.outer_links.clear()
        if self.offload.moving:
            self.offload = Offload()
            gc.collect()  # what moves a model and the model know each other
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def __repr__(self) -> str:
        agents = " -> ".join(f"{role} ({agent.model_name})" for role, agent in self.agents.items())
        return f"<{type(self).__name__} {', '.join([self.style, *self._about()])}: {agents or 'closed'}>"

    def _repr_html_(self) -> str:
        """Its graph over the rounds that are recommended for it, and its agents."""
        rounds = self._settings({}).solve.num_rounds if self.graph.links else 1
        return system_html(self.graph, self._about(), self.agents, self.outer_links, rounds, self.release)

    def _about(self) -> list[str]:
        """The dataset where somebody chose it, and where the models come from if not from the hub."""
        release = short_name(self.release)
        return [self.dataset] * self._names_dataset + ([f"release {release}"] if release else [])

    def __enter__(self) -> MASSystem:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def solve(
        self,
        questions: str | Question | Iterable[str | Question],
        *,
        num_rounds: int | None = None,
        latent_length: int | None = None,
        toolbox: Toolbox | None = None,
        **settings: Any,
    ) -> list[Solution]:
        """Solve questions, in order; one solution each, or one a rollout with `num_rollouts`.

        A question is its text, or a `Question`. `num_rounds`, `latent_length` and the other `settings` (as on
        the command line: batch_size, a number or `auto`, seed, sample_seed, greedy, temperature, top_p,
        top_k, min_p, repetition_penalty, max_new_tokens, num_rollouts, mode, role, links, enable_thinking,
        release_quirks, special_tokens_in_questions, prefix_cache, answer_window, save_latents, lens,
        rejoin_every, and those of tools) default to what is recommended for the system's style and dataset.
        `mode` is `latent`, `text` (agents pass on text), or `single`: the agent `role` answers alone, by
        default the one that answers in the style. Where memory runs out, fewer questions are solved side by
        side. Agents whose spec names tools have those of `toolbox` and no others; without it, the ones that
        the settings describe. Raises UserError for a setting that is unknown or out of range and for a
        toolbox that would not be used, IsolationError where agents write code and nothing can contain it.
        """
        given = {"num_recursive_rounds": num_rounds, "latent_length": latent_length, **settings}
        explicit = {name: value for name, value in given.items() if value is not None}
        check_names(explicit)
        run = self._settings(explicit)
        asked = as_questions(questions, task=self.benchmark.task)
        system = self.alone(run.solve.role) if run.solve.mode == "single" else self
        if toolbox is None:
            toolbox = build_toolbox(system.graph, run.tools, run.solve)
        else:
            check_toolbox(toolbox, system.graph, run.solve, explicit)
        batches = system.batches(run.solve, toolbox, asked)
        finished: Finished = {}
        for part in batches.solve(asked):
            finished |= part
        return [solution for place in range(len(asked)) for solution in finished[place]]

    def _settings(self, explicit: Mapping[str, Any]) -> RunSettings:
        """These settings, and for the others what is recommended for the system."""
        style = self.style if PUBLISHED_STYLES.get(self.style) == self.graph else "own"
        loaded = {"style": style, "dataset": self.dataset, "release": self.release}
        return resolve_settings({**loaded, **explicit}, self.benchmark)[0]

    def alone(self, role: str | None = None) -> MASSystem:
        """A system of one of the agents with a plain prompt, on the same weights: what mode `single` runs."""
        style = alone(self.graph, role)
        return MASSystem(
            style=style,
            dataset=self.benchmark,
            agents={one: self.agents[one] for one in style.roles if one in self.agents},
            outer_links={},
            prompts=self.prompts,
            paths=self.paths,
            release=self.release,
            offload=self.offload,
            names_dataset=self._names_dataset,
        )

    def _check_whole(self) -> None:
        """UserError where an agent or a link is gone, or a link was replaced by one of other sizes."""
        if not self.agents:
            raise UserError("the system is closed; load it again with load_mas_system")
        if gone := [role for role in self.graph.roles if role not in self.agents]:
            raise UserError(f"the system has lost its {gone[0]}: agents has no {gone[0]!r}; put it back")
        for spec in self.graph.links:
            link = self.outer_links.get((spec.source, spec.target))
            if link is None:
                raise UserError(
                    f"the system has lost the link {spec}: outer_links has no "
                    f"{(spec.source, spec.target)!r}; put it back, or load a style without it"
                )
            sizes = self.agents[spec.source].hidden_size, self.agents[spec.target].hidden_size
            if (link.source_size, link.target_size) != sizes:
                raise LinkError(
                    f"the link {spec} turns {link.source_size} features into {link.target_size}, but "
                    f"{spec.source} has {sizes[0]} and {spec.target} {sizes[1]}"
                )

    def batches(
        self,
        settings: SolveSettings,
        toolbox: Toolbox | None,
        questions: Sequence[Question],
        size: int | None = None,
        answer_window: int | None = None,
        num_processes: int = 1,
    ) -> Batches:
        """What solves these questions, which `num_processes` share: `size` of them side by side, and so many
        batches an answer window, else as the settings say.

        Raises UserError for a system that has lost a part, and where `auto` cannot be told.
        """
        solver = self.solver(settings, toolbox)
        if size is None:
            size = (
                settings.batch_size
                if isinstance(settings.batch_size, int)
                else choose_batch_size(self.plan_memory(settings, toolbox, questions), len(questions))
            )
        num_batches = ceil(len(questions) / size)
        return Batches(
            solver,
            size,
            answer_window=answer_window or choose_window(settings, num_batches, num_processes),
            num_rollouts=settings.num_rollouts,
            can_halve=settings.link_control.kind != "shuffle",
        )

    def plan_memory(
        self, settings: SolveSettings, toolbox: Toolbox | None, questions: Sequence[Question]
    ) -> MemoryPlan:
        """What solving these questions takes, and what fits. Raises UserError where no prompt can be had."""
        tokenizers = {role: agent.tokenizer for role, agent in self.agents.items()}
        prompts = longest_prompts(self.graph, tokenizers, self.prompts, settings, toolbox, questions)
        models = loaded_models(self.agents, self.offload)
        return plan_memory(self.graph, models, prompts, settings, self.offload.moving, loaded=True)

    def solver(self, settings: SolveSettings, toolbox: Toolbox | None = None) -> Solver:
        """What solves windows of questions under these settings, made once for any number of them.

        Agents have those tools of `toolbox` that the style gives them. Raises UserError for a system that has
        lost a part.
        """
        self._check_whole()
        self.prompts.check(self.graph, task=self.benchmark.task, mode=settings.passes)
        return Solver(self.graph, self.agents, self.outer_links, self.prompts, settings, toolbox)


def load_mas_system(
    style: str | Path | Mapping[str, Any] | Style,
    dataset: str | Benchmark | None = None,
    *,
    device: str | torch.device | Mapping[str, str | torch.device] = "cuda",
    dtype: str | torch.dtype = "auto",
    outer_dtype: str | torch.dtype = "auto",
    attn: str = "auto",
    static_cache: str = "auto",
    prefill: str = "auto",
    quantization: str | None = None,
    offload: str = "auto",
    backend: str = "transformers",
    tensor_parallel_size: int = 1,
    gpu_memory_utilization: float = 0.9,
    trust_remote_code: bool = False,
    release: str | Path = "hub",
    overrides: Mapping[str, str | Path] | None = None,
    revision: str | None = None,
    prompts: str | Path | PromptSource = "auto",
) -> MASSystem:
    """Load a style's agents and links.

    `style` is a published name, a YAML file or a Style. `dataset` chooses the link set (math or code) and
    the recommended settings, by default as for math500. `device` is a torch device, `auto`, `split`
    (layers spread over all accelerators), or a mapping from role to these. `dtype` holds for models and
    inner links, `outer_dtype` for outer links: `auto` keeps what is stored, and for outer links follows
    an explicit `dtype`. `attn` is `auto`, `sdpa`, `flash_attention_2` or `eager`, `quantization` None,
    `bnb-4bit` or `bnb-8bit`, `static_cache` `on`, `off`, or `auto` for on CUDA; these hold for models.
    `prefill` is how prompts are read: `padded`, `apart`, or `auto` for apart on a CPU. `offload` is where
    agents wait while others compute: `none` (all stay), `cpu` (main memory), `disk`, or `auto`, `none`
    where they fit. `backend` is `transformers`, `vllm` or `auto`; vLLM reads the next two (docs/vllm.md).
    `release` is `hub`, `toy` or a folder; `overrides` maps a role, or `outer`, to another folder;
    `revision` pins the hub's repositories; `prompts` says whose words agents are shown: `published`,
    `default`, a prompt pack's file, a published prompts.py, a checkout's folder, or a source of your own;
    `auto`: `published` for the hub, else `default`.

    Everything that can be checked without weights is checked before any is loaded. Raises UserError for bad
    arguments, ReleaseError for files that cannot be had, LinkError and LoadError for what does not fit.
    """
    graph, benchmark = load_style(style), find_benchmark("math500" if dataset is None else dataset)
    # Before the prompts, which may have to be fetched.
    devices = resolve_devices(device, graph)
    ours = attn, static_cache, prefill, quantization, offload
    chosen = choose_backend(devices, dtype, *ours, backend, tensor_parallel_size, gpu_memory_utilization)
    link_dtype = resolve_dtype(outer_dtype) or chosen.dtype
    if isinstance(prompts, str | Path):
        prompts = load_prompts(prompts, release=release, style_prompts=graph.prompts)
        prompts.check(graph, task=benchmark.task, mode="latent")
    where: dict[str, Any] = {"release": release, "overrides": overrides, "revision": revision}
    paths = resolve_mas_paths(graph, benchmark, trust_remote_code=trust_remote_code, **where)
    parts = _load_parts(graph, paths, devices, chosen, link_dtype, trust_remote_code)
    parts |= {"prompts": prompts, "paths": paths, "names_dataset": dataset is not None}
    return MASSystem(style=graph, dataset=benchmark, release=release, **parts)


def _load_parts(
    graph: Style,
    paths: ReleaseFiles,
    devices: Mapping[str, Placement],
    backend: Backend,
    link_dtype: torch.dtype | None,
    trust_remote_code: bool,
) -> dict[str, Any]:
    """A `MASSystem`'s agents, outer links and how agents move, from their files, checked first."""
    outlines = read_outlines(paths, trust_remote_code)
    check_dimensions(paths, outlines)
    models = {role: (files.model_dir, outlines[role]) for role, files in paths.agents.items()}
    check_models(backend.attn, backend.quantization, backend.dtype, models)
    check_movable(backend.offload, outlines)
    # Links come first: they are small, and what is wrong with them is known before gigabytes are loaded.
    links = read_links(graph, paths, outlines, backend.dtype, link_dtype)
    if backend.name == "vllm":
        vllm = VllmModels(
            paths,
            outlines,
            backend,
            device=devices[graph.roles[0]],
            trust_remote_code=trust_remote_code,
        )
        agents, moves = load_vllm_agents(paths, outlines, links, vllm), Offload()
    else:
        loading = {
            "dtype": backend.dtype,
            "attn": backend.attn,
            "static_cache": backend.static_cache,
            "prefill": backend.prefill,
            "quantization": backend.quantization,
            "trust_remote_code": trust_remote_code,
        }
        agents, moves = load_agents(paths, outlines, links, devices, loading, backend.offload)
    return {"agents": agents, "outer_links": links.place_outer(agents), "offload": moves}


def unload_mas_system(system: MASSystem) -> None:
    """Close a system: the published name for it."""
    system.close()


def read_outlines(
    paths: ReleaseFiles, trust_remote_code: bool = False, weights: bool = True
) -> dict[str, Outline]:
    """What is known of each role's model before its weights are loaded; with `weights`, of their headers too.

    Raises LoadError for what cannot be loaded, UserError for a chat template that cannot be used.
    """
    read: dict[Path, Outline] = {}
    outlines = {}
    for role, files in paths.agents.items():
        place = files.model_dir.resolve()
        if place not in read:
            read[place] = read_outline(files.model_dir, trust_remote_code=trust_remote_code, weights=weights)
            ChatRenderer(read[place].tokenizer)
        outlines[role] = read[place]
    return outlines


def check_dimensions(paths: ReleaseFiles, outlines: Mapping[str, Outline]) -> None:
    """Hold the outer links' manifests against the models; a LinkError names both sides of a misfit."""
    for (source, target), file in paths.links.items():
        for role, verb, stated in ((source, "reads", file.in_dim), (target, "emits", file.out_dim)):
            if stated is not None and stated != outlines[role].config.hidden_size:
                raise LinkError(
                    f"link {source}->{target} {verb} {stated} features by its manifest, but {role}'s hidden "
                    f"size is {outlines[role].config.hidden_size}; do {paths.agents[role].repo_id} and "
                    f"{file.repo_id or file.path} belong to the same style?"
                )
