"""Prompts from the builders of a published prompts.py: exact on every question, whatever the builders do."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recursivemas.files.disk_cache import DiskCache
from recursivemas.prompts import (
    PromptRequest,
    PromptsError,
    PublishedPrompts,
    Slot,
    load_pack,
    load_prompts,
)
from recursivemas.prompts.builders import LIMITS, Builders
from recursivemas.prompts.choose import beside_builders
from recursivemas.prompts.probe_questions import adversarial_questions, option_questions
from recursivemas.prompts.prompt_file import read_prompt_file
from recursivemas.question import Question, TaskKind
from recursivemas.sandbox import find_isolation
from recursivemas.styles import PUBLISHED_STYLES, SINGLE_PROMPT, load_style

PUBLISHED = Path(__file__).parent / "published"
CONDITIONS = PUBLISHED / "conditions"
NAME = "count_pairs"
KINDS: tuple[TaskKind, ...] = ("math", "choice", "gpqa", "function", "program")
"""The nine benchmarks ask for these: math500, aime and the search benchmarks; medqa; gpqa; MBPP+; LCB."""


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURSIVEMAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def import_directly(path: Path) -> ModuleType:
    """The same file imported into this process: the slow twin of asking it from outside."""
    spec = importlib.util.spec_from_file_location(f"direct_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def awkward_questions(module: ModuleType) -> list[str]:
    markers = [value for name, value in vars(module).items() if name.endswith("_SLOT")]
    texts = [*adversarial_questions(markers, "Plan the sum."), f"{markers[0]}{markers[0][:-1]}", "\ue000"]
    texts += ["Which?\nA. x\nB. y\n\nCHOOSE the correct OPTION (A/B/C/D).", "half \ud800 a pair"]
    return list(dict.fromkeys([*texts, *option_questions(250)]))


def direct(m: ModuleType, kind: TaskKind, q: str, texts: dict[str, str] | None) -> dict[Any, str]:
    """What the file's own builders give, called as the published code calls them."""
    code = kind in ("function", "program")
    task = {"task_type": "function" if kind == "function" else "complete"} if code else {"task_type": ""}
    task["fn_name"] = NAME if kind == "function" else None
    named = {"mas_task": "code" if code else "math" if kind == "math" else "choice", **task}
    args = SimpleNamespace(solver_pre_question=0, choice_old_prompt=2 if kind == "gpqa" else 0)
    family = "code" if code else "math"
    own = task if code else {}

    def build(name: str, *given: Any, **rest: Any) -> str:
        return getattr(m, name)(q, *given, **rest)

    roles = {}
    for role in ("math", "code", "science"):
        expert = {"hie_role": f"hie_{role}_expert", **named}
        roles[f"mixture/{role}", False] = build("build_hie_expert_prompt", **expert)
        roles[f"mixture/{role}", True] = build("build_hie_expert_prompt_with_feedback_slot", **expert)
    roles |= {
        ("sequential/planner", False): build(f"build_{family}_planner_prompt", **own),
        ("sequential/planner", True): build(f"build_{family}_planner_prompt_with_feedback_slot", **own),
        ("distillation/expert", False): build("build_distill_expert_prompt", **named),
        ("distillation/expert", True): build("build_distill_expert_prompt_with_feedback_slot", **named),
        ("deliberation/reflector", False): build("build_deliberation_reflector_prompt", **named),
        ("deliberation/reflector", True): build(
            "build_deliberation_reflector_prompt_with_feedback_slot", **named
        ),
    }
    if texts is None:
        shape = {"mas_shape": "chain"} if code else {}
        reading = {
            "sequential/critic": build(f"build_{family}_refiner_prompt_with_slot", **own),
            "sequential/solver": build(f"build_{family}_solver_prompt_with_slots", args=args, **shape, **own),
            "mixture/summarizer": build("build_hie_summarizer_prompt_with_slots", **named),
            "distillation/learner": build("build_distill_learner_prompt_with_slot", **named),
            "deliberation/toolcaller": build("build_deliberation_toolcaller_prompt_with_slot", **named),
        }
    else:
        t = texts
        reading = {
            "sequential/critic": build(f"build_{family}_refiner_prompt", t["plan"], **own),
            "sequential/solver": build(f"build_{family}_solver_prompt", t["refined_plan"], args, **own),
            "mixture/summarizer": build(
                "build_hie_summarizer_prompt", t["math"], t["code"], t["science"], **named
            ),
            "distillation/learner": build("build_distill_learner_prompt", t["plan"], **named),
            "deliberation/toolcaller": build(
                "build_deliberation_toolcaller_prompt", t["reflection"], **named
            ),
        }
    return roles | {
        (prompt, feedback): text for prompt, text in reading.items() for feedback in (False, True)
    }


