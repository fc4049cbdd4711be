"""LiveCodeBench: contest problems, solved by a program or by a function, with public and private tests."""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import reprlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recursivemas.benchmarks.base import Benchmark, Row, text_field
from recursivemas.grading.code_tests import Case, TestJob, case_job
from recursivemas.question import Question

TIME_LIMIT_S = 6.0
MAX_TESTS_BYTES = 1 << 30
"""How large a question's private tests may become when they are unpacked."""

FILES = ("test.jsonl", *(f"test{number}.jsonl" for number in range(2, 7)))
RELEASES = {
    **{f"release_v{number}": FILES[:number] for number in range(1, 7)},
    **{f"v{number}": FILES[number - 1 : number] for number in range(1, 7)},
}
"""Each release adds a file to those before; `v6` is what the sixth one added."""

STRING_OPCODES = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
OTHER_OPCODES = ("PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "STOP")


@dataclass(frozen=True, kw_only=True)
class LiveCodeBenchTests:
    """The tests as the row holds them. They are unpacked when they are needed: all of them fill gigabytes."""

    row: Row

    def to_job(self, question: Question, *, private: bool) -> TestJob:
        cases = read_cases(self.row["public_test_cases"])
        if private:
            cases += read_cases(unpack(self.row["private_test_cases"]))
        if not cases:
            raise ValueError("there are no test cases")
        return case_job(question, cases, TIME_LIMIT_S)


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The problem, with the starter code where there is some; `metadata.func_name` asks for a function.

    Both stand in the text as they are in the row, outer white space included.

    Source: docs/protocol.md, "Questions".
    """
    function_name = _metadata(row["metadata"]).get("func_name")
    text_field(row, "question_content")  # to hear of none
    text = str(row["question_content"])
    read_cases(row["public_test_cases"])  # to hear of bad ones before a model has run
    if not isinstance(row["private_test_cases"], str):
        raise ValueError(
            f"field 'private_test_cases' has to be text, not {reprlib.repr(row['private_test_cases'])}"
        )
    starter = str(row["starter_code"] or "")
    if starter.strip():
        text = f"{text}\n\nStarter code:\n{starter}"
    return Question(
        id=question_id,
        text=text,
        kind="function" if function_name else "program",
        function_name=function_name,
        meta={"tests": LiveCodeBenchTests(row=row)},
    )


def _metadata(value: Any) -> Mapping[str, Any]:
    """A mapping, or one as JSON text."""
    data = json.loads(value) if isinstance(value, str) and value.strip() else value or {}
    if not isinstance(data, Mapping):
        raise ValueError(f"field 'metadata' has to be an object, not {reprlib.repr(value)}")
    name = data.get("func_name")
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"metadata.func_name is {name!r}, which is no name of a function")
    return data


def read_cases(text: str) -> list[Case]:
    """(input, expected output) of each case in a JSON list of them; ValueError for anything else."""
    cases = json.loads(text) if isinstance(text, str) else None
    if not isinstance(cases, list):
        raise ValueError(f"test cases have to be a list as JSON text, not {str(text)[:200]}")
    for case in cases:
        if not isinstance(case, dict) or not all(isinstance(case.get(n), str) for n in ("input", "output")):
            raise ValueError(f"a test case needs the texts 'input' and 'output', not {str(case)[:200]}")
    return [(case["input"], case["output"]) for case in cases]


def unpack(packed: str) -> str:
    """Private test cases as JSON text, from that or from base64 -> zlib -> pickle of it.

    Nothing is unpickled: the one string in the pickle is read. Any pickle of something else is refused with a
    ValueError, as is one that becomes larger than `MAX_TESTS_BYTES`.
    """
    if packed.lstrip().startswith("["):
        return packed
    try:
        inflater = zlib.decompressobj()
        pickled = inflater.decompress(base64.b64decode(packed, validate=True), MAX_TESTS_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"private test cases are neither JSON nor base64 of zlib data: {error}") from error
    if not inflater.eof:
        raise ValueError(f"private test cases are cut off, or larger than {MAX_TESTS_BYTES} bytes")
    return _read_pickled_string(pickled)


def _read_pickled_string(pickled: bytes) -> str:
    strings = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in STRING_OPCODES:
            strings.append(argument)
        elif opcode.name not in OTHER_OPCODES:
            raise ValueError(f"private test cases hold a pickle of more than a string ({opcode.name})")
    if len(strings) != 1:
        raise ValueError(f"private test cases hold a pickle of {len(strings)} strings; there has to be one")
    return str(strings[0])


LIVECODEBENCH = Benchmark(
    name="livecodebench",
    to_question=to_question,
    columns=("question_content", "starter_code", "public_test_cases", "private_test_cases", "metadata"),
    hub_id="livecodebench/code_generation_lite",
    split="release_v6",
    hub_files=RELEASES,
    id_columns=("question_id",),
    task="code",
    metric="pass@1",
)
