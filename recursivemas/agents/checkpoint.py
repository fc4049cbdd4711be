"""A model's folder, read as far as it can be without its weights, and held against itself.

transformers makes do with much: a tokenizer without its vocabulary has two tokens, a generation config of any
types is taken as it is. All of that is found here, before any weights are loaded.
"""

from __future__ import annotations

import json
import logging
import math
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from recursivemas.errors import UserError, unreadable
from recursivemas.files.archives import ArchiveError, check_archive
from recursivemas.release.manifests import (
    COMPANION_SUFFIXES,
    GENERATION_CONFIG,
    TOKENIZER_CONFIG,
    weight_files,
)
from recursivemas.release.repositories import open_folder
from recursivemas.release.resolve import model_view

logger = logging.getLogger(__name__)

PROBE = "what is 12 + 30?"
"""Plain text that every tokenizer can write and read back."""
LEAST_SHARE = 0.5
"""Embeddings are padded to a round number, by a few in a hundred at most; a tokenizer that names fewer of
them than this share is another model's, or what is left of one."""
MAX_LAYERS = 4096
LEAST_BYTES = 0.5
"""What a number takes, at least, in the most thrifty of quantizations."""
NUMBERS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What a generation config gives as a number, if at all."""
CORRECT = "Correct it there"
UNSTORED = ("F8", "F6", "F4")
"""How dtypes begin that no model computes in: these need a quantization that says what they mean."""


class LoadError(UserError):
    """A model cannot be loaded as asked: a damaged checkpoint, a device or dtype that is not there."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What is known of a model before its weights are loaded."""

    config: PreTrainedConfig
    """That of its text part."""
    whole: PreTrainedConfig
    """That of the whole model."""
    tokenizer: PreTrainedTokenizerBase
    """It pads on the left and has a pad token."""
    generation: GenerationConfig | None
    """What the model itself says of sampling, None where it has no such file."""

    @property
    def quantized(self) -> bool:
        """Whether its weights are stored quantized."""
        return _is_quantized(self.whole)


