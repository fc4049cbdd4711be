"""A scripted agent: a model that recites, with a tokenizer that merges brackets with what follows them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from recursivemas.agents.agent import Agent
from recursivemas.engine import LocalEngine
from recursivemas.links import InnerLink
from tests.support.scripted.modeling_scripted import ScriptedConfig, ScriptedForCausalLM

MODEL_FILE = Path(__file__).with_name("modeling_scripted.py")
HIDDEN_SIZE = 32
START = "<|im_start|>assistant\n"
MERGES = [(">", "Ċ"), (">", "."), ("<", "/"), ("Ġ", "<"), ("o", "n"), ("on", ">"), ("on>", "Ċ")]
"""Tokens that hold a tag's end with what follows or stands before: `>` and a line's end, `on>`, ..."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Scripts = Mapping[str, Sequence[str]]
"""By a text in the prompt: what is written before the first result, after it, after the next, ..."""


def scripted_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, and a few merges of them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merged = [left + right for left, right in MERGES]
    vocab = {token: index for index, token in enumerate([*alphabet, *merged])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _with_chat(tokenizer)


def spaced_tokenizer() -> PreTrainedTokenizerFast:
    """The same merges in the manner of Llama 2 and Mistral: a space is put in front of every text."""
    characters = [chr(code) for code in range(33, 127)]
    translated = [tuple(part.replace("Ċ", "\n").replace("Ġ", "▁") for part in merge) for merge in MERGES]
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "\n", *characters]
    vocab = {token: index for index, token in enumerate([*pieces, *map("".join, translated)])}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocab, merges=translated, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return _with_chat(tokenizer)


def _with_chat(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)
    fast.add_special_tokens(
        {
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "additional_special_tokens": ["<|im_start|>"],
        }
    )
    fast.chat_template = TEMPLATE
    return fast


def scripted_model(
    tokenizer: PreTrainedTokenizerFast, scripts: Scripts, hidden_size: int = HIDDEN_SIZE
) -> ScriptedForCausalLM:
    ids = Agent(role="", engine=None, tokenizer=tokenizer, inner_link=None, repo_id="").plain_ids
    config = ScriptedConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        scripts=[[ids(when), [ids(part) for part in parts]] for when, parts in scripts.items()],
        start=list(tokenizer(START, add_special_tokens=False).input_ids),
        result_end=ids("</result>"),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return ScriptedForCausalLM(config).eval()


def scripted_agent(scripts: Scripts, tokenizer: PreTrainedTokenizerFast | None = None) -> Agent:
    tokenizer = tokenizer or scripted_tokenizer()
    return Agent(
        role="scripted",
        engine=LocalEngine(scripted_model(tokenizer, scripts)),
        tokenizer=tokenizer,
        inner_link=InnerLink(HIDDEN_SIZE).eval().requires_grad_(False),
        repo_id="scripted",
    )


def save_scripted_release(folder: Path, scripts: Scripts, hidden_size: int) -> Path:
    """The agent as a role's repository, its model with code of its own (`trust_remote_code`)."""
    tokenizer = scripted_tokenizer()
    scripted_model(tokenizer, scripts, hidden_size).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").write_text("{}")  # a repository without one is refused
    shutil.copy(MODEL_FILE, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {
        "AutoConfig": f"{MODEL_FILE.stem}.ScriptedConfig",
        "AutoModelForCausalLM": f"{MODEL_FILE.stem}.ScriptedForCausalLM",
    }
    (folder / "config.json").write_text(json.dumps(config))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(InnerLink(hidden_size).state_dict(), folder / "adapter.pt")
    (folder / "adapter_config.json").write_text(json.dumps({"adapter_type": "ln_res_adapter"}))
    return folder
