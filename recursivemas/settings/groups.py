"""The groups of a run's settings: each says what can be set, and refuses what does not go together in it.

A group's first line is the title under which `--help` lists its flags.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from recursivemas.errors import UserError
from recursivemas.options import check_options, option
from recursivemas.sampling import SamplingSettings
from recursivemas.settings.link_control import LinkControl, read_link_control
from recursivemas.settings.recommended import TABLES
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.tools import MAX_CALLS

Mode = Literal["latent", "text"]
"""What agents pass on."""

MODES = ("latent", "text", "single")
DTYPES = ("auto", "float64", "float32", "float16", "bfloat16")
"""What models and links can be computed in; `auto` keeps what is stored."""
ATTENTIONS = ("auto", "sdpa", "flash_attention_2", "eager")
"""How attention can be computed, by transformers' names; `auto` leaves it to transformers."""
STATIC_CACHES = ("auto", "on", "off")
"""Whether steps are taken on caches of fixed size; `auto`: on CUDA."""
PREFILLS = ("auto", "padded", "apart")
"""How prompts are read: side by side with padding, or long ones by themselves; `auto`: apart on a CPU."""
QUANTIZATIONS = ("bnb-4bit", "bnb-8bit")
"""How weights can be quantized while they are loaded, by bitsandbytes."""
OFFLOADS = ("auto", "none", "cpu", "disk")
"""Where agents can wait while others compute: nowhere, as all stay, in main memory, in files."""

BACKENDS = ("transformers", "vllm", "auto")
"""What can run models; `auto` takes vLLM where it is installed and models are on CUDA."""

TRACKERS = ("tensorboard", "trackio", "wandb")
"""What can be told of runs and trainings as they go."""

MAX_SEED = 2**63 - 1
"""What a run's samples can be read back with."""

