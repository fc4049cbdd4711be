"""Styles: the published graphs, what a graph must be, and reading one's own from YAML."""

from __future__ import annotations

import pytest
import yaml

from recursivemas.styles import PUBLISHED_STYLES, AgentSpec, LinkSpec, Style, load_style


def agents(*roles: str) -> tuple[AgentSpec, ...]:
    return tuple(AgentSpec(role=role, repo=role, prompt=f"x/{role}") for role in roles)


def link(source: str, target: str, **fields) -> LinkSpec:
    return LinkSpec(source=source, target=target, **{"slot": source, "fresh": True, **fields})


def test_published_styles_have_the_published_keys():
    keys = {
        name: {f"{link.source}->{link.target}": link.key for link in style.links}
        for name, style in PUBLISHED_STYLES.items()
    }
    chain = {"planner->critic": "outer_12", "critic->solver": "outer_23", "solver->planner": "outer_31"}
    assert keys == {
        "sequential_light": chain,
        "sequential_scaled": chain,
        "mixture": {
            "math->summarizer": "outer_1s",
            "code->summarizer": "outer_2s",
            "science->summarizer": "outer_3s",
            "summarizer->math": "outer_s1",
            "summarizer->code": "outer_s2",
            "summarizer->science": "outer_s3",
        },
        "distillation": {"expert->learner": "outer_el", "learner->expert": "outer_le"},
        "deliberation": {"reflector->toolcaller": "outer_rt", "toolcaller->reflector": "outer_tr"},
    }


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_every_agent_of_a_published_style_runs_in_every_round(style):
    assert style.turns(3) == tuple((number, role) for number in (1, 2, 3) for role in style.roles)
    assert style.turns(1) == tuple((1, role) for role in style.roles)


def test_an_agent_runs_only_where_its_thought_reaches_the_answer():
    no_feedback = Style(name="s", agents=agents("a", "b"), links=(link("a", "b"),))
    assert no_feedback.schedule(3) == ((), (), (("a",), ("b",)))
    memory = Style(
        name="s",
        agents=agents("a", "note", "b"),
        links=(link("a", "b"), link("a", "note"), link("note", "a", feedback=True)),
    )
    assert memory.schedule(3) == ((("a",), ("note",)), (("a",), ("note",)), (("a",), ("b",)))
    assert memory.turns(2) == ((1, "a"), (1, "note"), (2, "a"), (2, "b"))


def test_agents_that_read_nothing_from_each_other_stand_in_one_stage():
    assert PUBLISHED_STYLES["mixture"].schedule(1) == ((("math", "code", "science"), ("summarizer",)),)
    assert PUBLISHED_STYLES["sequential_light"].schedule(1) == ((("planner",), ("critic",), ("solver",)),)
    crossed = Style(
        name="s",
        agents=agents("a", "b", "c", "d"),
        links=(link("a", "c"), link("b", "c"), link("c", "d"), link("b", "d"), link("d", "a", feedback=True)),
    )
    assert crossed.schedule(2)[1] == (("a", "b"), ("c",), ("d",))


def test_rounds_below_one_are_refused():
    with pytest.raises(ValueError, match="num_recursive_rounds is 0; it has to be 1 or more"):
        PUBLISHED_STYLES["mixture"].schedule(0)


def test_feedback_reaches_an_agent_from_the_second_round_on():
    style = PUBLISHED_STYLES["sequential_light"]
    assert [style.reads_feedback("planner", number) for number in (1, 2, 3)] == [False, True, True]
    assert not style.reads_feedback("critic", 2)
    assert style.outbound("solver", with_feedback=False) == ()
    assert [str(link) for link in style.outbound("solver", with_feedback=True)] == ["solver->planner"]


def test_tools_are_a_field_of_an_agent(tmp_path):
    assert PUBLISHED_STYLES["deliberation"].agents[-1].tools == ("python", "search")
    assert all(agent.tools == () for agent in PUBLISHED_STYLES["mixture"].agents)
    path = tmp_path / "mine.yaml"
    path.write_text("agents: [{role: a, repo: r, prompt: p, tools: [python]}]\nlinks: []")
    assert load_style(path).agents[0].tools == ("python",)


