"""Run folders that were cut short, edited or damaged: every command says what is wrong, and where."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path

import pytest

from recursivemas.cli.main import main
from recursivemas.errors import UserError
from recursivemas.recursion.trace import MessageSize, Passage, StageUsage
from recursivemas.runs.files import read_config
from recursivemas.runs.folder import RunFolder
from recursivemas.runs.provenance import check_same_run
from recursivemas.runs.shared import gather_shards
from recursivemas.tools import ToolCall
from tests.support.run_folders import sample_of, write_run

QUESTIONS = ("q0", "q1", "q2")
ORDER = [(question, 0) for question in QUESTIONS]
DEEP = "[" * 900 + "]" * 900
BYTES = {
    "nothing": b"",
    "a number": b"5\n",
    "an empty mapping": b"{}\n",
    "a list": b"[1, 2]\n",
    "null": b"null\n",
    "half a line": b'{"id": "q0", "roll',
    "no JSON": b"what?\n",
    "zeros": b"\x00" * 64 + b"\n",
    "not UTF-8": b'{"id": "\xff\xfe\xfd"}\n',
    "UTF-16": '{"id": 1}'.encode("utf-16"),
    "nested": f'{{"id": {DEEP}}}\n'.encode(),
    "nested beyond the parser": b"[" * 200_000 + b"\n",
    "5,000 digits": b'{"rollout": ' + b"9" * 5000 + b"}\n",
}
VALUES = [
    *(None, True, -1, 5, 10**30, 1.5, float("nan"), float("inf"), "", "x", "pass@x", "\ud800", "\x1b[2J"),
    *([], {}, [[]], [None], {"": {}}, {"value": None, "origin": "default"}, json.loads(DEEP[850:950])),
]


def full_sample(question: str) -> dict:
    call = ToolCall(tool="python", request="1", status="ok", result="1", seconds=0.5, end=41)
    return sample_of(
        question,
        text="<python> 1 </python> <result> 1 </result>",
        token_ids=(1, 2, 3),
        tool_calls=(call,),
        messages={"r1/a->b": MessageSize((2, 3), 1.0)},
        passages={"r1/a": Passage("so", (4, 5), (call,))},
        usage=(StageUsage(round=1, role="solver", prompt_tokens=5, seconds=0.5, result_tokens=1),),
    ).to_json()


def write_lines(path: Path, samples: list) -> None:
    (path / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))


@pytest.fixture
def run(tmp_path) -> Path:
    path = write_run(tmp_path / "run", [True, False, True])
    write_lines(path, [full_sample(question) for question in QUESTIONS])
    return path


@pytest.fixture
def whole(tmp_path) -> Path:
    return write_run(tmp_path / "whole", [True, True, True])


@pytest.fixture
def commands(run, whole, tmp_path, capsys):
    """Every command that reads a run folder; what each said, "" where it went well."""
    config = read_config(whole)

    def resume():
        check_same_run(read_config(run), config)
        with RunFolder.resume(run, ORDER) as folder:
            gather_shards(folder)

    def call(*arguments: str) -> str:
        status = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        assert status in (0, 2)
        assert err.startswith("error: ") == (status == 2)
        assert "\x1b" not in out + err
        return err

    def every() -> list[str]:
        said = [call("show", run), call("show", run, "--id", "q1"), call("compare", whole, run)]
        said.append(call("report", run, whole, "-o", tmp_path / "report", "--no_plots"))
        try:
            resume()
        except UserError as error:
            return [*said, str(error)]
        return [*said, ""]

    return every


def test_a_whole_run_is_read_by_all(run, commands):
    assert commands() == [""] * 5


def test_a_sample_without_a_text_and_one_that_stands_twice_are_named(run, commands):
    samples = [full_sample(question) for question in QUESTIONS]
    write_lines(run, [*samples[:1], {name: value for name, value in samples[1].items() if name != "text"}])
    assert all("line 2 of" in said and "text is missing" in said for said in commands()[1:])
    write_lines(run, [*samples, samples[1]])
    assert all("line 4 of" in said and "repeats question 'q1'" in said for said in commands()[2:4])


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("left", ["samples.jsonl", "summary.json"])
def test_what_is_left_of_a_run_without_its_config_is_not_overwritten(left, resume, run, capsys):
    kept = (run / left).read_bytes()
    for file in run.iterdir():
        if file.name != left:
            file.unlink()
    flags = ["--release", "toy-random", "--device", "cpu", "--dataset_path", "dataset/demo_math500.jsonl"]
    assert main(["run", *flags, "--output_dir", str(run), *resume]) == 2
    assert f"holds {left} of a run whose config.json is gone" in capsys.readouterr().err
    assert (run / left).read_bytes() == kept


@pytest.mark.parametrize("file", ["config.json", "summary.json"])
@pytest.mark.parametrize("data", BYTES)
def test_a_damaged_record_is_named(file, data, run, commands):
    (run / file).write_bytes(BYTES[data])
    said = commands()
    assert file in said[2]
    assert file in said[3]
    assert file == "summary.json" or all(file in text for text in said)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("data", BYTES)
def test_a_damaged_sample_is_named_or_run_again(data, place, run, commands):
    lines = (run / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (run / "samples.jsonl").write_bytes(b"".join(lines[:place]) + BYTES[data] + b"".join(lines[place + 1 :]))
    *said, _ = commands()
    parsed = data in ("a number", "an empty mapping", "a list", "null", "nested")
    assert (f"line {place + 1} of" in said[2]) == (f"line {place + 1} of" in said[3]) == parsed
    assert parsed or f"holds {place} of 3 answers" in said[2] or data == "nothing"


@pytest.mark.parametrize("data", BYTES)
def test_a_damaged_shard_is_named(data, run, commands):
    (run / "samples.jsonl").unlink()
    (run / "shards").mkdir()
    (run / "shards" / "batch-00001.json").write_bytes(BYTES[data])
    said = commands()
    assert "batch-00001.json" in said[0]
    assert "batch-00001.json" in commands()[-1]


def test_strays_among_the_shards_hinder_nobody(run, commands):
    (run / "shards").mkdir()
    for name in ("batch-x.json", "batch-.json", "notes", "batch-00001.json.bak", "batch-1.claim"):
        (run / "shards" / name).write_text("{")
    (run / "shards" / "batch-00000").mkdir()
    assert commands() == [""] * 5


def places(value, path=()):
    """Every place in a value: paths of keys and indexes."""
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


def changed(value, path, new):
    value = copy.deepcopy(value)
    if not path:
        return new
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


@pytest.mark.parametrize("file", ["config.json", "summary.json", "samples.jsonl"])
def test_no_value_in_any_place_is_a_traceback(file, run, commands):
    """A hundred changes, drawn at random: each command answers or says what is wrong."""
    config = {**read_config(run), "agents": {"solver": {"dtype": "float32"}}, "tools": {"max_calls": 5}}
    value = {"config.json": config, "samples.jsonl": full_sample("q1"), "summary.json": None}[file]
    value = value or json.loads((run / file).read_text())
    draw = random.Random(0)
    every = list(places(value))
    num_refused = 0
    for _ in range(100):
        new = changed(value, draw.choice(every), draw.choice(VALUES))
        if file == "samples.jsonl":
            write_lines(run, [full_sample("q0"), new, full_sample("q2")])
        else:
            (run / file).write_text(json.dumps(new))
        num_refused += any(commands())
    assert num_refused > 30
