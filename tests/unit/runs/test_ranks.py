"""Which process of a run this is."""

from __future__ import annotations

import pytest

from recursivemas.errors import UserError
from recursivemas.runs.ranks import current_rank

TORCHRUN = {"WORLD_SIZE": "3", "RANK": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1, 0)),
        ({"MASTER_ADDR": "somewhere"}, (0, 1, 0)),
        (TORCHRUN, (2, 3, 1)),
        ({"WORLD_SIZE": "1", "RANK": "0"}, (0, 1, 0)),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, (1, 2, 0)),
        ({"PMI_SIZE": "4", "PMI_RANK": "3", "MPI_LOCALRANKID": "3"}, (3, 4, 3)),
        ({"ACCELERATE_MIXED_PRECISION": "no"}, (0, 1, 0)),
    ],
)
def test_launchers_say_who_we_are(environment, expected):
    rank = current_rank(environment)
    assert (rank.index, rank.count, rank.local) == expected
    assert rank.is_first == (rank.index == 0)


def test_what_the_processes_of_a_launch_have_in_common():
    one, other = (current_rank({**TORCHRUN, "RANK": number}).launch for number in "01")
    assert one == other != current_rank({**TORCHRUN, "MASTER_PORT": "2"}).launch


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"WORLD_SIZE": "2"}, "RANK, which a launcher sets, is missing"),
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE, which a launcher sets, is 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "RANK, which a launcher sets, is '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK is 2 and WORLD_SIZE is 2"),
        ({"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "True"}, "has started one"),
    ],
)
def test_what_cannot_be_is_refused(environment, says):
    with pytest.raises(UserError, match=says):
        current_rank(environment)