@contextmanager
def reading(model_dir: Path, what: str = "model") -> Iterator[Path]:
    """A view of a model's folder to read from; what fails in there is a LoadError naming the folder."""
    try:
        with model_view(model_dir) as view:
            yield view
    except (UserError, torch.OutOfMemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # also what a library in Rust panics with, which is no Exception
        raise LoadError(_explain(model_dir, what, error)) from error


def read_outline(model_dir: Path, *, trust_remote_code: bool = False, weights: bool = True) -> Outline:
    """Everything but the weights; of these, with `weights`, the headers.

    A tokenizer that knows more tokens than the model embeds is warned of. Raises LoadError for what cannot be
    read, and for files that do not go together.
    """
    _check_readable(model_dir)
    _check_model_type(model_dir, trust_remote_code)
    options = {"trust_remote_code": trust_remote_code, "local_files_only": True}
    generation = None
    with reading(model_dir, "config.json") as view:
        whole = AutoConfig.from_pretrained(view, **options)
        config = whole.get_text_config()
    _check_sizes(model_dir, config)
    if (model_dir / GENERATION_CONFIG).exists():
        _check_generation(model_dir / GENERATION_CONFIG)
        with reading(model_dir, GENERATION_CONFIG) as view:
            generation = GenerationConfig.from_pretrained(view)
    _read_json(model_dir / TOKENIZER_CONFIG)
    with reading(model_dir, "tokenizer") as view:
        tokenizer = AutoTokenizer.from_pretrained(view, **options)
        _check_tokenizer(model_dir, tokenizer, config, generation)
    if weights:
        _check_weights(model_dir, whole, config)
    tokenizer.name_or_path = str(model_dir)  # the view is gone by now
    # As the release sets a loaded tokenizer, for who batches with it; our own batches are of embeddings.
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Outline(config=config, whole=whole, tokenizer=tokenizer, generation=generation)


def _is_quantized(whole: PreTrainedConfig) -> bool:
    return getattr(whole, "quantization_config", None) is not None


# ---------------------------------------------------------------------------------------------------------
# Configurations


def _check_readable(model_dir: Path) -> None:
    """Raise LoadError for a file that is there and may not be read: libraries call it missing or damaged."""
    for path in sorted(model_dir.iterdir()):
        if path.suffix in {*COMPANION_SUFFIXES, ".safetensors", ".bin"} and not path.is_dir():
            try:
                path.open("rb").close()
            except OSError as error:
                raise LoadError(unreadable(path, error)) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise LoadError(f"{path} is damaged: it is nested too deeply. {_replace(path)}") from error
    except ValueError as error:
        raise LoadError(f"{path} is damaged: it is not valid JSON ({error}). {_replace(path)}") from error
    except OSError as error:
        raise LoadError(unreadable(path, error)) from error
    if not isinstance(data, dict):
        raise LoadError(f"{path} is damaged: it holds a {type(data).__name__}, no mapping. {_replace(path)}")
    return data


def _check_model_type(model_dir: Path, trust_remote_code: bool) -> None:
    path = model_dir / "config.json"
    data = _read_json(path)
    _check_depth(path, data)
    if "auto_map" in data and trust_remote_code:
        return
    kind = data.get("model_type")
    own_code = (
        " Its repository brings code of its own: read that, and allow it with --trust_remote_code."
        if "auto_map" in data
        else ""
    )
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise LoadError(
            f"{path} names the model_type {kind!r}, which transformers {transformers.__version__} does not "
            f"know. It may be misspelled, or newer than that: update transformers.{own_code}"
        )
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise LoadError(
            f"{path} names the model_type {kind!r}, which writes no text; an agent needs a causal language "
            f"model.{own_code}"
        )


def _check_depth(path: Path, data: Mapping[str, Any]) -> None:
    """Raise LoadError for a depth that would fill the memory: a configuration makes a list of its layers."""
    for part in (data, data.get("text_config")):
        layers = part.get("num_hidden_layers") if isinstance(part, dict) else None
        if type(layers) is int and layers > MAX_LAYERS:
            raise LoadError(f"{path} says {layers} layers; no model has more than {MAX_LAYERS}. {CORRECT}")


def _check_sizes(model_dir: Path, config: PreTrainedConfig) -> None:
    for name in ("hidden_size", "num_hidden_layers", "vocab_size"):
        value = getattr(config, name, None)
        if type(value) is not int or value <= 0:
            raise LoadError(
                f"{model_dir / 'config.json'} gives {name} as {value!r}; it has to be a whole number from 1. "
                + CORRECT
            )


def _check_generation(path: Path) -> None:
    """Raise LoadError for values of other types than sampling can use."""
    data = _read_json(path)
    for name in NUMBERS:
        value = data.get(name)
        if value is not None and (type(value) not in (int, float) or not math.isfinite(value) or value < 0):
            raise LoadError(f"{path} gives {name} as {value!r}; it has to be a number from 0 up. {CORRECT}")
        if name == "top_k" and value is not None and type(value) is not int:
            raise LoadError(f"{path} gives {name} as {value!r}; it has to be a whole number. {CORRECT}")
    ends = data.get("eos_token_id")
    if not all(type(id_) is int for id_ in (ends if isinstance(ends, list) else [ends]) if id_ is not None):
        raise LoadError(
            f"{path} gives eos_token_id as {ends!r}; it has to be a token id, or a list. {CORRECT}"
        )


# ---------------------------------------------------------------------------------------------------------
# The tokenizer


def _check_tokenizer(
    model_dir: Path,
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
    generation: GenerationConfig | None,
) -> None:
    """Hold a tokenizer against what it has to do, and against its model."""
    where, num_tokens, num_embeddings = f"the tokenizer in {model_dir}", len(tokenizer), config.vocab_size
    together = "are its files all there, and this model's own? Get them from its publisher again"
    read = tokenizer.decode(tokenizer(PROBE, add_special_tokens=False).input_ids).strip()
    if read != PROBE:
        raise LoadError(
            f"{where} has {num_tokens} tokens and reads {PROBE!r} as {read[:100]!r}, so no question could be "
            f"read; {together}"
        )
    if num_tokens < LEAST_SHARE * num_embeddings:
        raise LoadError(f"{where} has {num_tokens} tokens and the model embeds {num_embeddings}; {together}")
    if tokenizer.eos_token_id is None:
        raise LoadError(f"{where} names no eos_token, so no text could end")
    ends = {id_ for source in (config, generation) for id_ in _ids(getattr(source, "eos_token_id", None))}
    if ends and all(id_ >= num_tokens for id_ in ends):
        raise LoadError(
            f"{where} has {num_tokens} tokens, and the model ends texts with token {min(ends)}; {together}"
        )
    if num_tokens > num_embeddings:
        # As in the release: a tokenizer that was saved anew often knows a token or two that no text uses.
        logger.warning(
            "the tokenizer in %s has %d tokens and the model embeds %d; a question that needs one of the "
            "others will be refused",
            *(model_dir, num_tokens, num_embeddings),
        )


def _ids(value: Any) -> list[int]:
    return [id_ for id_ in (value if isinstance(value, list) else [value]) if type(id_) is int]


# ---------------------------------------------------------------------------------------------------------
# Weights


def _check_weights(model_dir: Path, whole: PreTrainedConfig, config: PreTrainedConfig) -> None:
    """Hold the headers of the weights' files against their index and the configuration."""
    form, *shards = weight_files(open_folder(model_dir))
    stored: dict[str, set[str]] = {}
    quantized = _is_quantized(whole)
    for name in shards or [form]:
        path = model_dir / name
        if path.suffix == ".bin":
            try:
                check_archive(path)
            except ArchiveError as error:
                raise LoadError(f"{path} was refused: {error}. {_replace(path)}") from error
        else:
            dtypes = _header(path)
            stored[name] = set(dtypes)
            odd = next((key for key, dtype in dtypes.items() if dtype.startswith(UNSTORED)), None)
            if odd and not quantized:
                raise LoadError(
                    f"{path} stores {odd} as {dtypes[odd]}, and config.json names no quantization that would "
                    "say what it means; use weights in bfloat16, float16 or float32"
                )
    if shards and stored:
        for key, name in _read_json(model_dir / form)["weight_map"].items():
            if key not in stored[name]:
                raise LoadError(
                    f"{model_dir / name} does not hold {key}, which {form} places there; the files are of "
                    f"different models or versions. {_replace(model_dir / name)}"
                )
    num_bytes = sum((model_dir / name).stat().st_size for name in shards or [form])
    if num_bytes < config.vocab_size * config.hidden_size * LEAST_BYTES:
        raise LoadError(
            f"the weights in {model_dir} ({', '.join(shards or [form])}) have {num_bytes} bytes, too little "
            f"for {config.vocab_size} embeddings of {config.hidden_size} numbers; are they this model's?"
        )
    num_tensors = sum(map(len, stored.values()))
    if stored and config.num_hidden_layers > num_tensors:
        raise LoadError(
            f"{model_dir / 'config.json'} says {config.num_hidden_layers} layers, and the weights hold "
            f"{num_tensors} tensors; do the two belong together?"
        )


def _header(path: Path) -> dict[str, str]:
    """The dtype of each tensor of a file, by name."""
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise LoadError(f"{path} is damaged or cut short ({error}). {_replace(path)}") from error
    except OSError as error:
        raise LoadError(unreadable(path, error)) from error


# ---------------------------------------------------------------------------------------------------------
# Words


def _replace(path: Path) -> str:
    """What to do about one damaged file; one of the hub's cache is a link to its content."""
    if path.is_symlink():
        return f"Delete {path.resolve()} and run again to download it anew"
    return "Copy or build it again"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _explain(model_dir: Path, what: str, error: BaseException) -> str:
    """Why something of a model's folder cannot be read, and what helps."""
    for cause in _chain(error):
        if isinstance(cause, pickle.UnpicklingError):  # torch's own words advise to run its code
            return (
                f"the weights in {model_dir} were refused: they hold more than tensors, and reading that "
                "could run code. Use weights in the safetensors format"
            )
        if isinstance(cause, PermissionError):
            return unreadable(Path(cause.filename or model_dir), cause)
        if isinstance(cause, ImportError):
            return f"the {what} in {model_dir} needs a package: {_first_line(cause)}. Install it"
    return (
        f"the {what} in {model_dir} cannot be read ({type(error).__name__}: {_first_line(error)}). It may be "
        f"damaged: copy or download it again; or made for another version of transformers than "
        f"{transformers.__version__}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