AUTO = "auto"
"""The batch_size that stands for as many questions as fit, and the offload for as little as is needed."""
WIDEST_WINDOW = 16
"""Batches of an answer window that `auto` takes at most: with as many, answers of very different lengths take
1.1 to 1.16 times the steps that they would take with no place ever empty (lengths drawn at random)."""
SWEEP = -1
"""The latent_length that stands for a run with each of `SWEPT_LENGTHS`."""
SWEPT_LENGTHS = (16, 32, 48)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The system: its style, its models and links, its prompts"""

    style: str = option("sequential_light", f"one of {', '.join(PUBLISHED_STYLES)}, or a YAML file")
    recommended: str = option(
        "june", "the published table that settings come from: june or april (2026)", choices=tuple(TABLES)
    )
    prompts: str = option(
        "auto",
        "whose words agents are shown: published (fetched once), default (ours), a prompt pack (YAML), a "
        "published prompts.py, a checkout's folder; auto: published for the release hub, else default",
        neutral=True,
    )
    system_prompt: tuple[str, ...] = option(
        (),
        "a system prompt instead of the pack's, for all agents, or ROLE=TEXT for one (may be repeated); "
        "@FILE has the text; tools are told of behind it",
        metavar="TEXT|@FILE",
    )
    release: str = option(
        "hub", "where models come from: hub, toy, toy-random, or a release folder", neutral=True
    )
    revision: str | None = option(None, "commit, tag or branch of every repository on the hub")
    ckpt_override: tuple[str, ...] = option(
        (), "ROLE=DIR or outer=DIR: a folder instead of the release's (may be repeated)"
    )
    trust_remote_code: bool = option(False, "allow model code that comes with a repository")
    device: str = option(
        "cuda", "torch device, auto, split (layers over all GPUs), or ROLE=DEVICE,...", neutral=True
    )
    dtype: str = option(
        "auto", "precision of models and inner links: auto keeps what is stored", choices=DTYPES
    )
    outer_dtype: str = option(
        "auto", "precision of outer links: auto follows dtype, else what is stored", choices=DTYPES
    )
    attn: str = option(
        "auto", "how models compute attention: auto leaves it to transformers", choices=ATTENTIONS
    )
    static_cache: str = option(
        "auto",
        "take steps on caches of fixed size, without the host in between; auto: on CUDA, where a model can",
        choices=STATIC_CACHES,
    )
    prefill: str = option(
        "auto",
        "how prompts are read: padded (side by side), apart (long ones by themselves); auto: apart on a CPU",
        choices=PREFILLS,
    )
    quantization: str | None = option(
        None, "quantize models while they are loaded, on CUDA, by bitsandbytes", choices=QUANTIZATIONS
    )
    offload: str = option(
        "auto",
        "where agents wait while others compute: none (all stay), cpu (main memory), disk; auto: all stay "
        "where they fit",
        choices=OFFLOADS,
        neutral=True,
    )
    backend: str = option(
        "transformers",
        "what runs models: transformers, vllm (docs/vllm.md), or auto: vllm where it is installed and models "
        "are on CUDA",
        choices=BACKENDS,
    )
    tensor_parallel_size: int = option(
        1, "vllm: GPUs that each model is spread over", minimum=1, neutral=True
    )
    gpu_memory_utilization: float = option(
        0.9, "vllm: fraction of a GPU's memory that all models together may take", neutral=True
    )

    def __post_init__(self) -> None:
        check_options(self)
        if not 0 < self.gpu_memory_utilization <= 1:
            raise UserError(
                f"gpu_memory_utilization is {self.gpu_memory_utilization}; it has to be above 0 and at most 1"
            )

    def where(self) -> dict[str, Any]:
        """Where models come from, as keywords of `resolve_release`; raises what `overrides` raises."""
        return {
            "release": self.release,
            "overrides": self.overrides(),
            "revision": self.revision,
            "trust_remote_code": self.trust_remote_code,
        }

    def loading(self) -> dict[str, Any]:
        """How models are loaded, as keywords of `load_mas_system`; raises what `overrides` raises."""
        return {
            **self.where(),
            "device": self.device,
            "dtype": self.dtype,
            "outer_dtype": self.outer_dtype,
            **self.computing(),
        }

    def computing(self) -> dict[str, Any]:
        """What computes, and how, as keywords of `load_mas_system`."""
        return {
            "attn": self.attn,
            "static_cache": self.static_cache,
            "prefill": self.prefill,
            "quantization": self.quantization,
            "offload": self.offload,
            "backend": self.backend,
            "tensor_parallel_size": self.tensor_parallel_size,
            "gpu_memory_utilization": self.gpu_memory_utilization,
        }

    def overrides(self) -> dict[str, str]:
        """`ckpt_override` as a mapping. Raises UserError for one that is not KEY=PATH or stands twice."""
        result: dict[str, str] = {}
        for entry in self.ckpt_override:
            key, equals, path = entry.partition("=")
            if not (key and equals and path):
                raise UserError(f"ckpt_override {entry!r} is not of the form ROLE=DIR or outer=DIR")
            if key in result:
                raise UserError(f"ckpt_override names {key!r} twice ({result[key]} and {path})")
            result[key] = path
        return result


@dataclass(frozen=True, kw_only=True)
class SolveSettings:
    """How questions are solved"""

    mode: str = option(
        "latent", "what agents pass on: latent or text; single: one agent answers alone", choices=MODES
    )
    role: str | None = option(None, "the agent that answers in mode single (default: the answering one)")
    seed: int = option(42, "seed of all sampling")
    sample_seed: int = option(
        -1, "seed of the answers: rollout i is written with sample_seed + i; -1: that of --seed", minimum=-1
    )
    num_rollouts: int = option(1, "answers to each question", minimum=1, recommended=True)
    num_recursive_rounds: int = option(
        3, "rounds of the recursion; the answer is written in the last", minimum=1, recommended=True
    )
    latent_length: int = option(
        32,
        "latent steps of a thought; 0: none; -1: a run each with 16, 32 and 48",
        minimum=SWEEP,
        recommended=True,
    )
    batch_size: int | str = option(
        8,
        "questions solved side by side; auto: as many as fit into memory",
        minimum=1,
        words=(AUTO,),
        recommended=True,
    )
    answer_window: int | str = option(
        AUTO,
        "batches whose answers are written as one stream: where one is finished, that to a question of the "
        f"next batch takes its place; 1: batch by batch; auto: {WIDEST_WINDOW}, or fewer where several "
        "processes share few questions",
        minimum=1,
        words=(AUTO,),
    )
    max_new_tokens: int = option(4000, "longest answer, in tokens", minimum=1, recommended=True)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    links: str = option(
        "trained",
        "what passes between agents; as controls: zero, random (untrained links), identity (thoughts as they "
        "are), shuffle (another question's messages), noise:SIGMA (relative to a message's size)",
    )
    enable_thinking: bool = option(False, "thinking on, where a chat template knows the switch")
    special_tokens_in_questions: bool = option(
        False, "read <|im_end|> and the like in a question as the tokens they name, not as text"
    )
    release_quirks: bool = option(False, "repeat what the published code does differently from its paper")
    rejoin_every: int = option(
        0,
        "tokens after which questions come back from their tools together, so that no rounding depends on "
        "the tools' pace; 0: each as soon as it can",
        minimum=0,
    )
    prefix_cache: int = option(
        2 * 2**30,
        "bytes for what agents have read and would read again: instructions, prompts up to their first slot, "
        "rows that a retry or a tool's result goes on from; 0: all is read anew",
        minimum=0,
    )
    save_latents: bool = option(False, "keep every latent message in the run folder")
    lens: bool = option(
        False,
        "keep every latent message in words: tokens of its sender's head, tokens of its reader that are near",
    )

    def __post_init__(self) -> None:
        check_options(self)
        last = self.answer_seed + self.num_rollouts - 1
        if not (-MAX_SEED <= self.seed <= MAX_SEED and last <= MAX_SEED):
            name = "seed" if self.sample_seed == -1 else "sample_seed"
            raise UserError(
                f"{name} is {self.answer_seed}; seeds, those of all rollouts among them, have to be from "
                "-2**63 + 1 to 2**63 - 1"
            )
        if self.role is not None and self.mode != "single":
            raise UserError(f"role {self.role!r} is read in mode single only; give --mode single, or drop it")
        if self.latent_length == SWEEP and self.mode != "latent":
            raise UserError(
                f"latent_length {SWEEP} tries several lengths, and mode {self.mode} passes on no latents; "
                "give one of the two"
            )
        if self.links != "trained" and self.mode != "latent":
            raise UserError(
                f"links {self.links!r} is read in mode latent only, and mode {self.mode} passes on no "
                "latents; give one of the two"
            )
        read_link_control(self.links)

    @property
    def passes(self) -> Mode:
        """What agents pass on; an agent by itself passes on nothing, in either mode."""
        return "text" if self.mode == "text" else "latent"

    @property
    def num_rounds(self) -> int:
        """How often the agents run: an agent by itself has nobody to hear from again."""
        return 1 if self.mode == "single" else self.num_recursive_rounds

    @property
    def widest_window(self) -> int:
        """The most batches of an answer window."""
        return self.answer_window if isinstance(self.answer_window, int) else WIDEST_WINDOW

    @property
    def answer_seed(self) -> int:
        """The seed of the first rollout's answers."""
        return self.seed if self.sample_seed == -1 else self.sample_seed

    @property
    def link_control(self) -> LinkControl:
        return read_link_control(self.links)


