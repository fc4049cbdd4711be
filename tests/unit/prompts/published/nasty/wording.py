"""A sibling of the nasty prompts.py."""

import re

print('{"texts": {}, "functions": []}')  # on standard output, where an importer may expect its own messages

SHARED = "[[slot:feedback]]"
OPTION = re.compile(r"^[ \t]*\(?([A-E])[\.\)]\s", re.MULTILINE)


def is_choice(text):
    return len(set(OPTION.findall(text))) >= 3


def braces(text):
    return f"{{question}} {{}} %s $x {text}"
