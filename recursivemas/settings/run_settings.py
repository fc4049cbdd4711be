"""A run's settings: what can be set, what is recommended, and where each value came from.

Order: built-in default < recommended row < explicit flag < the release's own quirks.
Source of the recommended rows: docs/protocol.md, "Settings".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from recursivemas.benchmarks import find_benchmark
from recursivemas.errors import UserError
from recursivemas.sampling import SamplingSettings
from recursivemas.settings.link_control import LinkControl, read_link_control
from recursivemas.settings.recommended import TABLES, recommended
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.tools import MAX_CALLS

Origin = Literal["default", "recommended", "explicit", "sweep", "quirk"]
Mode = Literal["latent", "text"]
"""What agents pass on."""

MODES = ("latent", "text", "single")
DTYPES = ("auto", "float64", "float32", "float16", "bfloat16")
"""What models and links can be computed in; `auto` keeps what is stored."""

SWEEP = -1
"""The latent_length that stands for a run with each of `SWEPT_LENGTHS`."""
SWEPT_LENGTHS = (16, 32, 48)


@dataclass(frozen=True, kw_only=True)
class SolveSettings:
    """How questions are solved; its fields are those of `RunSettings`, which holds defaults and limits."""

    num_recursive_rounds: int
    latent_length: int
    batch_size: int
    max_new_tokens: int
    seed: int
    sample_seed: int
    num_rollouts: int
    mode: Mode
    links: LinkControl
    enable_thinking: bool
    special_tokens_in_questions: bool
    release_quirks: bool
    save_latents: bool
    rejoin_every: int
    sampling: SamplingSettings


def _option(default: Any, help_text: str, **metadata: Any) -> Any:
    """A field with its help text, its least value, and whether it is `neutral` to the results, has a
    `recommended` value for a style and dataset, or is about tools alone (`of_tools`)."""
    return field(default=default, metadata={"help": help_text, **metadata})


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Every setting of a run; the command line has one flag a field, with the same name."""

    style: str = _option("sequential_light", f"one of {', '.join(PUBLISHED_STYLES)}, or a YAML file")
    mode: str = _option("latent", "what agents pass on: latent or text; single: one agent answers alone")
    role: str | None = _option(None, "the agent that answers in mode single (default: the answering one)")
    dataset: str = _option("math500", "benchmark, or a file of your own: JSON, JSONL, CSV or Parquet")
    dataset_path: str | None = _option(None, "local file in the benchmark's published fields")
    dataset_split: str | None = _option(
        None, "split of the dataset on the hub, instead of the benchmark's own"
    )
    num_samples: int = _option(-1, "how many questions; -1: all", minimum=-1)
    question_seed: int | None = _option(None, "draw the num_samples questions at random with this seed")
    seed: int = _option(42, "seed of all sampling")
    sample_seed: int = _option(
        -1, "seed of the answers: rollout i is written with sample_seed + i; -1: that of --seed", minimum=-1
    )
    num_rollouts: int = _option(1, "answers to each question", minimum=1, recommended=True)
    num_recursive_rounds: int = _option(
        3, "rounds of the recursion; the answer is written in the last", minimum=1, recommended=True
    )
    latent_length: int = _option(
        32,
        "latent steps of a thought; 0: none; -1: a run each with 16, 32 and 48",
        minimum=SWEEP,
        recommended=True,
    )
    batch_size: int = _option(8, "questions solved side by side", minimum=1, recommended=True)
    temperature: float = _option(0.6, "sampling temperature", recommended=True)
    top_p: float = _option(0.95, "nucleus sampling: probability mass that is kept")
    top_k: int = _option(-1, "tokens that are kept; -1: the model's own setting, 0: all")
    min_p: float | None = _option(
        None, "least probability relative to the likeliest token (default: the model's)"
    )
    repetition_penalty: float = _option(1.0, "above 1: repeat less; the model's own setting is not read")
    greedy: bool = _option(False, "always take the likeliest token instead of sampling")
    max_new_tokens: int = _option(4000, "longest answer, in tokens", minimum=1, recommended=True)
    recommended: str = _option("june", "the published table that settings come from: june or april (2026)")
    links: str = _option(
        "trained",
        "what passes between agents; as controls: zero, random (untrained links), identity (thoughts as they "
        "are), shuffle (another question's messages), noise:SIGMA (relative to a message's size)",
    )
    enable_thinking: bool = _option(False, "thinking on, where a chat template knows the switch")
    special_tokens_in_questions: bool = _option(
        False, "read <|im_end|> and the like in a question as the tokens they name, not as text"
    )
    prompts: str = _option(
        "auto",
        "whose words agents are shown: published (fetched once), default (ours), a prompt pack (YAML), a "
        "published prompts.py, a checkout's folder; auto: published for the release hub, else default",
        neutral=True,
    )
    release: str = _option("hub", "where models come from: hub, toy, or a release folder", neutral=True)
    revision: str | None = _option(None, "commit, tag or branch of every repository on the hub")
    ckpt_override: tuple[str, ...] = _option(
        (), "ROLE=DIR or outer=DIR: a folder instead of the release's (may be repeated)"
    )
    trust_remote_code: bool = _option(False, "allow model code that comes with a repository")
    device: str = _option(
        "cuda", "torch device, auto, split (layers over all GPUs), or ROLE=DEVICE,...", neutral=True
    )
    dtype: str = _option("auto", "precision of models and inner links: auto keeps what is stored")
    outer_dtype: str = _option("auto", "precision of outer links: auto follows dtype, else what is stored")
    release_quirks: bool = _option(False, "repeat what the published code does differently from its paper")
    lcb_use_private_tests: bool = _option(True, "livecodebench: the private tests count, too")
    allow_unisolated_code: bool = _option(
        False, "run model-written code with limits only, where no sandbox is to be had"
    )
    judge_model: str | None = _option(None, "language model that judges answers, too (search benchmarks)")
    judge_base_url: str | None = _option(None, "the judge's endpoint (default: OpenAI's own)")
    max_tool_calls: int = _option(
        MAX_CALLS, "tool calls in one text, where agents have tools; 0: no tools", minimum=0, of_tools=True
    )
    rejoin_every: int = _option(
        0,
        "tokens after which questions come back from their tools together, so that no rounding depends on "
        "the tools' pace; 0: each as soon as it can",
        minimum=0,
    )
    python_echo: bool = _option(
        False, "the python tool shows the value of a bare last expression", of_tools=True
    )
    tavily_keys_file: str | None = _option(
        None,
        "file of Tavily keys, one a line (default: TAVILY_API_KEY, or .env)",
        neutral=True,
        of_tools=True,
    )
    tavily_base_url: str | None = _option(
        None, "another endpoint that speaks Tavily's protocol", of_tools=True
    )
    search_folder: str | None = _option(
        None, "search the text files of this folder, not the web", of_tools=True
    )
    search_cache: str | None = _option(
        None,
        "where searches are kept, so that none is made twice (default: search in the run folder)",
        neutral=True,
        of_tools=True,
    )
    search_offline: bool = _option(False, "answer searches from search_cache alone", of_tools=True)
    save_latents: bool = _option(False, "keep every message in the run folder")
    output_dir: str | None = _option(None, "run folder (default: runs/STYLE-DATASET-TIME)", neutral=True)
    resume: bool = _option(False, "go on with the run in output_dir, if there is one", neutral=True)
    result_jsonl: str | None = _option(None, "also write the samples to this file", neutral=True)
    dry_run: bool = _option(
        False, "print what would be used and where it comes from; load no weights", neutral=True
    )

    def __post_init__(self) -> None:
        types = get_type_hints(RunSettings)
        for spec in fields(self):
            object.__setattr__(self, spec.name, _typed(getattr(self, spec.name), types[spec.name], spec.name))
            value, least = getattr(self, spec.name), spec.metadata.get("minimum")
            if least is not None and value is not None and value < least:
                raise UserError(f"{spec.name} is {value}; it has to be {least} or more")
        if self.mode not in MODES:
            raise UserError(f"mode is {self.mode!r}; it has to be one of {', '.join(MODES)}")
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
        if self.resume and not self.output_dir:
            raise UserError("resume needs the run's folder; give --output_dir FOLDER")
        if self.judge_base_url is not None and self.judge_model is None:
            raise UserError("judge_base_url names an endpoint but no model; give --judge_model MODEL")
        if self.search_folder is not None:
            for name in ("search_offline", "tavily_keys_file", "tavily_base_url"):
                if getattr(self, name):
                    raise UserError(f"{name} is not read where search_folder is; give one of the two")
        if self.search_offline and self.search_cache is None:
            raise UserError("search_offline needs kept searches; give --search_cache FOLDER")
        if self.recommended not in TABLES:
            raise UserError(f"recommended is {self.recommended!r}; it has to be one of {', '.join(TABLES)}")
        if self.question_seed is not None and self.num_samples == -1:
            raise UserError("question_seed draws num_samples questions at random; give --num_samples N, too")
        if self.num_samples == 0:
            raise UserError("num_samples is 0; it has to be 1 or more, or -1 for all")
        self.solve_settings()

    def solve_settings(self) -> SolveSettings:
        return SolveSettings(
            num_recursive_rounds=1 if self.mode == "single" else self.num_recursive_rounds,
            latent_length=self.latent_length,
            batch_size=self.batch_size,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
            sample_seed=self.seed if self.sample_seed == -1 else self.sample_seed,
            num_rollouts=self.num_rollouts,
            mode="text" if self.mode == "text" else "latent",
            links=read_link_control(self.links),
            enable_thinking=self.enable_thinking,
            special_tokens_in_questions=self.special_tokens_in_questions,
            release_quirks=self.release_quirks,
            save_latents=self.save_latents,
            rejoin_every=self.rejoin_every,
            sampling=SamplingSettings(
                greedy=self.greedy,
                temperature=self.temperature,
                top_p=self.top_p,
                top_k=self.top_k,
                min_p=self.min_p,
                repetition_penalty=self.repetition_penalty,
            ),
        )

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


def _typed(value: Any, kind: Any, name: str) -> Any:
    """The value if it is of that kind, whole numbers as floats where floats are meant."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if get_origin(kind) is tuple:
        kinds = (tuple,)
    if type(value) in kinds:
        return value
    if float in kinds and type(value) is int:
        return float(value)
    accepted = " or ".join("none" if one is type(None) else one.__name__ for one in kinds)
    raise UserError(f"{name} is {value!r}; it has to be of the type {accepted}")


def resolve_settings(explicit: Mapping[str, Any]) -> tuple[RunSettings, dict[str, Origin]]:
    """Settings from what was given explicitly, and each field's origin; raises what RunSettings raises."""
    base = RunSettings(**explicit)
    quirks = find_benchmark(base.dataset).release_settings if base.release_quirks else {}
    layers: dict[Origin, Mapping[str, Any]] = {
        "recommended": recommended(base.style, base.dataset, base.recommended),
        "explicit": explicit,
        "quirk": quirks,
    }
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {spec.name: "default" for spec in fields(RunSettings)}
    for origin, layer in layers.items():
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    return RunSettings(**values), origins
