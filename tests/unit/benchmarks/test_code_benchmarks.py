"""mbppplus and livecodebench: rows -> questions, tests in both encodings, and files from the hub."""

import base64
import json
import pickle
import zlib
from pathlib import Path

import huggingface_hub.constants
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from recursivemas.benchmarks import BENCHMARKS, DatasetError, livecodebench, load_questions
from recursivemas.benchmarks.hub_files import FileRows
from recursivemas.benchmarks.livecodebench import read_cases, unpack
from recursivemas.benchmarks.mbppplus import find_function_name
from recursivemas.grading.code import CodeGrader
from recursivemas.sandbox import LEVELS, why_not
from tests.support import hub_server

DATASETS = Path(__file__).parents[3] / "dataset"
MBPPPLUS, LIVECODEBENCH = BENCHMARKS["mbppplus"], BENCHMARKS["livecodebench"]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pack(value):
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


# ---------------------------------------------------------------------------------------------------------
# mbppplus


MBPP_ROW = {
    "task_id": 7,
    "prompt": "Write a function to add.",
    "code": "def helper(): pass\ndef add(a, b): return a + b",
    "test_imports": ["import math"],
    "test_list": [f"assert math.isclose(add({n}, 1), {n + 1})" for n in range(5)],
    "test": "assert add(1, 2) == 3",
}


def test_mbppplus_shows_three_tests_and_keeps_the_script(tmp_path):
    (question,) = load_questions(MBPPPLUS, path=write(tmp_path / "rows.jsonl", [MBPP_ROW]))
    assert question.id == "7"
    assert question.text.count("assert ") == 3
    assert (question.kind, question.function_name, question.gold) == ("function", "add", MBPP_ROW["code"])
    assert question.meta["tests"].script == "import math\nassert add(1, 2) == 3"
    assert question.meta["tests"].time_s == 10


@pytest.mark.parametrize(
    ("tests", "code", "name"),
    [
        (["assert f(g(1)) == 2"], "def g(x): ...\ndef f(x): ...", "f"),
        (["assert set(f([1])) == set([1])"], "def f(x): ...", "f"),
        (["assert sum(10, 15) == 6"], "def sum(a, b): ...", "sum"),
        (["assert (len(f(1)), h(2)) == (1, 2)"], "", "f"),
        (["assert abs(f(2) - 1) < 0.1"], "f = lambda x: x", "f"),
        (["x = 1", "assert f(x)"], "def f(x): ...", "f"),
    ],
)
def test_the_name_of_the_function(tests, code, name):
    assert find_function_name(tests, code) == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_list": []}, "'test_list' is empty"),
        ({"test_list": "assert f()"}, "'test_list' has to be a list"),
        ({"test_list": ["assert (1"]}, "have to be Python"),
        ({"test_list": ["assert 1 == 1"]}, "no test calls a function"),
        ({"test": " "}, "'test' is empty"),
        ({"test_imports": None}, "'test_imports' has to be a list"),
    ],
)
def test_bad_mbppplus_rows(tmp_path, change, message):
    with pytest.raises(DatasetError, match=message):
        load_questions(MBPPPLUS, path=write(tmp_path / "rows.jsonl", [{**MBPP_ROW, **change}]))


# ---------------------------------------------------------------------------------------------------------
# livecodebench


PUBLIC = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}]
PRIVATE = [{"input": "é\n", "output": "3\n", "testtype": "stdin"}]
LCB_ROW = {
    "question_id": "abc",
    "question_content": "Add one.",
    "starter_code": "",
    "public_test_cases": json.dumps(PUBLIC),
    "private_test_cases": json.dumps(PRIVATE),
    "metadata": "{}",
}
FUNCTION = {
    "starter_code": "class Solution:\n    def add(self):\n        ",
    "metadata": '{"func_name": "add"}',
}


def livecodebench_question(tmp_path, **change):
    (question,) = load_questions(LIVECODEBENCH, path=write(tmp_path / "rows.jsonl", [{**LCB_ROW, **change}]))
    return question


def test_a_program(tmp_path):
    question = livecodebench_question(tmp_path)
    assert (question.id, question.kind, question.function_name) == ("abc", "program", None)
    assert question.text == "Add one."


@pytest.mark.parametrize("metadata", ['{"func_name": "add"}', {"func_name": "add"}])
def test_a_function_with_its_starter_code(tmp_path, metadata):
    question = livecodebench_question(tmp_path, **{**FUNCTION, "metadata": metadata})
    assert (question.kind, question.function_name) == ("function", "add")
    assert question.text.endswith(f"\n\nStarter code:\n{FUNCTION['starter_code']}")