def test_link_sets():
    assert PUBLISHED_STYLES["distillation"].link_set("code") == "code"
    assert PUBLISHED_STYLES["mixture"].link_set("code") is None
    with pytest.raises(ValueError, match="has no link set 'poetry'; it has math, code"):
        PUBLISHED_STYLES["distillation"].link_set("poetry")


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ({"agents": (), "links": ()}, "has no agents"),
        ({"agents": agents("a", "a"), "links": ()}, "role 'a' stands twice"),
        ({"agents": agents("a b"), "links": ()}, "role 'a b' is not a name"),
        (
            {"agents": agents("a", "b"), "links": (link("a", "c"),)},
            "link a->c names the role 'c', which is no agent of the style; its roles are a, b",
        ),
        ({"agents": agents("a", "b"), "links": (link("a", "b"),) * 2}, "link a->b stands twice"),
        (
            {"agents": agents("a", "b", "c"), "links": (link("a", "c"), link("b", "c", slot="a"))},
            "two links fill the slot 'a' of c",
        ),
        (
            {"agents": agents("a", "b"), "links": (link("a", "b", fresh=False),)},
            "link a->b names no weights",
        ),
        (
            {"agents": agents("a", "b", "c"), "links": (link("a", "b"), link("b", "a"), link("b", "c"))},
            "a -> b -> a is a cycle without feedback; mark the link",
        ),
        (
            {"agents": agents("b", "a", "c"), "links": (link("a", "b"), link("b", "c"))},
            "link a->b runs against the order of agents",
        ),
        (
            {"agents": agents("a", "b", "c"), "links": (link("a", "c"),)},
            "missing link: none leads from b to the answering agent c",
        ),
        ({"agents": agents("a"), "links": (link("a", "a"),)}, "a -> a is a cycle without feedback"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(graph, message):
    with pytest.raises(ValueError, match=message):
        Style(name="mine", **graph)


def test_a_style_is_read_from_yaml(tmp_path):
    path = tmp_path / "debate.yaml"
    data = {
        "agents": [
            {"role": "pro", "repo": "x/pro", "prompt": "debate/pro"},
            {"role": "judge", "repo": "x/judge", "prompt": "debate/judge", "fresh_inner_link": True},
        ],
        "links": [
            {"source": "pro", "target": "judge", "key": "outer_pj", "repo": "x/links"},
            {"source": "judge", "target": "pro", "slot": "verdict", "feedback": True, "fresh": True},
        ],
    }
    path.write_text(yaml.safe_dump(data))
    style = load_style(path)
    assert style.name == "debate"
    assert style.answering_role == "judge"
    assert [link.slot for link in style.links] == ["pro", "verdict"]
    assert load_style(style) is style
    assert load_style("mixture") is PUBLISHED_STYLES["mixture"]


def test_a_file_may_merge_mappings_and_leave_out_links(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "agents:\n- &one {role: a, repo: r, prompt: p/q}\n- {<<: *one, role: b}\n"
        "links: [{source: a, target: b, fresh: true}]"
    )
    assert [(agent.role, agent.repo) for agent in load_style(path).agents] == [("a", "r"), ("b", "r")]
    path.write_text("agents: [{role: a, repo: r, prompt: p/q}]")
    assert load_style(path).links == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agents: [", "is not valid YAML"),
        ("name: 2020-13-45", "mine.yaml is not valid YAML: month must be in"),
        ("- a", "holds no mapping"),
        ("agents: []\nlinks: []\nagents: []", "the key 'agents' stands twice"),
        ("[" * 2000, "nested too deeply"),
        ("agents: {}\nlinks: []", "agents is a mapping of 0; it has to be a list"),
        ("agents: [x]\nlinks: []", r"agents\[0\] is 'x'; it has to be a mapping with role, repo, prompt"),
        (
            "agents: [{role: a, repo: r, promt: p}]\nlinks: []",
            r"mine\.yaml: agents\[0\]\.promt is unknown \(did you mean 'prompt'\?\); known are role, ",
        ),
        ("agents: [{role: a, repo: r}]\nlinks: []", r"agents\[0\]\.prompt is missing"),
        ("agents: [{role: a, repo: r, prompt: 3}]\nlinks: []", "prompt is 3; it has to be text"),
        (
            "agents: [{role: a, repo: r, prompt: p, fresh_inner_link: 'no'}]\nlinks: []",
            "fresh_inner_link is 'no'; it has to be true or false",
        ),
        (
            "agents: [{role: a, repo: r, prompt: p, tools: python}]\nlinks: []",
            r"agents\[0\]\.tools is 'python'; it has to be a list, in brackets",
        ),
        (
            "agents: [{role: a, repo: r, prompt: p, tools: [python, abacus]}]\nlinks: []",
            "a has the tools python, abacus; it may have python and search, each once",
        ),
        ("agents: [{role: a, repo: r, prompt: p, tools: [python, python]}]\nlinks: []", "each once"),
        (
            "agents: [{role: a, repo: r, prompt: p, release_feedback_kind: 7}]\nlinks: []",
            r"agents\[0\]\.release_feedback_kind is 7; it has to be 'math', 'choice', 'gpqa'",
        ),
        (
            "agents: [{role: a, repo: r, prompt: p, 3: x}]\nlinks: []",
            r"agents\[0\]\[3\] is 3; it has to be a name",
        ),
        ("agents: []\nlinks: [x]", r"links\[0\] is 'x'; it has to be a mapping with source, target"),
        ("agents: []\nlinks: []\nprompts: 5", "prompts is 5; it has to be a mapping"),
        ("agents: []\nlinks: []\nlink_sets: [1]", r"link_sets\[0\] is 1; it has to be text"),
        ("agent: []", r"agent is unknown \(did you mean 'agents'\?\)"),
    ],
)
def test_a_faulty_file_says_where(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_style(path)


def test_an_unknown_name_lists_the_published_ones():
    with pytest.raises(
        ValueError, match=r"'mixtur' is neither a published style \(sequential_light, .*\) nor"
    ):
        load_style("mixtur")
