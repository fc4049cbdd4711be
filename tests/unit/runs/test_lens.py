"""Messages in words, kept and read back."""

from __future__ import annotations

import pytest

from recursivemas.errors import UserError
from recursivemas.recursion.trace import Lens
from recursivemas.runs.lens import read_lenses, save_lenses

LENSES = {
    "r1/a->b": Lens(heard=((("x\ud800", 0.5), (" y", 0.25)),), said=((("z", 1.0),),)),
    "r1/b->a": Lens(heard=()),
}


def test_they_are_read_back_as_they_were(tmp_path):
    for question in ("a/b", "a", "../up"):
        assert read_lenses(tmp_path, question) == {}
        save_lenses(tmp_path, question, LENSES)
        assert read_lenses(tmp_path, question) == LENSES
    assert {file.parent for file in tmp_path.rglob("*.json")} == {tmp_path / "lens"}


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"r1/a->b": {"heard": [[["x"]]]}}'])
def test_a_damaged_file_is_told(tmp_path, damage):
    save_lenses(tmp_path, "a", LENSES)
    [file] = (tmp_path / "lens").iterdir()
    file.write_bytes(damage)
    with pytest.raises(UserError, match=r"lens/a-\w+\.json"):
        read_lenses(tmp_path, "a")
