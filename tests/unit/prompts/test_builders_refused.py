"""Published prompts.py files that are refused, and questions that fail alone; a file sees nothing of ours."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from recursivemas.files.disk_cache import DiskCache
from recursivemas.prompts import PromptRequest, PromptsError, PublishedPrompts, builders, load_prompts
from recursivemas.prompts.builders import LIMITS, Builders
from recursivemas.prompts.choose import beside_builders
from recursivemas.prompts.prompt_file import read_prompt_file
from recursivemas.question import Question
from recursivemas.sandbox import find_isolation, run_python
from recursivemas.styles import PUBLISHED_STYLES, load_style

pytestmark = pytest.mark.process

PUBLISHED = Path(__file__).parent / "published"


def variant(tmp_path: Path, old: str, new: str, name: str = "straight") -> Path:
    """An imitation with one text replaced."""
    source = (PUBLISHED / name / "prompts.py").read_text(encoding="utf-8")
    assert old in source
    path = tmp_path / "prompts.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    return path


def test_only_what_a_style_and_task_need_has_to_be_there(tmp_path: Path) -> None:
    path = variant(tmp_path, "def build_distill_expert_prompt(", "def other(")
    path.write_text(path.read_text().replace('HIE_CODE_EXPERT_SLOT = "', 'OTHER = "'))
    path.write_text(path.read_text().replace('PLANNER_SLOT = "<<PLAN>>"', 'PLANNER_SLOT = ""'))
    path.write_text(path.read_text().replace("def build_code_planner_prompt(", "def nothing("))
    source = load_prompts(path, release="toy-random")
    source.check(PUBLISHED_STYLES["deliberation"], task="math", mode="latent")
    for style, task, mode, lacks in (
        ("distillation", "math", "latent", r"lacks build_distill_expert_prompt, which style distillation"),
        ("mixture", "math", "latent", r"lacks HIE_CODE_EXPERT_SLOT, which"),
        ("sequential_light", "math", "latent", r"lacks PLANNER_SLOT \(empty\), which"),
        ("sequential_light", "code", "latent", r"lacks build_code_planner_prompt, PLANNER_SLOT \(empty\)"),
        ("deliberation", "math", "text", r"lacks build_deliberation_toolcaller_prompt, which"),
        ("sequential_light", "math", "text", r"lacks build_math_refiner_prompt, build_math_solver_prompt, "),
    ):
        with pytest.raises(PromptsError, match=lacks):
            source.check(PUBLISHED_STYLES[style], task=task, mode=mode)


def test_a_style_of_ones_own_has_to_fit_the_builders_slots() -> None:
    source = load_prompts(PUBLISHED / "conditions", release="toy-random")
    agent = {"role": "a", "repo": "x/a", "prompt": "sequential/critic"}
    style = load_style({"name": "mine", "agents": [agent], "links": []})
    with pytest.raises(Exception, match="has a slot 'plan' that no link to a fills"):
        source.check(style, task="math", mode="latent")
    style = load_style({"name": "mine", "agents": [{**agent, "prompt": "mine/one"}], "links": []})
    with pytest.raises(Exception, match="has no prompts 'mine/one'"):
        source.check(style, task="math", mode="latent")


PLAN = 'f"Plan the sum.\\n\\n{question}\\n\\nNo answer."'
REFINE = 'f"Refine.\\n\\n{question}\\n\\nPlan: {PLANNER_SLOT}\\n\\nPlan only."'


def ask(path: Path, *texts: str, prompt: str = "sequential/planner", **limits: Any) -> list[Any]:
    """What a file gives for questions, unlike ours with nothing kept."""
    file = read_prompt_file(path)
    builders = Builders(file, limits=type(LIMITS)(**{**LIMITS.__dict__, **limits}), cache=None)
    source = PublishedPrompts(file, beside_builders({}), builders)
    return source.write(
        [PromptRequest(prompt=prompt, question=Question(id="1", text=text)) for text in texts]
    )


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("int('x')", r"build_math_planner_prompt\(question='bad'.* fails with ValueError: invalid literal"),
        ("None", "gave back NoneType, not a text"),
        ("exit(3)", "SystemExit: 3"),
        ("os._exit(3)", "ends its process with code 3"),
        ("os.kill(os.getpid(), 9)", "ends its process with signal 9"),
        ("time.sleep(60)", "takes longer than 2 seconds"),
        ("[0] * (1 << 40)", "MemoryError"),
        ("sys.stderr.write('x' * (1 << 22))", "writes more than 1 MiB"),
        ("'x' * (1 << 22)", "writes more than 1 MiB"),
    ],
)
def test_a_builder_that_fails_on_a_question_fails_there_alone(
    tmp_path: Path, broken: str, reason: str
) -> None:
    path = variant(tmp_path, f"return {PLAN}", f"return {broken} if 'bad' in question else {PLAN}")
    path.write_text("import os, sys, time\n" + path.read_text())
    first, bad, last = ask(path, "good", "bad", "good again", time_s=2.0, output_bytes=1 << 20)
    assert first == ["Plan the sum.\n\ngood\n\nNo answer."]
    assert last == ["Plan the sum.\n\ngood again\n\nNo answer."]
    with pytest.raises(PromptsError, match=f"(?s){reason}"):
        raise bad


def test_a_file_that_ends_again_and_again_is_given_up(tmp_path: Path) -> None:
    path = variant(tmp_path, f"return {PLAN}", "os._exit(1)")
    path.write_text("import os\n" + path.read_text())
    answers = ask(path, *(f"question {number}" for number in range(50)))
    assert len(answers) == 50
    assert all("ends its process with code 1" in str(answer) for answer in answers)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("question", "does not show '<<PLAN>>', which marks the slot plan"),
        ("question + 2 * PLANNER_SLOT", "shows '<<PLAN>>' once too often"),
        ("f'{len(question.strip(PLANNER_SLOT))} {question} {PLANNER_SLOT}'", None),
        ("question.replace(PLANNER_SLOT, '') + PLANNER_SLOT", "does not tell the two apart"),
    ],
)
def test_a_slot_without_its_one_place_is_the_questions_error(
    tmp_path: Path, shown: str, reason: str | None
) -> None:
    (answer,) = ask(variant(tmp_path, REFINE, shown), "What <<PLAN>> is?", prompt="sequential/critic")
    if reason is None:
        assert isinstance(answer, list)
    else:
        assert str(answer).startswith("build_math_refiner_prompt_with_slot: ")
        assert reason in str(answer)


FORK = "import os, re, time\nif os.fork() == 0:\n    {}\n"


@pytest.mark.parametrize(
    "child",
    [
        "time.sleep(300)",
        "pass",
        "os.setsid(); os.fork(); time.sleep(300)",
        "os.close(0); os.close(1); time.sleep(300)",
    ],
)
def test_children_that_a_file_forks_hold_nothing_up(tmp_path: Path, child: str) -> None:
    path = variant(tmp_path, "import re", FORK.format(child))
    assert ask(path, "good") == [["Plan the sum.\n\ngood\n\nNo answer."]]


@pytest.mark.parametrize(
    "line",
    [b"nonsense\\n", b"[0]\\n", b'[0, {"text": 3}]\\n', b"{}\\n", b'[7, {"text": ""}]\\n', b"\\xff\\n"],
)
def test_bad_lines_among_the_answers_are_named(tmp_path: Path, line: bytes) -> None:
    write = (
        f"import os, re\nfor fd in range(3, 20):\n    try: os.write(fd, {line!r}.replace(b'\\\\n', b'\\n'))\n"
    )
    path = variant(tmp_path, "import re", f"{write}    except OSError: pass\n")
    with pytest.raises(PromptsError, match="spoils what its process answers"):
        ask(path, "good")


UNPRINTABLE = """
class Odd(Exception):
    def __str__(self): raise self
