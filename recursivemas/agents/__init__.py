"""Agents: a language model with its tokenizer and its inner link, and how one is loaded."""