def slots_of(prompt: str) -> tuple[str, ...]:
    """The slots that a published style's links fill, feedback included."""
    agents = [
        (style, agent)
        for style in PUBLISHED_STYLES.values()
        for agent in style.agents
        if agent.prompt == prompt
    ]
    style, agent = agents[0]
    return tuple(link.slot for link in style.inbound(agent.role, with_feedback=True))


SLOT_CONSTANTS = {
    ("sequential", "plan"): "PLANNER_SLOT",
    ("sequential", "refined_plan"): "REFINED_SLOT",
    ("sequential", "feedback"): "FEEDBACK_SLOT",
    ("mixture", "math"): "HIE_MATH_EXPERT_SLOT",
    ("mixture", "code"): "HIE_CODE_EXPERT_SLOT",
    ("mixture", "science"): "HIE_SCIENCE_EXPERT_SLOT",
    ("mixture", "feedback"): "HIE_FEEDBACK_SLOT",
    ("distillation", "plan"): "DISTILL_EXPERT_SLOT",
    ("distillation", "feedback"): "DISTILL_FEEDBACK_SLOT",
    ("deliberation", "reflection"): "DELIBERATION_REFLECTOR_SLOT",
    ("deliberation", "feedback"): "DELIBERATION_FEEDBACK_SLOT",
}


