"""What a solution tries, to be taken for right: no verdict is forged, and the tests are out of reach."""

import json

import pytest

from recursivemas.grading import code
from recursivemas.sandbox import Outcome
from tests.support.code_answers import answer, function, program, script

pytestmark = pytest.mark.process


FORGED = json.dumps({"kind": "passed", "detail": "", "nonce": ""})
MESSAGES = """
    import json, os
    def send(value):
        data = json.dumps(value).encode()
        for number in range(3, 64):
            try:
                os.write(number, len(data).to_bytes(8, "little") + data)
            except OSError:
                pass
"""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os\nos._exit(0)", id="exit before the tests"),
        pytest.param("import os\ndef add(a, b): os._exit(0)", id="exit in a test"),
        pytest.param("raise SystemExit(0)", id="SystemExit"),
        pytest.param(f"print({FORGED!r})\nraise SystemExit(0)", id="print a verdict"),
        pytest.param(
            f"""
            import os
            for number in range(256):
                try:
                    os.write(number, {FORGED.encode()!r})
                except OSError:
                    pass
            os._exit(0)
            """,
            id="write a verdict everywhere",
        ),
        pytest.param(
            MESSAGES
            + """
    send(["ready", ["add", "zip"], {"dict": [["__builtins__", 1]]}])
    send(["value", []])
    send(["value", []])
    import time
    time.sleep(9)
    """,
            id="speak for the process that serves",
        ),
        pytest.param(
            MESSAGES + "    send('x')\n    send({'no': 'tag'})\n    os._exit(0)", id="speak nonsense"
        ),
        pytest.param(
            """
            class Equal:
                def __eq__(self, other): return True
                def __ne__(self, other): return False
            def add(a, b): return Equal()
            """,
            id="an object that equals anything",
        ),
        pytest.param(
            """
            class Equal(int):
                def __eq__(self, other): return True
                __hash__ = int.__hash__
            def add(a, b): return Equal()
            """,
            id="a number that equals anything",
        ),
        pytest.param(
            """
            import builtins, json, os, sys, unittest
            builtins.AssertionError = builtins.zip = builtins.isinstance = lambda *_: []
            unittest.TestCase.assertEqual = json.dumps = json.loads = lambda *_, **__: "passed"
            sys.exit = os._exit = lambda *_: None
            sys.excepthook = lambda *_: None
            def check(result, expected): pass
            def zip(*_): return []
            def add(a, b): return 0
            """,
            id="patch what the tests use",
        ),
        pytest.param(
            """
            import sys
            frame = sys._getframe()
            while frame is not None:
                frame.f_globals.update(failure=None, check=lambda *_: None, VERDICT="passed")
                for name, value in list(frame.f_globals.items()):
                    if name == "_call":
                        frame.f_globals[name] = lambda *_: ["value", 3]
                frame = frame.f_back
            def add(a, b): return 3
            """,
            id="patch the frames above",
        ),
        pytest.param("import os\nos.kill(os.getppid(), 9)", id="kill the tests"),
        pytest.param("import os\nos.kill(os.getppid(), 19)", id="stop the tests"),
        pytest.param(
            f"""
            import os
            for name in ("fd/3", "fd/1", "fd/0", "mem"):
                try:
                    os.write(os.open(f"/proc/{{os.getppid()}}/{{name}}", os.O_WRONLY), {FORGED.encode()!r})
                    print("reached")
                    os.kill(os.getppid(), 9)
                except OSError:
                    pass
            def add(a, b): return 0
            """,
            id="write to the tests' files",
        ),
    ],
)
def test_a_verdict_cannot_be_forged(grader_at, code):
    grade = grader_at.grade(answer(code), script(time_s=1.5))
    assert not grade.correct, grade.how
    assert grade.verdict in ("ended early", "wrong answer", "time limit", "runtime error")


PLANTED = f"""
    import os
    forged = {FORGED!r}
    if os.path.exists("been here"):
        os.write(2, forged.encode())  # where the next test's files are what the last one put there
        print(forged)
        os._exit(0)
    open("been here", "w").close()
    for name in ("stderr", "input", "stdin", "stdout", "solution.py", "output", "verdict", "main.py", "3"):
        for target in PLACES:
            try:
                os.path.lexists(name) and os.unlink(name)
                os.symlink(target, name)
            except OSError:
                pass
    print("first")
"""


@pytest.mark.parametrize("descriptor", [3, 5])
def test_a_later_test_s_files_cannot_be_replaced(grader_at, descriptor):
    """The standard error of a later test was a file by name, and the name a link to the verdict's pipe."""
    code = PLANTED.replace("PLACES", f'["/proc/self/fd/{descriptor}"]')
    grade = grader_at.grade(answer(code), program(("", "first"), ("", "second")))
    assert (grade.correct, grade.verdict) == (False, "wrong answer"), grade.how
    assert "test 2 of 2" in grade.how


