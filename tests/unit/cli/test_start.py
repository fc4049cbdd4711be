"""The command line's first step, where nothing is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


def test_where_nothing_is_installed_a_line_says_how_to_get_it():
    done = subprocess.run(
        [sys.executable, "-S", "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert " is not installed for " in done.stderr
    assert done.stderr.startswith("error: ")
    for way in ("source .venv/bin/activate", "make demo", "pip install"):
        assert way in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_torch_a_run_says_how_to_get_it_and_a_listing_needs_none():
    code = (
        "import sys; sys.modules['torch'] = None; from recursivemas.cli import start; "
        "sys.argv = ['recursivemas', *{words!r}]; sys.exit(start.main())"
    )
    for words, status in ((["styles"], 0), (["run", "--release", "toy-random", "--device", "cpu"], 2)):
        command = [sys.executable, "-c", code.format(words=words)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert ("error: torch is not installed for " in done.stderr) == bool(status)


SWALLOWING = """
import importlib.util, os, signal, sys, time, types, weakref

CAUGHT = "try:\\n    interrupt(0)\\nexcept BaseException:\\n    pass\\n"
DROPPED = "one = type('One', (), {})(); ref = weakref.ref(one, interrupt); del one\\n"


def interrupt(_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "swallowing":
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        vars(module).update(globals())
        exec({"caught": CAUGHT, "dropped": DROPPED}[sys.argv[1]], vars(module))


sys.meta_path.insert(0, Finder())
from recursivemas import cli
from recursivemas.cli import start

def main():
    import swallowing
    print("went on")
    return 0

cli.main = types.SimpleNamespace(main=main)
sys.modules["recursivemas.cli.main"] = cli.main
sys.exit(start.main())
"""
"""A command line during whose imports Ctrl-C is pressed where the exception gets lost."""


@pytest.mark.process
@pytest.mark.parametrize("how", ["caught", "dropped"])
def test_ctrl_c_is_not_lost_in_an_import(how):
    done = subprocess.run([sys.executable, "-c", SWALLOWING, how], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip(), done.stdout) == (130, "interrupted", "")


@pytest.mark.parametrize(("own", "policy"), [({}, "passive"), ({"GOMP_SPINCOUNT": "1"}, None)])
def test_threads_sleep_unless_the_user_has_chosen(own, policy):
    code = (
        "import os, sys; from recursivemas.cli import main, start; torch = 'torch' in sys.modules; "
        "main.main = lambda: print(torch, os.environ.get('OMP_WAIT_POLICY')) or 0; start.main()"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env={**kept, **own}, capture_output=True, text=True, check=True)
    assert done.stdout == f"False {policy}\n", "before torch is loaded"
