"""An agent: a language model with its tokenizer and its inner link, and how one is loaded.

Shapes: B batch, T prompt positions, L latent steps, D the agent's hidden size.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from recursivemas.engine import Backbone, PromptBatch
from recursivemas.errors import UserError
from recursivemas.hub import model_view
from recursivemas.links import InnerLink
from recursivemas.prompts import ChatPrompt

logger = logging.getLogger(__name__)

DTYPES: dict[str, torch.dtype | None] = {
    "auto": None,
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


CONTROL = re.compile(r"[<\[].*\w.*[>\]]", re.DOTALL)
SENTINELS = ("a", "\n", ".")
"""Texts to go on from: one of them ends where a token ends, whatever follows."""
CONTEXT_TOKENS = 8
"""How many ids before a text decide how it is decoded: enough for a letter of several bytes."""
SPLIT: Literal["split"] = "split"
"""In place of a device: a model's layers are spread over all accelerators, for models larger than one."""
Placement = torch.device | Literal["split"]


class LoadError(UserError):
    """A model cannot be loaded as asked: a damaged checkpoint, a device or dtype that is not there."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent of a loaded system."""

    role: str
    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    inner_link: InnerLink
    repo_id: str
    revision: str | None = None

    @property
    def model(self) -> PreTrainedModel:
        return self.backbone.model

    @property
    def hidden_size(self) -> int:
        return self.backbone.hidden_size

    @property
    def device(self) -> torch.device:
        return self.backbone.device

    @property
    def stop_ids(self) -> frozenset[int]:
        """What ends a text: the tokenizer's end-of-sequence token (protocol section 3, "Decoding")."""
        return frozenset({self.tokenizer.eos_token_id})

    @cached_property
    def closing_ids(self) -> frozenset[int]:
        """Every token that may end a tag: those with a `>` in them, however they are spelled."""
        return frozenset(id_ for token, id_ in self.tokenizer.get_vocab().items() if ">" in token)

    def token_ids(self, text: str) -> list[int]:
        """Token ids of a text as it stands, no special tokens added."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a text from elsewhere that goes on where another one ends.

        What is spelled like a control token in it is plain text: it is tokenized in two pieces. No space is
        put in front, as some tokenizers do with a text that they take for a beginning.
        """
        ids: list[int] = []
        while control := self._controls.search(text):
            ids += self._continuing_ids(text[: control.start() + 1])
            text = text[control.start() + 1 :]
        return ids + self._continuing_ids(text)

    def text(self, token_ids: Sequence[int], *, after: Sequence[int] = ()) -> str:
        """The text of token ids, letter by letter, special tokens left out.

        `after` are the ids before them, if any: some tokenizers drop the space that a text begins with.
        """
        before = self._decode(after[-CONTEXT_TOKENS:])
        whole = self._decode([*after[-CONTEXT_TOKENS:], *token_ids])
        return whole[len(before) :] if whole.startswith(before) else self._decode(token_ids)

    def without_controls(self, text: str) -> str:
        """A text in which nothing is spelled like a control token: a space is put into what is."""
        return self._controls.sub(lambda control: f"{control[0][0]} {control[0][1:]}", text)

    @cached_property
    def _controls(self) -> re.Pattern[str]:
        """Every added token that is a mark (<|im_end|>, </think>, [INST]) and not white space or a word."""
        added = [token.content for token in self.tokenizer.added_tokens_decoder.values()]
        marks = sorted(filter(CONTROL.fullmatch, added), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, marks)) or r"(?!)")

    def _continuing_ids(self, text: str) -> list[int]:
        if not text:
            return []
        plain = self._encode(text)
        for sentinel in SENTINELS:
            before = self._encode(sentinel)
            both = self._encode(sentinel + text)
            for ids in (plain, both[len(before) :]):
                if self._decode([*before, *ids]) == sentinel + text:
                    return ids
        return plain

    def _encode(self, text: str) -> list[int]:
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return list(encoded.input_ids)

    def _decode(self, token_ids: Sequence[int]) -> str:
        decoded = self.tokenizer.decode(
            token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(decoded)

    def read(self, prompts: Sequence[ChatPrompt], messages: Mapping[str, Tensor]) -> PromptBatch:
        """Prompts with their slots filled, as a left-padded batch of embeddings.

        `messages` are tensors [B, L, D] by slot, in any dtype and on any device; a row's slots are filled
        from the same row. They are cast to the embeddings' dtype.
        """
        latents = {slot: message.to(self.device, self.backbone.dtype) for slot, message in messages.items()}
        ids = [piece for prompt in prompts for piece in prompt.segments if not isinstance(piece, str)]
        texts = iter(
            self.backbone.embed([id_ for piece in ids for id_ in piece]).split([len(p) for p in ids])
        )
        rows = []
        for row, prompt in enumerate(prompts):
            pieces = [
                latents[piece][row] if isinstance(piece, str) else next(texts) for piece in prompt.segments
            ]
            rows.append(torch.cat(pieces))
        return PromptBatch.left_pad(rows)


def resolve_device(device: str | torch.device) -> Placement:
    """A torch device by name; `auto` takes CUDA, else MPS, else the CPU; `split` stays as it is.

    Raises LoadError for a device that this machine or this PyTorch does not have.
    """
    if device == SPLIT:
        if find_spec("accelerate") is None:
            raise LoadError("device 'split' needs accelerate: pip install 'recursivemas[distributed]'")
        return SPLIT
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
        if resolved.type == "meta":
            raise NotImplementedError("meta tensors hold no data")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise LoadError(
            f"device {str(device)!r} is not available here ({reason}). "
            "Use --device cpu (device='cpu'), or auto to take the best there is."
        ) from error
    return resolved


def resolve_dtype(name: str | torch.dtype | None) -> torch.dtype | None:
    """A torch dtype by name; `auto` (None) keeps what is stored. Raises LoadError for any other name."""
    if name is None or isinstance(name, torch.dtype):
        return name
    if name not in DTYPES:
        raise LoadError(f"dtype {name!r} is not one of {', '.join(DTYPES)}")
    return DTYPES[name]


@contextmanager
def reading(model_dir: Path) -> Iterator[Path]:
    """A view of a model's folder to read from; what fails in there is a LoadError naming the folder."""
    generation_config = model_dir / "generation_config.json"
    try:
        if generation_config.exists():  # transformers passes over a damaged one in silence
            json.loads(generation_config.read_text(encoding="utf-8"))
        with model_view(model_dir) as view:
            yield view
    except (UserError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # configurations, weights, tokenizers and their code fail in any way there is
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LoadError(
            f"the model in {model_dir} cannot be read: {type(error).__name__}: {reason}. A file may be "
            "damaged or missing: delete the folder and get the repository again"
        ) from error


def load_backbone(
    model_dir: Path, *, device: Placement, dtype: torch.dtype | None, trust_remote_code: bool
) -> tuple[Backbone, PreTrainedTokenizerBase]:
    """A frozen model in eval mode and its tokenizer, from a folder. `dtype` None keeps the checkpoint's.

    `device` `split` leaves the placing of layers to accelerate.

    The tokenizer pads on the left and has a pad token. A tokenizer that knows more tokens than the model
    embeds is warned of.

    Raises LoadError when weights are missing from the checkpoint (transformers would start them at random) or
    the tokenizer has no end-of-sequence token.
    """
    with reading(model_dir) as view, _no_weight_bars():
        model, report = AutoModelForCausalLM.from_pretrained(
            view,
            dtype="auto" if dtype is None else dtype,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **({"device_map": "auto"} if device == SPLIT else {}),
        )
        tokenizer = AutoTokenizer.from_pretrained(
            view, trust_remote_code=trust_remote_code, local_files_only=True
        )
    _check_complete(model_dir, report)
    _check_tokenizer(model_dir, tokenizer, model.get_input_embeddings().num_embeddings)
    _set_padding(tokenizer)
    model.config._name_or_path = tokenizer.name_or_path = str(model_dir)  # the view is gone by now
    if device != SPLIT:
        model = model.to(device)
    return Backbone(model.eval().requires_grad_(False)), tokenizer


@contextmanager
def _no_weight_bars() -> Iterator[None]:
    """Without transformers' bar for each model: loading a system shows one of its own."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _check_tokenizer(model_dir: Path, tokenizer: PreTrainedTokenizerBase, num_embeddings: int) -> None:
    if len(tokenizer) == 0:
        raise LoadError(f"the tokenizer in {model_dir} has no tokens; are its files all there?")
    if len(tokenizer) > num_embeddings:
        # As in the release: a tokenizer that was saved anew often knows a token or two that no text uses.
        logger.warning(
            "the tokenizer in %s has %d tokens and the model embeds %d; a question that needs one of the "
            "others will be refused",
            model_dir,
            len(tokenizer),
            num_embeddings,
        )
    if tokenizer.eos_token_id is None:
        raise LoadError(f"the tokenizer in {model_dir} names no eos_token, so no text could end")


def _set_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    """As the release sets a loaded tokenizer, for who batches with it; our own batches are of embeddings."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def _check_complete(model_dir: Path, report: Mapping[str, Any]) -> None:
    for problem in ("missing_keys", "mismatched_keys"):
        if names := sorted(str(name) for name in report[problem]):
            weights = next((path.resolve() for path in sorted(model_dir.glob("*.safetensors"))), model_dir)
            raise LoadError(
                f"the checkpoint in {model_dir} does not fit its config.json: {len(names)} "
                f"{problem.replace('_', ' ')} (the first: {', '.join(names[:3])}). If it was downloaded, "
                f"delete {weights} and run again."
            )