@pytest.mark.parametrize("private", [json.dumps(PRIVATE), pack(json.dumps(PRIVATE))])
def test_public_then_private_cases(tmp_path, private):
    question = livecodebench_question(tmp_path, private_test_cases=private)
    job = question.meta["tests"].to_job(question, private=True)
    assert job.fields["cases"] == [("1\n", "2\n"), ("é\n", "3\n")]
    assert (job.fields["mode"], job.fields["time_s"]) == ("programs", 6)
    assert job.time_s >= 2 * 6
    assert question.meta["tests"].to_job(question, private=False).fields["cases"] == [("1\n", "2\n")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"public_test_cases": "[1]"}, "needs the texts 'input' and 'output'"),
        ({"public_test_cases": "{}"}, "have to be a list as JSON text"),
        ({"public_test_cases": []}, "have to be a list as JSON text"),
        ({"metadata": "[1]"}, "'metadata' has to be an object"),
        ({"metadata": '{"func_name": "a b"}'}, "no name of a function"),
        ({"question_content": ""}, "'question_content' is empty"),
    ],
)
def test_bad_livecodebench_rows(tmp_path, change, message):
    with pytest.raises(DatasetError, match=message):
        livecodebench_question(tmp_path, **change)


@pytest.mark.parametrize("text", ["", "x" * 300, "é" * 70_000, "[]"])
@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
def test_one_string_is_read_from_a_pickle_of_any_protocol(text, protocol):
    packed = base64.b64encode(zlib.compress(pickle.dumps(text, protocol))).decode()
    assert unpack(packed) == text


class Hostile:
    def __reduce__(self):
        return (print, ("must not run",))


@pytest.mark.parametrize(
    "packed",
    [
        pack(Hostile()),
        pack(["a list"]),
        pack(b"bytes"),
        pack({"a": 1}),
        pack(7),
        pack(None),
        base64.b64encode(zlib.compress(b"\x80\x04\x8c\x01a\x8c\x01b.")).decode(),
        base64.b64encode(zlib.compress(b"")).decode(),
        base64.b64encode(zlib.compress(b"\x80\x04\x8cZ")).decode(),
        base64.b64encode(zlib.compress(pickle.dumps("x" * 999))[:-9]).decode(),
        base64.b64encode(b"not zlib").decode(),
        "not base64!",
        "",
    ],
)
def test_any_other_pickle_is_refused(packed, capsys):
    with pytest.raises(ValueError, match=r"."):
        read_cases(unpack(packed))
    assert capsys.readouterr().out == ""


def test_a_bomb_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(livecodebench, "MAX_TESTS_BYTES", 1 << 20)
    bomb = base64.b64encode(zlib.compress(pickle.dumps("0" * (2 << 20)))).decode()
    assert len(bomb) < 5000
    with pytest.raises(ValueError, match="larger than 1048576 bytes"):
        unpack(bomb)


@pytest.mark.process
def test_broken_private_cases_are_told_when_they_are_needed(tmp_path):
    level = next(level for level in LEVELS if why_not(level) is None)
    question = livecodebench_question(tmp_path, private_test_cases=pack(["x"]))
    text = "```python\nprint(int(input()) + 1)\n```"
    grade = CodeGrader(isolation=level).grade(text, question)
    assert (grade.correct, grade.verdict) == (False, "bad tests")
    assert CodeGrader(isolation=level, private_tests=False).grade(text, question).correct


# ---------------------------------------------------------------------------------------------------------
# Files from the hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on loopback with two of the six files."""
    repository = tmp_path / "hub" / "livecodebench" / "code_generation_lite"
    repository.mkdir(parents=True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    write(repository / "test.jsonl", [{**LCB_ROW, "question_id": f"a{n}"} for n in range(3)])
    long = [{"input": "x" * 50_000, "output": "y"}]
    write(
        repository / "test2.jsonl", [{**LCB_ROW, "question_id": "b", "private_test_cases": json.dumps(long)}]
    )
    with hub_server.HubServer(tmp_path / "hub") as server:
        template = huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE
        ours = template.replace(huggingface_hub.constants.ENDPOINT, server.url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", ours)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        yield server


def test_a_release_is_its_files_in_order(hub):
    questions = load_questions(LIVECODEBENCH, split="release_v2")
    assert [question.id for question in questions] == ["a0", "a1", "a2", "b"]
    assert len(questions[3].meta["tests"].to_job(questions[3], private=True).fields["cases"][1][0]) == 50_000
    assert [question.id for question in load_questions(LIVECODEBENCH, split="v2")] == ["b"]
    assert sorted(hub.downloads()) == [
        f"{LIVECODEBENCH.hub_id}/{name}" for name in ("test.jsonl", "test2.jsonl")
    ]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda hub: None, "See https://huggingface.co/datasets/livecodebench"),  # test3.jsonl is not there
        (lambda hub: hub.gate(LIVECODEBENCH.hub_id), "See https://huggingface.co/datasets/livecodebench"),
    ],
)
def test_a_hub_that_does_not_give_the_files(hub, fault, message):
    fault(hub)
    with pytest.raises(DatasetError, match=message):
        load_questions(LIVECODEBENCH)


