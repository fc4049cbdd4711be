"""Answers for `paraphrases.py`: other ways to write them, and wrong ones."""
