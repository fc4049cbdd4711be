"""Toy tokenizers: small BPE vocabularies trained in a moment, each with its family's conventions.

Qwen, Llama 3 and DeepSeek are byte-level: text is cut by a regular expression and every byte is a character.
Gemma and Mistral write a space as `▁` and fall back to byte tokens for characters they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

SPACE = "▁"
BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_SPLIT = rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{TAIL}"
LLAMA_SPLIT = rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{TAIL}"
QWEN3_5_SPLIT = (
    rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MANY = 100_000
"""More tokens than any corpus here yields."""
METASPACE_TRAINING_SPLIT = rf"\n+|\p{{N}}|{SPACE}?[^\s{SPACE}\p{{N}}]+|{SPACE}+"


@dataclass(frozen=True, kw_only=True)
class TokenizerFamily:
    """The conventions of one family's tokenizer.

    `split` is the regular expression of a byte-level tokenizer, None for one with byte fallback. `special`
    tokens vanish when text is decoded without them, `plain` ones (`<think>`) stay. `pad` is None where the
    family names none. A `bos`, where there is one, is put in front of what is encoded with special tokens.
    `adds_space` puts a space in front of each text, as Mistral does. `template` is the chat template's file.
    """

    split: str | None
    special: tuple[str, ...]
    plain: tuple[str, ...] = ()
    eos: str
    pad: str | None = None
    bos: str | None = None
    unk: str | None = None
    adds_space: bool = False
    template: str


CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML_VISION = (*CHATML, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
THINK = ("<think>", "</think>")

QWEN2 = TokenizerFamily(
    split=QWEN_SPLIT, special=CHATML, eos="<|im_end|>", pad="<|endoftext|>", template="chatml"
)
QWEN3 = TokenizerFamily(
    split=QWEN_SPLIT,
    special=CHATML,
    plain=THINK,
    eos="<|im_end|>",
    pad="<|endoftext|>",
    template="chatml_may_think",
)
QWEN3_5 = TokenizerFamily(
    split=QWEN3_5_SPLIT,
    special=CHATML_VISION,
    plain=THINK,
    eos="<|im_end|>",
    pad="<|endoftext|>",
    template="chatml_opens_think",
)
DEEPSEEK = TokenizerFamily(
    split=QWEN_SPLIT,
    special=("<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
    plain=THINK,
    bos="<｜begin▁of▁sentence｜>",
    eos="<｜end▁of▁sentence｜>",
    pad="<｜end▁of▁sentence｜>",
    template="deepseek",
)
LLAMA3 = TokenizerFamily(
    split=LLAMA_SPLIT,
    special=(
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|finetune_right_pad_id|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eom_id|>",
        "<|eot_id|>",
    ),
    bos="<|begin_of_text|>",
    eos="<|eot_id|>",
    template="llama3",
)
GEMMA3 = TokenizerFamily(
    split=None,
    special=(
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<start_of_image>",
        "<end_of_image>",
        "<image_soft_token>",
    ),
    bos="<bos>",
    eos="<eos>",
    pad="<pad>",
    unk="<unk>",
    template="gemma",
)
MISTRAL = TokenizerFamily(
    split=None,
    special=("<unk>", "<s>", "</s>"),
    bos="<s>",
    eos="</s>",
    pad="</s>",
    unk="<unk>",
    adds_space=True,
    template="mistral",
)


def train_tokenizer(
    family: TokenizerFamily, corpus: Sequence[str], *, vocab_size: int | None = None, max_length: int
) -> PreTrainedTokenizerFast:
    """A tokenizer of exactly `vocab_size` tokens, the same one for the same corpus.

    Without a `vocab_size` it has all the tokens that the corpus yields.
    """
    if family.split is None:
        tokenizer = _train_with_byte_fallback(family, corpus, vocab_size)
    else:
        tokenizer = _train_byte_level(family, family.split, corpus, vocab_size)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in family.special])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in family.plain])
    if vocab_size is not None and tokenizer.get_vocab_size() != vocab_size:
        raise ValueError(
            f"the corpus yields {tokenizer.get_vocab_size()} tokens, not {vocab_size}; give it more passages"
        )
    if family.bos is not None:
        tokenizer.post_processor = TemplateProcessing(
            single=f"{family.bos} $A",
            pair=f"{family.bos} $A {family.bos}:1 $B:1",
            special_tokens=[(family.bos, tokenizer.token_to_id(family.bos))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.pad,
        unk_token=family.unk,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        chat_template=_read_template(family.template),
    )


def count_tokens(tokenizer: PreTrainedTokenizerFast, corpus: Sequence[str]) -> list[int]:
    """How often each token id occurs in the corpus."""
    counts = [0] * len(tokenizer)
    for ids in tokenizer(list(corpus), add_special_tokens=False)["input_ids"]:
        for token_id in ids:
            counts[token_id] += 1
    return counts


def _train_byte_level(
    family: TokenizerFamily, split: str, corpus: Sequence[str], vocab_size: int | None
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=(vocab_size or MANY) - len(family.special) - len(family.plain),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def _train_with_byte_fallback(
    family: TokenizerFamily, corpus: Sequence[str], vocab_size: int | None
) -> Tokenizer:
    """Special tokens first, then the 256 bytes, then the trained pieces, as Gemma and Mistral number them."""
    spaces = normalizers.Replace(" ", SPACE)
    trained = Tokenizer(models.BPE())
    trained.normalizer = spaces
    trained.pre_tokenizer = pre_tokenizers.Split(Regex(METASPACE_TRAINING_SPLIT), behavior="isolated")
    first = (*family.special, *BYTE_TOKENS)
    trained.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=(vocab_size or MANY) - len(first) - len(family.plain), show_progress=False
        ),
    )
    model = json.loads(trained.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate((*first, *pieces))},
            merges=[tuple(merge) for merge in model["merges"]],
            byte_fallback=True,
            fuse_unk=True,
            unk_token=family.unk,
        )
    )
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if family.adds_space else spaces
    )
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if family.adds_space else steps)
    return tokenizer


def _read_template(name: str) -> str:
    path = resources.files("recursivemas.zoo") / "templates" / f"{name}.jinja"
    return path.read_text(encoding="utf-8")
