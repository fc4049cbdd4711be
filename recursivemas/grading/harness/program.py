"""Running a solution's source as a program, and what comes before it. Each test pays for what is imported."""

from __future__ import annotations

import resource
import sys
from types import ModuleType

RECURSION_LIMIT = 50_000
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
import itertools, functools, operator, io, sys, json
"""


def new_module(name: str, memory_bytes: int) -> ModuleType:
    """An empty module that is known by that name, in a process that may use so much memory from now on."""
    import site

    site.setquit()  # `exit` and `quit`, which `-S` leaves out
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    module = ModuleType(name)
    sys.modules[name] = module
    return module


def run(path: str, memory_bytes: int, needs_preamble: bool) -> None:
    """The whole process of a program under test. As in LiveCodeBench, how it calls `exit` does not matter."""
    module = new_module("__main__", memory_bytes)
    sys.argv = [path]
    sys.setrecursionlimit(RECURSION_LIMIT)
    if needs_preamble:
        exec(PREAMBLE, module.__dict__)
    with open(path, "rb") as file:  # noqa: PTH123 - and so does pathlib
        source = file.read()
    try:  # noqa: SIM105 - contextlib takes longer to import than many a program runs
        exec(compile(source, path, "exec"), module.__dict__)
    except SystemExit:
        pass
