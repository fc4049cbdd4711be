"""A language model that recites: what it writes next is looked up, not computed.

It is a model like any other to its user: embeddings in, hidden states out, a cache that rows come and go in.
What it has read is told from its cache alone, so a cache that lost or mixed up rows would show.
"""

from __future__ import annotations

import torch
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

SHARPNESS = 60.0
"""Makes the next token's logit stand out so far that sampling finds no other."""


class ScriptedConfig(PreTrainedConfig):
    """`scripts` are pairs: token ids to be found in the prompt, and what is written then, as a list of ids
    for each result that was read before. An answer begins behind `start`, a result ends with `result_end`."""

    model_type = "scripted"

    def __init__(
        self,
        vocab_size=300,
        hidden_size=32,
        scripts=(),
        start=(),
        result_end=(),
        max_position_embeddings=65536,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = 1
        self.scripts = [list(script) for script in scripts]
        self.start = list(start)
        self.result_end = list(result_end)
        self.max_position_embeddings = max_position_embeddings
        super().__init__(**kwargs)


class ScriptedForCausalLM(PreTrainedModel):
    config_class = ScriptedConfig
    base_model_prefix = "decoder"

    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.lm_head = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.generation_config = GenerationConfig()
        self.post_init()

    def _init_weights(self, module):
        """Different directions of one length for the tokens, so that each is its own nearest neighbour."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.config.vocab_size, self.config.hidden_size)
        directions = torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)
        with torch.no_grad():
            if module is self.embed_tokens:
                module.weight.copy_(directions)
            elif module is self.lm_head:
                module.weight.copy_(SHARPNESS * directions)

    def get_input_embeddings(self):
        return self.embed_tokens

    def get_output_embeddings(self):
        return self.lm_head

    def get_decoder(self):
        return self

    def forward(
        self,
        inputs_embeds=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        use_cache=None,
        **kwargs,
    ):
        keys = inputs_embeds.unsqueeze(1)
        if past_key_values is not None:
            keys, _ = past_key_values.update(keys, keys, 0)
        read = [self._ids(row[mask.bool()]) for row, mask in zip(keys[:, 0], attention_mask, strict=True)]
        assert [len(ids) - 1 for ids in read] == position_ids[:, -1].tolist(), "positions count what was read"
        following = torch.tensor([self._next(ids) for ids in read], device=inputs_embeds.device)
        hidden = self.embed_tokens(following).unsqueeze(1).expand_as(inputs_embeds)
        return BaseModelOutputWithPast(last_hidden_state=hidden, past_key_values=past_key_values)

    def _ids(self, embeddings):
        """The tokens of these embeddings, -1 for what is none (a latent)."""
        distances, ids = torch.cdist(embeddings, self.embed_tokens.weight).min(dim=1)
        return torch.where(distances < 1e-2, ids, -1).tolist()

    def _next(self, ids):
        start = _find_all(ids, self.config.start)
        if not start:
            return self.config.eos_token_id
        prompt, answer = ids[: start[-1]], ids[start[-1] :]
        ends = _find_all(answer, self.config.result_end)
        said = len(answer) - (ends[-1] if ends else 0)
        parts = next((says for when, says in self.config.scripts if _find_all(prompt, when)), [])
        part = parts[len(ends)] if len(ends) < len(parts) else []
        return part[said] if said < len(part) else self.config.eos_token_id


def _find_all(ids, wanted):
    """Where each occurrence ends."""
    size = len(wanted)
    return [end for end in range(size, len(ids) + 1) if ids[end - size : end] == list(wanted)]
