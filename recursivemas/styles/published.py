"""The five published styles, as data.

Source: docs/protocol.md, "Styles", "Rounds" and "Text mode".
"""

from __future__ import annotations

from recursivemas.styles.graph import TOOLS, AgentSpec, LinkSpec, Style
from recursivemas.styles.text_quirks import NO_ANSWER_YET, SHORT_ON_GPQA, SOFT_PLAN, TextQuirk


def _sequential(
    name: str,
    *,
    planner: str,
    critic: str,
    solver: str,
    outer: str,
    planner_text: tuple[TextQuirk, ...] = (),
    critic_text: tuple[TextQuirk, ...] = (),
) -> Style:
    return Style(
        name=name,
        agents=(
            AgentSpec(
                role="planner",
                repo=planner,
                prompt="sequential/planner",
                targets=("plan",),
                release_feedback_kind="math",  # Release: docs/protocol.md, "Departures"
                release_text=planner_text,
            ),
            AgentSpec(
                role="critic",
                repo=critic,
                prompt="sequential/critic",
                targets=("refined_plan",),
                release_text=(NO_ANSWER_YET, *critic_text),
            ),
            AgentSpec(role="solver", repo=solver, prompt="sequential/solver"),
        ),
        links=(
            LinkSpec(source="planner", target="critic", slot="plan", key="outer_12"),
            LinkSpec(source="critic", target="solver", slot="refined_plan", key="outer_23"),
            LinkSpec(source="solver", target="planner", slot="feedback", key="outer_31", feedback=True),
        ),
        outer_repo=outer,
        link_sets=("math", "code"),
    )


SEQUENTIAL_LIGHT = _sequential(
    "sequential_light",
    planner="Sequential-Light-Planner-Qwen3-1.7B",
    critic="Sequential-Light-Critic-Llama3.2-1B",
    solver="Sequential-Light-Solver-Qwen2.5-Math-1.5B",
    outer="Sequential-Light-Outerlinks",
)

SEQUENTIAL_SCALED = _sequential(
    "sequential_scaled",
    planner="Sequential-Scaled-Planner-Gemma3-4B",
    critic="Sequential-Scaled-Critic-Llama3.2-3B",
    solver="Sequential-Scaled-Solver-Qwen3.5-4B",
    outer="Sequential-Scaled-Outerlinks",
    planner_text=(SOFT_PLAN, SHORT_ON_GPQA),
    critic_text=(SHORT_ON_GPQA,),
)

MIXTURE = Style(
    name="mixture",
    agents=(
        AgentSpec(
            role="math",
            repo="Mixture-Math-DeepSeek-R1-Distill-Qwen-1.5B",
            prompt="mixture/math",
            targets=("math_expert",),
        ),
        AgentSpec(
            role="code",
            repo="Mixture-Code-Qwen2.5-Coder-3B",
            prompt="mixture/code",
            targets=("code_expert",),
        ),
        AgentSpec(
            role="science",
            repo="Mixture-Science-BioMistral-7B",
            prompt="mixture/science",
            targets=("science_expert",),
        ),
        AgentSpec(
            role="summarizer",
            repo="Mixture-Summarizer-Qwen3.5-2B",
            prompt="mixture/summarizer",
            targets=("answer", "summary"),
        ),
    ),
    links=(
        LinkSpec(source="math", target="summarizer", slot="math", key="outer_1s"),
        LinkSpec(source="code", target="summarizer", slot="code", key="outer_2s"),
        LinkSpec(source="science", target="summarizer", slot="science", key="outer_3s"),
        LinkSpec(source="summarizer", target="math", slot="feedback", key="outer_s1", feedback=True),
        LinkSpec(source="summarizer", target="code", slot="feedback", key="outer_s2", feedback=True),
        LinkSpec(source="summarizer", target="science", slot="feedback", key="outer_s3", feedback=True),
    ),
    outer_repo="Mixture-Outerlinks",
)

DISTILLATION = Style(
    name="distillation",
    agents=(
        AgentSpec(
            role="expert",
            repo="Distillation-Expert-Qwen3.5-9B",
            prompt="distillation/expert",
            targets=("refined_plan",),
        ),
        AgentSpec(role="learner", repo="Distillation-Learner-Qwen3.5-4B", prompt="distillation/learner"),
    ),
    links=(
        LinkSpec(source="expert", target="learner", slot="plan", key="outer_el"),
        LinkSpec(source="learner", target="expert", slot="feedback", key="outer_le", feedback=True),
    ),
    outer_repo="Distillation-Outerlinks",
    link_sets=("math", "code"),
)

DELIBERATION = Style(
    name="deliberation",
    agents=(
        AgentSpec(
            role="reflector",
            repo="Deliberation-Reflector-Qwen3.5-4B",
            prompt="deliberation/reflector",
            tools=TOOLS,
            targets=("deliberation_reflector", "answer"),
        ),
        AgentSpec(
            role="toolcaller",
            repo="Deliberation-Toolcaller-Qwen3.5-4B",
            prompt="deliberation/toolcaller",
            tools=TOOLS,
            targets=("deliberation_toolcaller", "answer"),
            learns_with_open_slots=True,
        ),
    ),
    links=(
        LinkSpec(source="reflector", target="toolcaller", slot="reflection", key="outer_rt"),
        LinkSpec(source="toolcaller", target="reflector", slot="feedback", key="outer_tr", feedback=True),
    ),
    outer_repo="Deliberation-Outerlinks",
)

PUBLISHED_STYLES: dict[str, Style] = {
    style.name: style for style in (SEQUENTIAL_LIGHT, SEQUENTIAL_SCALED, MIXTURE, DISTILLATION, DELIBERATION)
}