@pytest.mark.parametrize("in_text", [False, True], ids=["latent", "text"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_prompt_is_what_the_builders_give(kind: TaskKind, in_text: bool) -> None:
    module = import_directly(CONDITIONS / "prompts.py")
    questions = awkward_questions(module)
    assert len(questions) > 200
    asked, expected, slots = [], [], []
    for number, text in enumerate(questions):
        texts = {
            slot: f"{slot} {number} <EXPERT_2>{{}}\\1 {module.FEEDBACK_SLOT}" + "y" * (number * 20)
            for _, slot in SLOT_CONSTANTS
        }
        question = Question(id="1", text=text, kind=kind, function_name=NAME if kind == "function" else None)
        for (prompt, feedback), theirs in direct(module, kind, text, texts if in_text else None).items():
            given = {slot: texts[slot] for slot in slots_of(prompt) if feedback or slot != "feedback"}
            asked.append(
                PromptRequest(
                    prompt=prompt, question=question, feedback=feedback, texts=given if in_text else None
                )
            )
            slots.append(tuple(given))
            expected.append((theirs, texts))
    source = load_prompts(CONDITIONS, release="toy")
    for request, pieces, (theirs, texts), wanted in zip(
        asked, source.write(asked), expected, slots, strict=True
    ):
        assert isinstance(pieces, list), pieces
        family = request.prompt.partition("/")[0]
        if in_text:
            (shown,) = pieces
            if "feedback" in wanted:  # no builder takes a feedback text: it stands in its slot
                before, _, after = theirs.rpartition(module.__dict__[SLOT_CONSTANTS[family, "feedback"]])
                if request.prompt.startswith("distillation"):
                    before, _, after = theirs.partition(module.DISTILL_FEEDBACK_SLOT)
                if request.prompt.startswith("deliberation"):
                    before, _, after = theirs.partition(module.DELIBERATION_FEEDBACK_SLOT)
                theirs = f"{before}{texts['feedback']}{after}"
            assert shown == theirs
        else:
            assert tuple(piece.name for piece in pieces if isinstance(piece, Slot)) == wanted
            shown = "".join(
                getattr(module, SLOT_CONSTANTS[family, piece.name]) if isinstance(piece, Slot) else piece
                for piece in pieces
            )
            assert shown == theirs, (request.prompt, request.feedback)


def test_the_imitation_has_both_kinds_of_conditions() -> None:
    """What a template could not do, and what the published file does (docs/protocol.md, "Prompts")."""
    source = load_prompts(CONDITIONS, release="toy")
    lettered = "Which?\nA. x\nB. y"

    def show(prompt: str, kind: TaskKind, text: str) -> str:
        (pieces,) = source.write(
            [PromptRequest(prompt=prompt, question=Question(id="1", text=text, kind=kind))]
        )
        assert isinstance(pieces, list)
        return "".join(map(str, pieces))

    assert show("mixture/summarizer", "math", lettered).endswith("The option's letter, then its value.")
    assert show("mixture/summarizer", "math", "1 + 1?").endswith("The value in \\boxed{}.")
    assert show("mixture/summarizer", "choice", lettered).endswith("The letter in \\boxed{}.")
    line = "Choose the correct option (A/B/C/D)."
    assert show("mixture/code", "choice", lettered).count(line) == 1
    assert show("mixture/code", "choice", f"{lettered}\n{line}").count(line) == 1
    assert line not in show("mixture/code", "math", lettered)


def test_slots_are_told_from_a_question_that_spells_them() -> None:
    source = load_prompts(PUBLISHED / "straight", release="toy")
    question = Question(id="1", text="<<PLAN>> <<PLAN>> <<<PLAN>>>?")
    (pieces,) = source.write([PromptRequest(prompt="sequential/critic", question=question)])
    assert pieces == [f"Refine.\n\n{question.text}\n\nPlan: ", Slot("plan"), "\n\nPlan only."]


def test_what_a_run_records_and_asks_again_with() -> None:
    source = load_prompts(CONDITIONS / "prompts.py", release="toy")
    file = read_prompt_file(CONDITIONS)
    described = source.describe()
    assert (described["origin"], described["name"]) == ("file", "prompts.py")
    assert described["sha256"] == file.sha256
    assert described["code_cue"]["origin"] == "file"
    assert source.retry_cue("math") == "Final Answer: \\boxed{"
    assert source.retry_cue("gpqa") == source.retry_cue("choice") == "Final Choice: \\boxed{"
    assert source.retry_cue("program") == source.retry_cue("function")
    assert source.retry_cue("function") == (
        "That was no valid format. Give the final code and nothing else.\nFinal Code:\n```python\n"
    )
    lettered = Question(id="1", text="Which?\nA. x\nB. y")
    assert source.answer_kind(lettered, "sequential/solver") == "math", "the release goes by its task"


def test_without_the_file_of_the_cue_our_own_words_are_used(caplog: pytest.LogCaptureFixture) -> None:
    source = load_prompts(PUBLISHED / "straight", release="toy")
    for _ in range(2):
        source.check(PUBLISHED_STYLES["mixture"], task="code", mode="latent")
    assert source.retry_cue("function") == load_pack().retry_cue("function")
    assert source.describe()["code_cue"]["origin"] == "default"
    assert caplog.text.count("our own are used") == 1
    assert caplog.text.count("is not the published prompts.py") == 1


def test_system_texts_come_from_the_file() -> None:
    source = load_prompts(CONDITIONS, release="toy")
    assert source.system("mixture/math") == "You answer with care."
    assert source.system("deliberation/reflector", ("python",)).startswith("As the reflector you have")


def test_what_no_builder_writes_comes_from_a_pack() -> None:
    source = load_prompts(CONDITIONS, release="toy")
    question = Question(id="1", text="1 + 1?")
    (pieces,) = source.write([PromptRequest(prompt=SINGLE_PROMPT, question=question)])
    assert pieces == load_pack().template(SINGLE_PROMPT, "math").render(question)
    own = {"mixture": {"science": {"any": "Mine: [[question]]"}}}
    source = load_prompts(CONDITIONS, release="toy", style_prompts=own)
    ours, theirs = source.write(
        [PromptRequest(prompt=f"mixture/{role}", question=question) for role in ("science", "math")]
    )
    assert ours == ["Mine: 1 + 1?"]
    assert theirs == ["You are the hie_math_expert.\n1 + 1?\nThink."]
    assert source.system("mixture/science") == "You answer with care."


# ---------------------------------------------------------------------------------------------------------
# What is refused, and what fails alone


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
    source = load_prompts(path, release="toy")
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
    source = load_prompts(CONDITIONS, release="toy")
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
        load_prompts(tmp_path / "none.py", release="toy")
    with pytest.raises(PromptsError, match=r"prompts\.py is no file; give a published prompts\.py"):
        load_prompts(tmp_path, release="toy")


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
    original: Callable[..., Any] = Builders._run

    def counting(self: Builders, calls: Any, constants: Any) -> Any:
        runs.append(len(calls))
        return original(self, calls, constants)

    monkeypatch.setattr(Builders, "_run", counting)

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