raise Odd
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "import re",
            "import nosuchmodule",
            r"does not load: ModuleNotFoundError: .*'nosuchmodule' \(line \d+ of prompts\.py\)$",
        ),
        ("import re", "raise SystemExit(3)", r"does not load: SystemExit: 3 \(line \d+ of prompts\.py\)$"),
        (
            "import re",
            "raise KeyboardInterrupt",
            r"does not load: KeyboardInterrupt \(line \d+ of prompts\.py\)$",
        ),
        (
            "import re",
            "import json; json.loads('\\n')",
            r"does not load: JSONDecodeError: .* \(line \d+ of prompts\.py\)$",
        ),
        (
            "import re",
            UNPRINTABLE,
            r"does not load: Odd: its message cannot be shown \(line \d+ of prompts\.py\)$",
        ),
        ("import re", "import os; os._exit(3)", "ends its process with code 3; its last words: .none."),
        ("import re", "import re, time; time.sleep(60)", "takes longer than 1 seconds"),
        ("import re", "def", "is no valid Python"),
    ],
)
def test_a_file_that_does_not_load_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(PromptsError, match=message):
        ask(variant(tmp_path, old, new), "good", time_s=1.0)


@pytest.mark.parametrize("place", [".", "prompts.py"])
def test_the_librarys_own_doorway_is_no_published_file(place: str) -> None:
    with pytest.raises(PromptsError, match=r"prompts\.py is this library's own doorway.*--prompts default"):
        load_prompts(Path(__file__).parents[3] / place, release="hub")


