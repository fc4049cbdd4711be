"""The words that ask for code again, in the published place."""


def build_retry_text(text):
    return (
        f"{text.rstrip()}\n"
        "That was no valid format. Give the final code and nothing else.\n"
        "Final Code:\n"
        "```python\n"
    )
