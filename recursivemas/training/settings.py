"""What a training run is told. The command line has one flag a field, with the same name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from recursivemas.errors import UserError
from recursivemas.links import DEFAULT_OUTER_VARIANT, INNER_ALIASES, INNER_VARIANTS, OUTER_VARIANTS
from recursivemas.options import check_options, option
from recursivemas.settings import DTYPES, TRACKERS
from recursivemas.styles import DEFAULT_INNER_VARIANT, PUBLISHED_STYLES, Style
from recursivemas.training.rows import TASKS

INITS = ("random", "scale", "ridge", "loaded")
SCHEDULES = ("cosine", "constant")
PRECISIONS = ("no", "bf16")
LINK_DTYPES = ("auto", "float32", "float64", "bfloat16")
MESSAGES = ("teacher", "rollout")


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """What holds for inner and outer links. Raises UserError for a value out of range."""

    init: str = option(
        "random",
        "where links start: random (as published), scale, ridge, or loaded (the links that there are)",
        choices=INITS,
    )
    batch_size: int = option(2, "rows that are read side by side", minimum=1)
    gradient_accumulation_steps: int = option(1, "such batches that make a step", minimum=1)
    max_steps: int = option(20_000, "steps; 0: num_train_epochs times all rows", minimum=0)
    num_train_epochs: int = option(1, "how often all rows are seen, where max_steps is 0", minimum=0)
    lr_scheduler_type: str = option("cosine", "cosine (to 0 over all steps) or constant", choices=SCHEDULES)
    warmup_steps: int = option(10, "steps over which the learning rate rises from 0", minimum=0)
    weight_decay: float = option(0.0, "weight decay", minimum=0)
    max_grad_norm: float = option(1.0, "gradients are scaled down to this norm; 0: never", minimum=0)
    seed: int = option(42, "seed of the links' start and of the rows' order")
    enable_thinking: bool = option(False, "thinking on, where a chat template knows the switch")
    gradient_checkpointing: bool = option(
        False, "compute layers, or an inner link, again on the way back, for less memory"
    )
    mixed_precision: str = option(
        "no", "bf16: models compute in bfloat16 where PyTorch's autocast says so", choices=PRECISIONS
    )
    log_every: int = option(10, "steps between two lines of metrics", minimum=1)
    save_steps: int = option(500, "steps between two checkpoints; 0: none", minimum=0)
    eval_steps: int = option(0, "steps between two evaluations; 0: none", minimum=0)
    eval_samples: int = option(0, "so many of the rows are held out, to evaluate on", minimum=0)
    log_with: str | None = option(None, "also report to one of tensorboard, trackio, wandb", choices=TRACKERS)

    def __post_init__(self) -> None:
        check_options(self)
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"{name} is {value}; it has to be a finite number")
        if self.eval_steps and not self.eval_samples:
            raise UserError("eval_steps evaluates on rows that are held out; give --eval_samples N, too")
        if self.eval_samples and not self.eval_steps:
            raise UserError("eval_samples holds rows out that nothing looks at; give --eval_steps N, too")

    @property
    def rows_per_step(self) -> int:
        """Of one process."""
        return self.batch_size * self.gradient_accumulation_steps

    @property
    def learning_rate(self) -> float:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class InnerSettings(LearningSettings):
    """How an inner link learns."""

    batch_size: int = option(4, "rows that are read side by side", minimum=1)
    adapter_type: str = option(
        DEFAULT_INNER_VARIANT, "the link's variant", choices=(*INNER_VARIANTS, *INNER_ALIASES)
    )
    adapter_lr: float = option(5e-4, "learning rate", minimum=0)
    adapter_cos_weight: float = option(1.0, "weight of 1 - cosine", minimum=0)
    adapter_mse_weight: float = option(0.0, "weight of the mean squared error", minimum=0)
    adapter_relative_weight: float = option(
        0.0, "weight of the squared error relative to the embedding's squared norm", minimum=0
    )
    adapter_dtype: str = option(
        "auto", "the link's precision: auto is float32, or float64 for such a model", choices=LINK_DTYPES
    )
    max_length: int = option(
        2048, "longest conversation in tokens; a longer one is cut on the right", minimum=2
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.adapter_cos_weight or self.adapter_mse_weight or self.adapter_relative_weight):
            raise UserError("all parts of the loss weigh 0; give one of adapter_cos_weight and the others")

    @property
    def learning_rate(self) -> float:
        return self.adapter_lr


@dataclass(frozen=True, kw_only=True)
class OuterSettings(LearningSettings):
    """How a style's outer links learn."""

    num_recursive_rounds: int = option(3, "rounds of the recursion", minimum=1)
    outer_adapter_type: str = option(
        DEFAULT_OUTER_VARIANT, "the links' variant", choices=tuple(OUTER_VARIANTS)
    )
    outer_types: tuple[str, ...] = option((), "KEY=VARIANT: another one for one link (may be repeated)")
    outer_lr: float = option(5e-4, "learning rate; 1e-4 is steadier", minimum=0)
    outer_dtype: str = option(
        "auto", "the links' precision: auto is float32, or float64 for such models", choices=LINK_DTYPES
    )
    supervise_final_only: bool = option(True, "learn from the last round's answer alone")
    non_last_loss_weight: float = option(0.1, "else the weight of the earlier rounds' mean loss", minimum=0)
    messages: str = option(
        "teacher",
        "what passes over links: teacher (hidden states of the target texts, as published) or rollout (the "
        "agents' own thoughts, as where questions are solved)",
        choices=MESSAGES,
    )
    latent_length: int = option(32, "steps of a rollout", minimum=0)
    through_rollout: bool = option(False, "gradients also pass from step to step of a rollout")
    max_latent_tokens: int = option(80, "so many positions of a target text pass on at most", minimum=1)
    max_length: int = option(
        4096, "longest conversation in positions; a longer one is cut on the left", minimum=2
    )
    eval_max_new_tokens: int = option(512, "longest answer in an evaluation, in tokens", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.through_rollout and self.messages != "rollout":
            raise UserError("through_rollout is about rollouts; give --messages rollout, too, or drop it")
        if self.through_rollout and self.gradient_checkpointing:
            raise UserError(
                "through_rollout keeps the steps of a rollout, which gradient_checkpointing would compute "
                "again without their caches; give one of the two"
            )
        self.variants()

    @property
    def learning_rate(self) -> float:
        return self.outer_lr

    def variants(self) -> Mapping[str, str]:
        """The variants that differ, by a link's key or `source->target`."""
        named = {}
        for entry in self.outer_types:
            key, equals, variant = entry.partition("=")
            if not equals or variant not in OUTER_VARIANTS:
                raise UserError(
                    f"outer_types has {entry!r}; give KEY=VARIANT, one of {', '.join(OUTER_VARIANTS)}"
                )
            named[key] = variant
        return named


def role_of(key: str, style: Style) -> str:
    """A role by its name, else `agentN` for the Nth; any other key is left as it is."""
    number = key.removeprefix("agent")
    if key in style.roles or key == number or not number.isdecimal():
        return key
    return style.roles[int(number) - 1] if 1 <= int(number) <= len(style.roles) else key


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """What is trained, on what, and where it is kept."""

    style: str = option("sequential_light", f"one of {', '.join(PUBLISHED_STYLES)}, or a YAML file")
    role: str | None = option(None, "train inner: the agent whose link learns")
    task: str = option("math", "what rows are about that do not say: math, code or choice", choices=TASKS)
    dataset_name: str | None = option(
        None, "rows: a file (JSON, JSONL, CSV, Parquet) or a dataset on the hub"
    )
    dataset_config: str | None = option(None, "configuration of the dataset on the hub, where it has several")
    dataset_split: str | None = option(None, "split of the dataset on the hub (default: train)")
    dataset_json_field: str | None = option(None, "the list in a JSON file (default: data)")
    num_samples: int = option(-1, "how many rows, from the first on; -1: all", minimum=-1)
    save_dir: str | None = option(None, "folder for links, checkpoints and metrics")
    resume: bool = option(False, "go on with the training in save_dir, if there is one")
    release: str = option("hub", "where models come from: hub, toy, toy-random, or a release folder")
    revision: str | None = option(None, "commit, tag or branch of every repository on the hub")
    models: tuple[str, ...] = option((), "ROLE=MODEL: a folder or repository instead (may be repeated)")
    ckpt_override: tuple[str, ...] = option(
        (), "ROLE=DIR or outer=DIR: a folder instead of the release's (may be repeated)"
    )
    prompts: str = option("auto", "whose words agents are shown, as in a run")
    device: str = option("auto", "torch device, auto, split, or ROLE=DEVICE,...")
    dtype: str = option("auto", "precision of the models: auto keeps what is stored", choices=DTYPES)
    trust_remote_code: bool = option(False, "allow model code that comes with a repository")

    def __post_init__(self) -> None:
        check_options(self)
        if self.dataset_name is None:
            raise UserError(
                "there is nothing to learn from; give --dataset_name FILE, or a dataset on the hub"
            )
        if self.save_dir is None:
            raise UserError("there is no place for the links; give --save_dir FOLDER")

    def pairs(self, name: str) -> dict[str, str]:
        """`models` or `ckpt_override` as a mapping; a model without a key is the trained agent's."""
        found: dict[str, str] = {}
        for entry in getattr(self, name):
            key, equals, value = entry.partition("=")
            key = key or (self.role or "" if name == "models" else "")
            if not (key and equals and value) or key in found:
                raise UserError(f"{name} has {entry!r}; give KEY=VALUE, each key once")
            found[key] = value
        return found