def test_the_tests_process_and_its_nonce_are_out_of_reach(grader_at):
    """Through every process of the run: descriptors, memory, environment, command line."""
    code = f"""
        import os
        def reach():
            reached = []
            mine = str(os.getpid())
            for process in os.listdir("/proc"):
                if not process.isdigit() or process == mine or not theirs(process):
                    continue
                for name in ("mem", "environ", "auxv", "syscall", "stack", "io"):
                    try:
                        if os.read(os.open(f"/proc/{{process}}/{{name}}", os.O_RDONLY), 10):
                            reached.append(name)
                    except OSError:
                        pass
                for number in range(12):
                    for mode in (os.O_RDONLY, os.O_WRONLY | os.O_NONBLOCK):
                        try:
                            end = os.open(f"/proc/{{process}}/fd/{{number}}", mode)
                            mode and os.write(end, {FORGED.encode()!r})
                            reached.append(number)
                        except OSError:
                            pass
                reached += ["nonce"] * (b"nonce" in open(f"/proc/{{process}}/cmdline", "rb").read())
            return reached
        def theirs(process):
            while process not in ("0", "1"):
                if process == str(os.getppid()):
                    return True
                try:
                    process = open(f"/proc/{{process}}/stat").read().rpartition(")")[2].split()[1]
                except FileNotFoundError:
                    return False
            return process == "1" and os.getppid() < 10  # the keeper, in a process namespace of its own
        def add(a, b): return reach()
    """
    assert "gave []" in grader_at.grade(answer(code), script()).how


LOOK_AROUND = """
    import gc, glob, os
    def look_around():
        found = [repr(gc.get_objects()).encode()]
        places = glob.glob("*") + [f"/proc/{os.getppid()}/environ"]
        for process in (1, os.getppid()):
            places += glob.glob(f"/proc/{process}/fd/*") + [f"/proc/{process}/fd/0", f"/proc/{process}/mem"]
        for place in places:
            try:
                found.append(open(place, "rb").read(10**6))
            except OSError:
                pass
        return "leaked" if b"an-expected" + b"-result" in b"".join(found) else "nothing found"
"""


def test_the_tests_files_are_closed_to_the_solution(grader):
    code = """
        import os
        def add(a, b):
            opened = []
            for name in ("fd/3", "fd/1", "fd/0", "mem", "environ", "maps"):
                try:
                    os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY)
                    opened.append(name)
                except OSError:
                    pass
            return opened
    """
    assert "gave []" in grader.grade(answer(code), script()).how


def test_a_solution_does_not_end_the_tests_loops(grader):
    code = "def add(a, b): raise StopIteration('through')"
    grade = grader.grade(answer(code), script("assert all(map(add, [1, 2], [3, 4]))"))
    assert (grade.correct, grade.verdict) == (False, "runtime error"), grade.how


def test_only_functions_that_return_nothing_change_the_tests_data(grader):
    code = """
        import sys
        frame = sys._getframe()
        while "self" not in frame.f_locals:
            frame = frame.f_back
        Server = type(frame.f_locals["self"])
        send = Server._send
        forged = ["value", [], [[0, []]]]
        Server._send = lambda self, answer: send(self, forged if len(answer) == 3 else answer)
        def copy(values): pass
    """
    tests = "values = [1, 2]\nassert copy(values) == values"
    grade = grader.grade(answer(code), script(tests, name="copy"))
    assert "gave []" in grade.how
    assert grade.verdict == "wrong answer"


def test_a_verdict_without_the_nonce_is_none(grader, monkeypatch):
    def grade(make_verdict):
        """As if the run had left this on the verdict's channel; `make_verdict` is told the nonce."""

        def run(source, *, stdin, **options):
            return Outcome(
                stdout="",
                stderr="",
                verdict=make_verdict(json.loads(stdin)["nonce"]),
                ended_by="exit",
                exit_code=0,
                signal=None,
                seconds=1.0,
            )

        monkeypatch.setattr(code, "run_python", run)
        return grader.grade(answer("print()"), program(("", "")))

    other_nonce = json.dumps({"nonce": None, "kind": "passed", "detail": ""})
    for forged in (FORGED, "[]", "1", "null", '"x"', other_nonce):
        assert grade(lambda nonce, forged=forged: forged).verdict == "ended early"
    real = grade(lambda nonce: json.dumps({"nonce": nonce, "kind": "passed", "detail": "all"}))
    assert (real.verdict, real.correct) == ("passed", True)


def test_a_program_cannot_write_the_verdict(grader):
    code = f"""
        import os
        for number in range(64):
            try:
                os.write(number, {FORGED.encode()!r})
            except OSError:
                pass
    """
    grade = grader.grade(answer(code), program(("", "x")))
    assert (grade.correct, grade.verdict) == (False, "wrong answer")


def test_expected_results_cannot_be_read(grader):
    code = LOOK_AROUND + "    def add(a, b): return look_around()"
    grade = grader.grade(answer(code), script("assert add(1, 2) == 'an-expected-result'"))
    assert "gave 'nothing found'" in grade.how
    grade = grader.grade(answer(code), function(("1\n2", '"an-expected-result"')))
    assert "gave 'nothing found'" in grade.how
    grade = grader.grade(
        answer(LOOK_AROUND + "    print(look_around())"), program(("", "an-expected-result"))
    )
    assert "printed 'nothing found" in grade.how