def test_no_network(monkeypatch):
    def refuse(*_, **__):
        raise LocalEntryNotFoundError("nothing cached")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(
        DatasetError, match=r"nothing cached\nCheck the network, and that HF_HUB_OFFLINE is unset"
    ):
        load_questions(LIVECODEBENCH)


def test_an_unknown_release(hub):
    with pytest.raises(DatasetError, match=r"no split 'test'; --dataset_split takes release_v1, .*, v6"):
        load_questions(LIVECODEBENCH, split="test")
    assert hub.requests == []


def test_rows_of_a_file_are_read_again_when_they_are_long(tmp_path):
    long = "é" * 50_000
    path = write(tmp_path / "a.jsonl", [{"short": 1, "long": long}, {"short": 2}])
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n\n"))
    rows = FileRows([path, write(tmp_path / "b.jsonl", [{"short": 3}])])
    assert [row["short"] for row in rows] == [1, 2, 3]
    assert rows[0]["long"] == long
    assert long not in map(str, vars(rows[0]).values())
    assert dict(rows[0]) == {"short": 1, "long": long}
    assert [len(row) for row in rows[0:2]] == [2, 1]
    with pytest.raises(KeyError):
        rows[1]["long"]


@pytest.mark.parametrize("line", ["{", "[1]", "1"])
def test_a_damaged_file(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text(line)
    with pytest.raises(DatasetError, match=r"a\.jsonl, at byte 0"):
        FileRows([path])[0]


# ---------------------------------------------------------------------------------------------------------
# The shipped files


SOLUTIONS = {
    "demo_echo_sum": "print(sum(map(int, input().split())))",
    "demo_stairs": """
n, heights = int(input()), [*map(int, input().split())]
longest = run = 1
for before, after in zip(heights, heights[1:]):
    run = run + 1 if after > before else 1
    longest = max(longest, run)
print(longest)
""",
    "demo_average": "values = [*map(float, open(0))]\nprint('%.2f' % (sum(values)/len(values)))",
    "demo_two_places": """
class Solution:
    def findPlaces(self, numbers: List[int], target: int) -> List[int]:
        return next(p for p in combinations(range(len(numbers)), 2) if sum(numbers[i] for i in p) == target)
""",
    "demo_brackets": """
class Solution:
    def isBalanced(self, text: str) -> bool:
        stack = []
        for character in text:
            if character in "([{":
                stack.append(character)
            elif character in ")]}" and (not stack or stack.pop() + character not in ("()", "[]", "{}")):
                return False
        return not stack
""",
    "demo_grid_paths": """
class Solution:
    def countPaths(self, grid: List[str]) -> int:
        @cache
        def paths(i, j):
            if i < 0 or j < 0 or grid[i][j] == "#":
                return 0
            return 1 if i == j == 0 else paths(i - 1, j) + paths(i, j - 1)
        return paths(len(grid) - 1, len(grid[0]) - 1)
""",
}


@pytest.fixture(scope="module")
def grader():
    return CodeGrader(isolation=next(level for level in LEVELS if why_not(level) is None), workers=2)


@pytest.mark.process
def test_the_demo_tasks_accept_their_solutions_and_refuse_others(grader):
    questions = load_questions(MBPPPLUS, path=DATASETS / "demo_mbppplus.jsonl")
    assert len(questions) >= 8
    right = [(f"```python\n{question.gold}\n```", question) for question in questions]
    wrong = [
        (f"```python\ndef {question.function_name}(*_): return 13\n```", question) for question in questions
    ]
    shown = [
        assertion
        for question in questions
        for assertion in question.text.split("\n")
        if assertion.startswith("assert ")
    ]
    assert len(shown) == 3 * len(questions)
    assert [grade.how for grade in grader.grade_many(right) if not grade.correct] == []
    assert {grade.verdict for grade in grader.grade_many(wrong)} == {"wrong answer"}


@pytest.mark.process
def test_the_demo_problems_accept_solutions_and_refuse_others(grader):
    questions = load_questions(LIVECODEBENCH, path=DATASETS / "demo_livecodebench.jsonl")
    assert {question.id for question in questions} == set(SOLUTIONS)
    assert {question.kind for question in questions} == {"function", "program"}
    packed = [question.meta["tests"].row["private_test_cases"].startswith("[") for question in questions]
    assert set(packed) == {True, False}
    right = [(f"```python\n{SOLUTIONS[question.id]}\n```", question) for question in questions]
    assert [grade.how for grade in grader.grade_many(right) if not grade.correct] == []
    others = [*questions[1:], questions[0]]
    wrong = [(text, question) for (text, _), question in zip(right, others, strict=True)]
    assert not any(grade.correct for grade in grader.grade_many(wrong))