def check_for_vllm(solve: SolveSettings) -> None:
    """Raise UserError for what backend `vllm` cannot do, or does otherwise than ours."""
    unable = {
        f"repetition_penalty {solve.sampling.repetition_penalty}": solve.sampling.repetition_penalty != 1,
        f"rejoin_every {solve.rejoin_every}": solve.rejoin_every != 0,
        f"batch_size {AUTO!r}": solve.batch_size == AUTO,
        f"links {solve.links!r}": solve.link_control.kind == "identity",
        "lens": solve.lens,
    }
    if wrong := [what for what, is_wrong in unable.items() if is_wrong]:
        raise UserError(f"{wrong[0]} is not for backend 'vllm'; drop one of the two (docs/vllm.md)")


@dataclass(frozen=True, kw_only=True)
class ToolSettings:
    """The tools that agents have, and where code runs"""

    max_tool_calls: int = option(
        MAX_CALLS, "tool calls in one text, where agents have tools; 0: no tools", minimum=0
    )
    python_echo: bool = option(False, "the python tool shows the value of a bare last expression")
    tavily_keys_file: str | None = option(
        None, "file of Tavily keys, one a line (default: TAVILY_API_KEY, or .env)", neutral=True
    )
    tavily_base_url: str | None = option(None, "another endpoint that speaks Tavily's protocol")
    search_folder: str | None = option(None, "search the text files of this folder, not the web")
    search_cache: str | None = option(
        None,
        "where searches are kept, so that none is made twice (default: search in the run folder)",
        neutral=True,
    )
    search_offline: bool = option(False, "answer searches from search_cache alone")
    allow_unisolated_code: bool = option(
        False, "run model-written code with limits only, where no sandbox is to be had"
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.search_folder is not None:
            for name in ("search_offline", "tavily_keys_file", "tavily_base_url"):
                if getattr(self, name):
                    raise UserError(f"{name} is not read where search_folder is; give one of the two")
        if self.search_offline and self.search_cache is None:
            raise UserError("search_offline needs kept searches; give --search_cache FOLDER")


@dataclass(frozen=True, kw_only=True)
class GradingSettings:
    """How answers are graded"""

    lcb_use_private_tests: bool = option(True, "livecodebench: the private tests count, too")
    judge_model: str | None = option(None, "language model that judges answers, too (search benchmarks)")
    judge_base_url: str | None = option(None, "the judge's endpoint (default: OpenAI's own)")

    def __post_init__(self) -> None:
        check_options(self)
        if self.judge_base_url is not None and self.judge_model is None:
            raise UserError("judge_base_url names an endpoint but no model; give --judge_model MODEL")


@dataclass(frozen=True, kw_only=True)
class RecordSettings:
    """What is kept of a run"""

    output_dir: str | None = option(None, "run folder (default: runs/STYLE-DATASET-TIME)", neutral=True)
    resume: bool = option(False, "go on with the run in output_dir, if there is one", neutral=True)
    result_jsonl: str | None = option(None, "also write the samples to this file", neutral=True)
    log_with: str | None = option(
        None,
        "also report figures as they come to one of tensorboard, trackio, wandb",
        choices=TRACKERS,
        neutral=True,
    )
    push_to_hub: str | None = option(
        None,
        "when the run has finished, push its results into this dataset on the hub, private",
        neutral=True,
    )
    push_samples: bool = option(
        True, "push_to_hub: questions and answers, too, not config and summary alone", neutral=True
    )
    push_public: bool = option(
        False, "push_to_hub: into a public repository, which a new one is then", neutral=True
    )
    dry_run: bool = option(
        False, "print what would be used and where it comes from; load no weights", neutral=True
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.resume and not self.output_dir:
            raise UserError("resume needs the run's folder; give --output_dir FOLDER")
        if not self.push_to_hub and (self.push_public or not self.push_samples):
            raise UserError("push_samples and push_public say how to push; give --push_to_hub REPO, too")
