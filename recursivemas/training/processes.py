"""What the processes of one training do together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from recursivemas.errors import ToldElsewhereError, UserError


def join_processes() -> PartialState:
    """This process among those that a launcher started; it waits for the others to come. Alone it is one."""
    return PartialState(cpu=not torch.cuda.is_available())


def check_once(check: Callable[[], Any]) -> None:
    """Have the first process do something for all of them.

    Where it raises a UserError, it ends all processes: the others raise a ToldElsewhereError.
    """
    state = join_processes()
    problem: UserError | None = None
    if state.is_main_process:
        try:
            check()
        except UserError as error:
            problem = error
    if state.num_processes > 1:
        told = [None if problem is None else str(problem)]
        broadcast_object_list(told)
        if told[0] is not None and not state.is_main_process:
            raise ToldElsewhereError(told[0])
    if problem is not None:
        raise problem


def gather_objects(value: Any) -> list[Any]:
    """What each process gives, in order."""
    if join_processes().num_processes == 1:
        return [value]
    return list(gather_object([value]))
