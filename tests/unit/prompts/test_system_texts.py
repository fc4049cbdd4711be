"""System prompts of the user's own: for whom they are, what stands behind them, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recursivemas.errors import UserError
from recursivemas.prompts import load_pack, read_system_texts, with_system_texts
from recursivemas.styles import DELIBERATION, SEQUENTIAL_LIGHT

ROLES = ("planner", "critic", "solver")


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (["Be brief."], dict.fromkeys(ROLES, "Be brief.")),
        (["critic=Doubt it.", "Be = brief."], {**dict.fromkeys(ROLES, "Be = brief."), "critic": "Doubt it."}),
        (["solver=@text.md"], {"solver": "From\na file = x"}),
        (["solver="], {"solver": ""}),
        ([], {}),
    ],
)
def test_for_all_agents_or_for_one(tmp_path, monkeypatch, given, texts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.md").write_text("\nFrom\na file = x\n")
    assert read_system_texts(given, SEQUENTIAL_LIGHT) == texts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["solvr=x"], r"names 'solvr', and .* planner, critic, solver \(did you mean 'solver'\?\)\. .*@FILE"),
        (["a", "b"], "twice for all agents"),
        (["solver=a", "solver=b"], "twice for solver"),
        (["@none.md"], "the file none.md, and there is none"),
    ],
)
def test_what_is_for_nobody_is_refused(tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        read_system_texts(given, SEQUENTIAL_LIGHT)


def test_tools_are_told_of_behind_the_text():
    pack = load_pack()
    source = with_system_texts(pack, {"toolcaller": "Be brief."}, DELIBERATION)
    caller, reflector = (DELIBERATION.agent(role).prompt for role in ("toolcaller", "reflector"))
    told = source.system(caller, ("python", "search"))
    assert told.startswith("Be brief.\n\n")
    assert all(pack.tool_texts[name].strip() in told for name in ("before", "python", "search", "after"))
    assert source.system(caller) == "Be brief."
    assert source.system(reflector, ("python",)) == pack.system(reflector, ("python",))
    assert source.describe() == {**pack.describe(), "system_prompt": {"toolcaller": "Be brief."}}
    assert with_system_texts(pack, {}, DELIBERATION) is pack


def test_agents_that_share_a_prompt_share_the_text():
    agents = [replace(agent, prompt="own/all") for agent in SEQUENTIAL_LIGHT.agents]
    style = replace(SEQUENTIAL_LIGHT, agents=tuple(agents))
    with pytest.raises(UserError, match=r"planner, critic, solver of .* share the prompt 'own/all'"):
        with_system_texts(load_pack(), {"critic": "Doubt it."}, style)
    assert with_system_texts(load_pack(), dict.fromkeys(ROLES, "x"), style).system("own/all") == "x"