def test_an_error_in_a_module_beside_the_file_is_placed_there(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("\nraise ValueError('one\\ntwo')\n")
    with pytest.raises(PromptsError, match=r"does not load: ValueError: one two \(line 2 of beside\.py\)$"):
        ask(variant(tmp_path, "import re", "import beside, re"), "good")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"none\.py' is no file; give auto, published, default"):
        load_prompts(tmp_path / "none.py", release="toy-random")
    with pytest.raises(PromptsError, match=r"prompts\.py is no file; give a published prompts\.py"):
        load_prompts(tmp_path, release="toy-random")


def test_the_file_sees_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.txt").write_text("s3cret")
    look = (
        "import os, glob, re\n"
        "seen = [str(os.environ), str(os.listdir())]\n"
        f"for name in [*glob.glob('/proc/*/environ'), {str(tmp_path / 'beside.txt')!r}]:\n"
        "    try: seen.append(open(name, 'rb').read().decode(errors='replace'))\n"
        "    except OSError as error: seen.append(str(error))\n"
        "raise ValueError(seen)\n"
    )
    with pytest.raises(PromptsError, match="does not load") as caught:
        ask(variant(tmp_path, "import re", look), "good")
    if find_isolation(allow_unisolated=True) != "limits":  # which documents what it leaves open
        assert "s3cret" not in str(caught.value)
    assert "ValueError" in str(caught.value)


def test_modules_beside_the_file_come_along(tmp_path: Path) -> None:
    package = tmp_path / "words" / "deep"
    package.mkdir(parents=True)
    (tmp_path / "words" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .. import other\nfrom . import inner\n")
    (package / "inner.py").write_text("WORD = 'Plan'\n")
    (tmp_path / "words" / "other.py").write_text("import lone\n")
    (tmp_path / "lone.py").write_text("")
    (tmp_path / "unread.py").write_text("")
    path = variant(tmp_path, "import re", "import re\nfrom words.deep.inner import WORD")
    path.write_text(path.read_text().replace(PLAN, "WORD + question"))
    assert ask(path, "!") == [["Plan!"]]
    file = read_prompt_file(path)
    assert "unread.py" not in file.files
    before, described = file.fingerprint, file.describe()
    (tmp_path / "lone.py").write_text("X = 1\n")
    changed = read_prompt_file(path)
    assert (changed.sha256, changed.fingerprint == before) == (file.sha256, False)
    assert changed.describe() != described


def test_answers_are_kept_by_the_files_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = variant(tmp_path, PLAN, "'1' + question")
    cache = DiskCache(tmp_path / "answers")
    runs: list[int] = []

    def counting(code: str, *, stdin: str, **given: Any) -> Any:
        runs.append(len(json.loads(stdin)["calls"]))
        return run_python(code, stdin=stdin, **given)

    monkeypatch.setattr(builders, "run_python", counting)

    def write(*texts: str) -> list[Any]:
        file = read_prompt_file(path)
        source = PublishedPrompts(file, beside_builders({}), Builders(file, cache=cache))
        return source.write(
            [PromptRequest(prompt="sequential/planner", question=Question(id="1", text=t)) for t in texts]
        )

    assert write("a", "b", "a") == [["1a"], ["1b"], ["1a"]]
    assert runs == [0, 2]
    assert write("b", "c") == [["1b"], ["1c"]]
    assert runs == [0, 2, 1]
    assert write("c", "a") == [["1c"], ["1a"]]
    assert runs == [0, 2, 1]
    path.write_text(path.read_text().replace("'1' +", "'2' +"))
    assert write("a") == [["2a"]]
    assert runs == [0, 2, 1, 0, 1]


def test_nothing_of_the_file_runs_in_this_process(tmp_path: Path) -> None:
    path = variant(tmp_path, "import re", "import re, os\nPID = str(os.getpid())")
    path.write_text(path.read_text().replace(PLAN, "PID"))
    (answer,) = ask(path, "good")
    assert answer != [str(os.getpid())]
    assert "prompts" not in sys.modules or sys.modules["prompts"].__file__ != str(path)
