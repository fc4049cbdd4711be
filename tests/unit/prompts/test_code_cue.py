"""The words that ask for code again, read off a file that is not run."""

import pytest

from recursivemas.prompts import PromptsError
from recursivemas.prompts.code_cue import find_code_cue

CUE = "Wrong format: code and nothing else.\nFinal Code:\n```python\n"
BROKEN = f"\n{CUE}"


@pytest.mark.parametrize(
    "source",
    [
        f"CUE = {CUE!r}",
        f"def f(text):\n    return text.rstrip() + {BROKEN!r}",
        f"def f(text):\n    return f'{{text}}\\n' {CUE!r}",
        "LINE = 'Wrong format: code and nothing else.'\n"
        "def f(text):\n    return text + '\\n' + LINE + '\\nFinal Code:\\n' + '```python\\n'",
        "LINE = 'Wrong format: code and nothing else.'\n"
        "def f(text):\n    return f'{text.rstrip()}\\n{LINE}\\nFinal Code:\\n```python\\n'",
        "def f():\n"
        "    return '\\n'.join(['Wrong format: code and nothing else.', 'Final Code:', '```python', ''])",
        f"def f():\n    return {CUE!r}\ndef g():\n    return {CUE!r}",
        f"import nobody_has_this\nOTHER = 'Final Answer: \\\\boxed{{'\nCUE = {CUE!r}",
    ],
)
def test_the_cue_is_found_however_it_is_written(source: str) -> None:
    assert find_code_cue(source.encode(), "lcb_utils.py") == CUE


@pytest.mark.parametrize(
    "source",
    [
        "X = 1",
        "X = 'Final Code:\\n```python\\n'",
        "X = 'Say so. Final Code:\\n```\\n'",
        f"X = {CUE!r}\nY = {'Other. ' + CUE.replace('Wrong', 'Bad')!r}",
        "def f(line):\n    return line + '\\nFinal Code:\\n```python\\n'",
        "X = X + X\n" + "".join(f"Y{n + 1} = Y{n} + Y{n}\n" for n in range(60)) + "Y0 = 'a'",
    ],
)
def test_what_is_no_single_cue_is_none(source: str) -> None:
    assert find_code_cue(source.encode(), "lcb_utils.py") is None


def test_what_is_no_python_is_named() -> None:
    with pytest.raises(PromptsError, match=r"lcb_utils\.py is no valid Python"):
        find_code_cue(b"def (", "lcb_utils.py")
