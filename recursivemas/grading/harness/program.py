"""Running a solution's source as a program, and what comes before it. Each test pays for what is imported."""

from __future__ import annotations

import _thread
import os
import resource
import sys
from types import ModuleType

NAME = "solution.py"
RECURSION_LIMIT = 50_000
MAX_DIGITS = 50_000
"""Of numbers to and from text, as LiveCodeBench sets it; Python's own limit is 4,300."""
THREAD_STACK_BYTES = 8 << 20
"""Those of the main thread are so large that a few threads' would use up the memory."""
# LiveCodeBench runs solutions with all of these in scope, and models count on it.
PREAMBLE = """
from string import *
from re import *
from datetime import *
from collections import *
from heapq import *
from bisect import *
from copy import *
from math import *
from random import *
from statistics import *
from itertools import *
from functools import *
from operator import *
from io import *
from sys import *
from json import *
from builtins import *
from typing import *
import string, re, datetime, collections, heapq, bisect, copy, math, random, statistics
import itertools, functools, operator, io, sys, json, builtins, typing
"""


def new_module(name: str, memory_bytes: int) -> ModuleType:
    """An empty module that is known by that name, in a process that may use so much memory from now on."""
    import site

    site.setquit()  # `exit` and `quit`, which `-S` leaves out
    ours = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    sys.path[:] = [folder for folder in sys.path if folder != ours]
    sys.set_int_max_str_digits(MAX_DIGITS)
    _thread.stack_size(THREAD_STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    module = ModuleType(name)
    sys.modules[name] = module
    return module


def run(source: int, memory_bytes: int, needs_preamble: bool) -> None:
    """The whole process of a program under test, whose source is in the file with the descriptor `source`.

    As in LiveCodeBench, how it calls `exit` does not matter.
    """
    with os.fdopen(source, "rb") as file:
        code = file.read()
    module = new_module("__main__", memory_bytes)
    sys.argv = [NAME]
    sys.setrecursionlimit(RECURSION_LIMIT)
    if needs_preamble:
        exec(PREAMBLE, module.__dict__)
    try:  # noqa: SIM105 - contextlib takes longer to import than many a program runs
        exec(compile(code, NAME, "exec"), module.__dict__)
    except SystemExit:
        pass
