"""The tools that the settings of a run describe, and what is refused before a model loads."""

import os
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.files.disk_cache import DiskCache
from recursivemas.recursion.toolbox import build_toolbox, writing_agents
from recursivemas.settings import SolveSettings, ToolSettings
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.tools.search import TavilySearch

STYLE = PUBLISHED_STYLES["deliberation"]
SEARCHING = replace(
    STYLE, agents=tuple(replace(agent, tools=("search",) if agent.tools else ()) for agent in STYLE.agents)
)


@pytest.fixture(autouse=True)
def no_key(monkeypatch, tmp_path):
    monkeypatch.delenv("TAVILY_API_KEY", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def build(run_folder=None, **changes):
    return build_toolbox(SEARCHING, ToolSettings(**changes), SolveSettings(), run_folder)


def test_which_agents_write():
    assert writing_agents(STYLE, "text") == STYLE.agents
    for mode in ("latent", "single"):
        assert [agent.role for agent in writing_agents(STYLE, mode)] == [STYLE.answering_role]


def test_only_agents_that_write_have_tools():
    first, *others = SEARCHING.agents
    style = replace(
        SEARCHING,
        agents=(replace(first, tools=("search",)), *(replace(agent, tools=()) for agent in others)),
    )
    assert build_toolbox(style, ToolSettings(), SolveSettings()) is None
    assert build_toolbox(style, ToolSettings(), SolveSettings(mode="text")).names == ("search",)


def test_nothing_is_made_on_disk(tmp_path):
    run, cache = tmp_path / "run", tmp_path / "a" / "cache"
    assert build(run).names == ("search",)
    assert build(search_cache=str(cache)).names == ("search",)
    assert build(search_cache="relative").names == ("search",)
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_a_cache_that_is_there_is_used(tmp_path):
    cache = tmp_path / "cache"
    DiskCache(cache).put("key", {**TavilySearch([]).describe(), "query": "q"})
    assert build(search_cache=str(cache)).describe()["search"] == {"provider": "stub", "offline": False}
    described = build(search_cache=str(cache), search_offline=True).describe()["search"]
    assert described["offline"]


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ([], "none at all"),
        ([{"provider": "folder", "folder": "texts"}] * 2, "2 of provider folder, folder texts"),
        ([{"provider": "tavily", "search_depth": "advanced", "base_url": "http://x"}], "base_url http://x"),
    ],
)
def test_offline_the_cache_has_to_hold_searches_of_the_same_kind(tmp_path, kept, found):
    cache = tmp_path / "cache"
    cache.mkdir()
    for number, entry in enumerate(kept):
        DiskCache(cache).put(number, entry)
    with pytest.raises(UserError, match=rf"keeps no searches of .*tavily.*, but .*{found}; give the folder"):
        build(search_cache=str(cache), search_offline=True)


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("below", [(), ("below",)])
def test_a_cache_that_is_a_file(tmp_path, offline, below):
    (tmp_path / "file").write_text("")
    cache = tmp_path.joinpath("file", *below)
    with pytest.raises(UserError, match=r"search_cache .*file.* cannot be used: .*file is no folder; give"):
        build(search_cache=str(cache), search_offline=offline)


def test_a_cache_that_is_a_link_to_nothing(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(UserError, match="link is no folder"):
        build(search_cache=str(tmp_path / "link"))


@pytest.mark.parametrize("name", ["nothing", "nothing/below"])
def test_offline_the_cache_has_to_be_there(tmp_path, name):
    with pytest.raises(
        UserError, match=f"{name} cannot be used: there is no such folder; give the folder in"
    ):
        build(search_cache=str(tmp_path / name), search_offline=True)


@pytest.fixture
def open_folder():
    """A folder that anyone may look into, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def ordinary_user():
    """Without a superuser's rights, whom no permissions hold back."""
    if os.getuid() != 0:
        yield
        return
    nobody = 65534
    os.setresuid(nobody, nobody, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(
    ("rights", "name", "offline", "says"),
    [
        (0o555, "", False, "you may not write in"),
        (0o555, "new/deeper", False, "you may not write in"),
        (0o555, "", True, None),
        (0o333, "", True, "you may not read in"),
        (0o666, "", True, "you may not read in"),
        (0o666, "new", False, "you may not write in"),
        (0o777, "new", False, None),
    ],
)
def test_what_may_be_done_in_the_cache(open_folder, rights, name, offline, says):
    cache = open_folder / "cache"
    DiskCache(cache).put("key", TavilySearch([]).describe())
    if os.getuid() == 0:
        os.chown(cache, 65534, -1)
    cache.chmod(rights)
    refused = pytest.raises(UserError, match=says) if says else nullcontext()
    try:
        with ordinary_user(), refused:
            build(search_cache=str(cache / name), search_offline=offline)
    finally:
        cache.chmod(0o755)
    assert len(list(cache.iterdir())) == 1, "nothing is made before something is found"
