"""The page of a run in a real browser: filters, messages, keys, a phone, and text that means harm.

Needs Chromium (the distribution's package will do) and playwright: `pip install -e ".[browser]"`.
"""

from __future__ import annotations

import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recursivemas.report.view import view
from recursivemas.report.watch import PageServer
from recursivemas.runs.files import read_samples
from recursivemas.runs.latents import save_latents
from tests.support.pages import HOSTILE, LINK, write_hostile_run
from tests.support.run_folders import grade_of, write_run, write_samples

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as Debian's package chromium"),
]
COLOURS = """canvas => [[0, 0], [2, 0], [1, 0]].map(([x, y]) => {
  const [across, down] = [x, y].map(step => (step + 0.5) * canvas.width / 4);
  return canvas.getContext("2d").getImageData(across, down, 1, 1).data.join();
})"""
"""Of the first step to itself, to the third and to the second."""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens the page of runs; what its console says, or it fetches, fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(*runs: Path, place: str = "", **context):
        file = tmp_path / "page.html"
        file.write_text(view(*runs), encoding="utf-8")
        contexts.append(chromium.new_context(**context))
        page = contexts[-1].new_page()
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
        page.goto(f"{file.as_uri()}{place}")
        page.wait_for_selector("#questions a, .hint", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def run(tmp_path):
    """Four questions: right, wrong, graders disagree, unparsed; the first has messages in two rounds."""
    path = write_run(
        tmp_path / "run",
        {"release": [[True], [False], [True], [False]], "strict": [[True], [False], [False], [False]]},
    )
    first, second, third, fourth = read_samples(path)
    fourth = replace(fourth, verdicts={**fourth.verdicts, "release": grade_of(False, None)}, extracted=None)
    write_samples(path, [first, replace(second, text=r"I think \boxed{2}"), third, fourth])
    return path


@pytest.fixture
def messages(tmp_path):
    """A run with a message of four latents; the third is the first again."""
    path = write_hostile_run(tmp_path / "messages")
    latents = torch.eye(6)[:4]
    latents[2] = latents[0]
    save_latents(path, read_samples(path)[0].id, {f"r1/{LINK}": 2 * latents})
    return path


def rows(page) -> list[str]:
    return page.locator("#questions .id").all_text_contents()


def test_filters_search_and_order_pick_the_questions(opened, run):
    page = opened(run)
    assert rows(page) == ["q0", "q1", "q2", "q3"]
    for name, expected in {
        "Right": ["q0", "q2"],
        "Wrong": ["q1", "q3"],
        "Graders disagree": ["q2"],
        "Unparsed": ["q3"],
        "All": ["q0", "q1", "q2", "q3"],
    }.items():
        page.get_by_role("button", name=re.compile(f"^{name}")).click()
        assert rows(page) == expected
    page.get_by_label("Order").select_option("Wrong first")
    assert rows(page) == ["q1", "q3", "q0", "q2"]
    page.get_by_label("Search").fill("what is Q2")
    assert rows(page) == ["q2"]
    assert page.locator("#found").inner_text() == "1 of 4 questions"


def test_a_question_shows_its_text_and_both_verdicts_with_reasons(opened, run):
    page = opened(run)
    page.get_by_text("q1", exact=True).click()
    playwright.expect(page.locator("#shown h2")).to_have_text("q1")
    assert page.locator(".text mark").inner_text() == r"\boxed{2}"
    assert page.locator(".graders li").all_inner_texts() == [
        "✕ wrong\nrelease equal",
        "✕ wrong\nstrict equal",
    ]
    page.go_back()
    playwright.expect(page.locator("#shown h2")).to_have_text("run")


def test_keys_walk_through_questions_and_messages(opened, messages):
    page = opened(messages)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".graph")
    page.keyboard.press("]")
    page.wait_for_selector("#message")
    page.keyboard.press("j")
    playwright.expect(page.locator("#shown h2")).to_have_text(re.compile("1$"))
    assert page.locator("#message").count() == 1, "the message stays open from question to question"
    page.keyboard.press("Escape")
    page.wait_for_selector("#message", state="detached")
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#shown h2")).to_have_text("messages")
    page.keyboard.press("/")
    page.keyboard.type("j/k")
    assert page.get_by_label("Search").input_value() == "j/k"


def test_an_edge_opens_its_message(opened, messages):
    page = opened(messages)
    page.locator("#questions a").first.click()
    page.get_by_role("button", name="round 1: planner to solver").click()
    panel = page.locator("#message")
    assert panel.locator("h3").inner_text() == "Round 1: planner → solver"
    assert "4 latents of 6 numbers" in panel.inner_text()
    assert [title.partition(": ")[2] for title in panel.locator(".step title").all_text_contents()] == [
        "2.0000"
    ] * 4
    colours = panel.locator("canvas").evaluate(COLOURS)
    assert colours[0] == colours[1] != colours[2]
    panel.locator("canvas").press("ArrowDown")
    assert panel.locator(".told").inner_text() == "step 3 and step 1: 1.000"
    page.keyboard.press("Escape")
    page.wait_for_selector("#message", state="detached")


