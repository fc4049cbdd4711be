"""What each of several vLLM engines may take."""

from __future__ import annotations

import pytest

from recursivemas.engine.vllm import Share, split_memory
from recursivemas.errors import UserError


def test_engines_share_what_is_left_beside_all_weights():
    shares = split_memory({"small": 10, "large": 30}, total=100, utilization=0.8)
    assert shares == {"small": Share(10, 20, 100), "large": Share(30, 20, 100)}
    assert sum(share.fraction for share in shares.values()) == pytest.approx(0.8)


def test_weights_that_leave_nothing_are_refused():
    with pytest.raises(UserError, match=r"0\.8 allows 8e-08 GB; give a higher one"):
        split_memory({"small": 10, "large": 70}, total=100, utilization=0.8)