def test_without_latents_the_page_says_how_to_get_them(opened, messages):
    shutil.rmtree(messages / "latents")
    page = opened(messages)
    page.locator("#questions a").first.click()
    page.get_by_role("button", name="round 1: planner to solver").click()
    assert "Run it with --save_latents" in page.locator("#message").inner_text()


def test_two_runs_stand_side_by_side(opened, run, tmp_path):
    other = write_run(tmp_path / "other", {"release": [[False]] * 3, "strict": [[False]] * 3})
    page = opened(run, other)
    assert "Against other, on the 3 questions that both have" in page.locator("#shown").inner_text()
    page.get_by_role("button", name=re.compile("^Better")).click()
    assert rows(page) == ["q0", "q2"]
    page.get_by_text("q0", exact=True).click()
    playwright.expect(page.locator("#answer h4")).to_have_text(["run", "other"])
    page.get_by_role("button", name="other", exact=True).click()
    playwright.expect(page).to_have_url(re.compile("run=1"))
    page.get_by_role("button", name=re.compile("^All")).click()
    page.get_by_text("q3", exact=True).click()
    playwright.expect(page.locator("#answer")).to_contain_text("This run does not have the question.")


def test_a_run_with_fewer_rollouts_says_which_one_stands_beside(opened, tmp_path):
    runs = [
        write_run(tmp_path / name, {"release": [[True] * rollouts], "strict": [[True] * rollouts]})
        for name, rollouts in (("two", 2), ("one", 1))
    ]
    page = opened(*runs)
    page.locator("#questions a").first.click()
    titles = page.locator("#answer h4")
    playwright.expect(titles).to_have_text(["two", "one"])
    page.get_by_role("group", name="Rollout").get_by_role("button", name=re.compile("^1")).click()
    playwright.expect(titles).to_have_text(["two", "one rollout 0"])


def test_of_a_question_that_the_other_run_lacks_nothing_of_another_one_is_shown(opened, messages, tmp_path):
    samples = read_samples(messages)
    write_samples(
        messages, [replace(one, usage=(replace(one.usage[0], prompt_tokens=321),)) for one in samples]
    )
    fewer = shutil.copytree(messages, tmp_path / "fewer")
    config = (fewer / "config.json").read_text(encoding="utf-8")
    (fewer / "config.json").write_text(config.replace('"number": 3', '"number": 2'), encoding="utf-8")
    write_samples(fewer, read_samples(messages)[1:])
    page = opened(messages, fewer)
    page.locator("#questions a").first.click()
    page.get_by_role("button", name="round 1: planner to solver").click()
    page.wait_for_selector("#message")
    assert "321" in page.locator("#shown .costs").inner_text()
    page.get_by_role("button", name="fewer", exact=True).click()
    playwright.expect(page.locator(".hint")).to_have_count(2)  # in the place of the graph, and of the answer
    assert page.locator("#message").count() == page.locator("#shown .costs").count() == 0


@pytest.mark.parametrize("opens", [False, True])
def test_hostile_text_is_text(opened, messages, opens):
    page = opened(messages)
    if opens:
        page.locator("#questions a").first.click()
        page.get_by_role("button", name="round 1: planner to solver").click()
        assert HOSTILE in page.locator("#answer .text").text_content()
    assert page.title() != "run"
    assert page.locator("img").count() == 0
    assert page.evaluate("document.scripts.length") == 1 + 1 + 3


def test_on_a_phone_nothing_sticks_out_and_one_pane_is_shown(opened, messages):
    page = opened(messages, viewport=PHONE)
    assert not page.locator("#shown").is_visible()
    page.locator("#questions a").first.click()
    page.get_by_role("button", name="round 1: planner to solver").click()
    assert not page.locator("#list").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("#shown").evaluate("pane => pane.scrollWidth - pane.clientWidth") == 0
    cells = page.locator(".costs tbody td").evaluate_all("all => all.map(cell => cell.clientHeight)")
    assert max(cells) < 40  # one line each: the table scrolls instead
    page.get_by_role("button", name="all questions").click()
    assert page.locator("#list").is_visible()


def test_a_page_follows_its_run_and_keeps_what_is_open(chromium, run):
    samples = read_samples(run)
    write_samples(run, samples[:2])
    (run / "summary.json").unlink()
    with PageServer(run) as server, chromium.new_context() as context:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = context.new_page()
        page.goto(server.address)
        playwright.expect(page.locator("#questions a")).to_have_count(2)
        page.locator("#questions a").first.click()
        page.get_by_label("Search").fill("what")
        write_samples(run, samples)
        playwright.expect(page.locator("#questions a")).to_have_count(4)
        assert page.locator("#shown h2").inner_text() == "q0"
        assert page.get_by_label("Search").input_value() == "what"
        assert "4 of 4 so far" in page.locator("#top").inner_text()
        server.shutdown()
        server.server_close()
        thread.join()
        playwright.expect(page.locator("#top")).to_contain_text("not followed any more")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_and_the_switch(opened, messages, scheme):
    page = opened(messages, color_scheme=scheme)
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    assert (page.evaluate(brightness) > 128) == (scheme == "light")
    page.keyboard.press("t")
    assert (page.evaluate(brightness) > 128) == (scheme == "dark")
