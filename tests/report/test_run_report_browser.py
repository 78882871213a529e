"""The page of measured runs in a browser: drawn, reacting, readable, silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.report.page import write_page
from tests.support.html_pages import page_of
from tests.support.pages import Open, watched
from tests.support.runs import COLUMNS, METADATA, keep, loaded, proof

pytestmark = pytest.mark.browser

LEVEL = ("ttft", "tpot", "itl", "e2e", "flight", "tokens", "requests")
NASTY = "<img src=x onerror=alert(1)>" + "w" * 80
PAGES = {
    "one": ["before"],
    "two": ["before", "after"],
    "trouble": ["trouble"],
    "rates": ["rates"],
    "talk": ["talk"],
    "unlike": ["before", "talk"],
    "nasty": ["nasty"],
}


@pytest.fixture(scope="module")
def files(run_folders: Path) -> dict[str, Path]:
    folder = RunFolder(run_folders / "nasty")
    folder.create(replace(METADATA, run=replace(METADATA.run, command=NASTY, servers=()), notes=(NASTY,)))
    columns = COLUMNS | {"model": NASTY, "model_variant": NASTY, "engine": NASTY, "accelerator": NASTY}
    keep(folder, loaded(2), Closed(2), columns=columns, fidelity=proof(2))
    for name, runs in PAGES.items():
        write_page(page_of(*(run_folders / r for r in runs)), run_folders / f"{name}.html")
    return {name: run_folders / f"{name}.html" for name in PAGES}


@pytest.fixture
def open_page(browser: Browser, files: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Open]:
    with watched(browser, files[getattr(request, "param", "one")]) as opened:
        yield opened


def svg_of(page: Page, name: str, subtitle: str = "") -> str:
    """The chart as markup, once it is drawn and its subtitle has this text."""
    page.locator(f"#chart-{name}").scroll_into_view_if_needed()
    page.locator(f"#chart-{name} .fig-subtitle", has_text=subtitle).wait_for()
    page.wait_for_selector(f"#chart-{name} svg path", state="attached")
    return page.locator(f"#chart-{name} svg").inner_html()


def rows(page: Page, name: str) -> list[str]:
    """The table of a figure, row by row."""
    table = page.locator(f"#chart-{name} .fig-table")
    if not table.count() or table.is_hidden():
        page.locator(f"#chart-{name}").get_by_role("button", name="Table").click()
    return page.locator(f"#chart-{name} .fig-table tr").all_inner_texts()


def title(page: Page, name: str) -> str:
    return page.inner_text(f"#chart-{name} .fig-title")


@pytest.mark.parametrize("open_page", ["trouble", "rates", "unlike", "nasty"], indirect=True)
def test_every_chart_is_drawn_with_title_source_and_table(open_page: Open) -> None:
    page = open_page()
    for name in ("curve-0", *LEVEL):
        assert "<path" in svg_of(page, name)
        assert title(page, name) and page.inner_text(f"#chart-{name} .fig-source").startswith("Source: run ")
        assert len(rows(page, name)) > 1, name
    assert page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("open_page", "shown"),
    [("one", {"server-figures"}), ("talk", {"server-figures", "telemetry", "sessions"}), ("rates", set())],
    indirect=["open_page"],
)
def test_what_was_not_recorded_has_no_figures(open_page: Open, shown: set[str]) -> None:
    page = open_page()
    assert {i for i in ("server-figures", "telemetry", "sessions") if page.locator(f"#{i}").is_visible()} == shown


@pytest.mark.parametrize("open_page", ["talk"], indirect=True)
def test_sessions_and_telemetry_are_drawn(open_page: Open) -> None:
    page = open_page()
    for name in ("sessions", "turns", "queue", "kv", "power", "clock", "temperature"):
        assert "<path" in svg_of(page, name)
    assert title(page, "turns").startswith("TTFT p50 is ") and title(page, "turns").endswith("of number 4")
    assert [r.split("\t")[0] for r in rows(page, "turns")] == ["Turn", "1", "2", "3", "4"]
    assert title(page, "power") == "607 W a GPU in the window, 31.5 J per output token"
    assert "gpu1 in 26.2 % of readings (sw_power_cap)" in page.inner_text("#about-telemetry")
    assert {r.split("\t")[0] for r in rows(page, "power")[1:]} == {"gpu0", "gpu1"}


def test_the_level_changes_distributions_and_timeline(open_page: Open) -> None:
    page = open_page()
    names = ("ttft", "flight", "requests")
    before = [(svg_of(page, name, "16 users"), rows(page, name)) for name in names]
    page.select_option("#level", label="2 users")
    after = [(svg_of(page, name, "2 users"), rows(page, name)) for name in names]
    assert all(a != b and x != y for (a, x), (b, y) in zip(before[1:], after[1:], strict=True))
    assert before[0][0] != after[0][0]
    assert page.inner_text("#subject").startswith("2 users: ")
    assert title(page, "flight") == "At most 2 requests in flight"
    assert open_page(page.url[page.url.index("#") :]).input_value("#level") == "1"


def test_distributions_switch_to_the_tail(open_page: Open) -> None:
    page = open_page()
    within = svg_of(page, "itl")
    page.select_option("#tail", "beyond")
    page.locator("#chart-itl svg text", has_text="share beyond").wait_for(state="attached")
    assert svg_of(page, "itl") != within


def test_axes_switch_the_curve(open_page: Open) -> None:
    page = open_page()
    figures = {}
    for control, value in (("behind", "hidden"), ("axis", "inter"), ("side", "out"), ("scale", "log")):
        page.select_option(f"#{control}", value)
        figures[control] = [row.split("\t") for row in rows(page, "curve-0")]
    assert len(figures["behind"]) == 6 and figures["behind"][0][2:4] == ["End-to-end latency p50, s", "total tok/s/GPU"]
    speeds = [float(r[2]) for r in figures["axis"][1:]]
    assert speeds == sorted(speeds, reverse=True)
    assert figures["side"][0][3] == "output tok/s/GPU"
    assert [r[3] for r in figures["side"][1:]] != [r[3] for r in figures["axis"][1:]]
    assert figures["scale"][1:] == figures["side"][1:]


def test_published_points_lie_behind_with_their_source(open_page: Open) -> None:
    page = open_page()
    assert "published points of inferencex" in page.inner_text("#chart-curve-0 .fig-source")
    published = [r for r in rows(page, "curve-0") if r.endswith("published")]
    assert len(published) > 5
    shown = svg_of(page, "curve-0")
    page.select_option("#behind", "hidden")
    assert len(svg_of(page, "curve-0")) < len(shown)
    assert "published" not in page.inner_text("#chart-curve-0 .fig-source")
    assert page.inner_text("#curve code").startswith("paretoken compare --model llama-3-70b --precision fp8")


def test_a_mark_answers_and_chooses_its_level(open_page: Open) -> None:
    page = open_page("#behind=hidden")
    assert page.input_value("#level") == "4"
    page.locator("#chart-curve-0 .canvas").focus()
    page.keyboard.press("ArrowRight")
    tip = page.inner_text("#chart-curve-0 .tip")
    for part in ("1 user", "TTFT p50", "TPOT p50", "E2E p50", "95 %", "steady: yes", "origin: measured"):
        assert part in tip
    page.keyboard.press("Enter")
    assert page.input_value("#level") == "0" and page.locator("#chart-curve-0 .tip.pinned").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#chart-curve-0 .tip").is_hidden()
    marks = page.locator("#chart-curve-0 svg path[fill='#1f6fd0'][transform]")
    box = marks.nth(2).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.input_value("#level") != "0"
    assert page.locator("#chart-curve-0 .tip.pinned").is_visible()


@pytest.mark.parametrize("open_page", ["trouble"], indirect=True)
def test_doubtful_levels_are_hollow_and_failures_red(open_page: Open) -> None:
    page = open_page("#behind=hidden")
    svg_of(page, "curve-0")
    assert page.locator("#chart-curve-0 svg path[stroke='#1f6fd0'][fill='#ffffff'][transform]").count() == 4
    page.select_option("#level", label="12 users (failed)")
    assert all("#c62828" in svg_of(page, name, "12 users") for name in ("errors", "requests"))
    assert title(page, "errors") == "50 requests failed"
    page.select_option("#level", label="2 users (2) (failed)")
    page.locator("#chart-ttft").scroll_into_view_if_needed()
    page.locator("#chart-ttft .empty", has_text="No request of this level has this figure.").wait_for()
    assert "#c62828" in svg_of(page, "requests", "2 users (2)")
    page.select_option("#level", label="2 users")
    assert page.locator("#chart-errors").is_hidden()


@pytest.mark.parametrize("open_page", ["trouble"], indirect=True)
def test_grades_are_told_apart(open_page: Open) -> None:
    page = open_page()
    color = "n => getComputedStyle(n).borderLeftColor"
    wrong, careful = (page.locator(f".warned.{g}").evaluate(color) for g in ("wrong", "careful"))
    assert wrong != careful
    assert not page.locator("#footnotes dl").is_visible()
    assert "too high" not in page.inner_text(".warned.wrong")


@pytest.mark.parametrize("open_page", ["two"], indirect=True)
def test_runs_of_one_question_lie_over_each_other(open_page: Open) -> None:
    page = open_page()
    assert {r.split("\t")[0] for r in rows(page, "curve-0")} >= {"before", "after"}
    assert page.locator("#overlay").count() == 0 and page.locator("#chart-curve-all").count() == 0
    page.select_option("#run", label="after")
    assert page.locator("#level option").count() == 3
    assert page.inner_text("#subject").startswith("after, 16 users")
    svg = svg_of(page, "ttft", "after, 16 users")
    assert "#c25a00" in svg and "#1f6fd0" in svg
    assert page.locator("#change tbody tr").count() == 21


@pytest.mark.parametrize("open_page", ["unlike"], indirect=True)
def test_runs_of_different_questions_have_charts_of_their_own(open_page: Open) -> None:
    page = open_page()
    assert {r.split("\t")[0] for r in rows(page, "curve-1")[1:]} == {"talk"}
    assert "talk" not in {r.split("\t")[0] for r in rows(page, "curve-0")[1:]}
    assert page.locator("#chart-curve-all").is_hidden()
    page.select_option("#overlay", "all")
    assert page.locator("#chart-curve-0").is_hidden() and page.locator("#chart-curve-1").is_hidden()
    assert {r.split("\t")[0] for r in rows(page, "curve-all")} >= {"before", "talk"}
    assert "Different questions in one chart" in page.inner_text("#chart-curve-all")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("open_page", ["trouble", "unlike", "nasty"], indirect=True)
def test_no_horizontal_overflow(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    for name in ("curve-0", "requests"):
        svg_of(page, name)
        rows(page, name)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_dark_print_keyboard_and_no_script(open_page: Open, browser: Browser, files: dict[str, Path]) -> None:
    page = open_page(color_scheme="dark")
    body = "getComputedStyle(document.body).backgroundColor"
    ground = "document.querySelector('#chart-curve-0 svg rect').getAttribute('fill')"
    assert (page.evaluate(body), page.evaluate(ground)) == ("rgb(20, 24, 28)", "#14181c")
    page.click("#theme")
    assert (page.evaluate(body), page.evaluate(ground)) == ("rgb(255, 255, 255)", "#ffffff")
    page.click("#theme")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(body) == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(ground) == "#ffffff"
    assert page.locator("#levels details table").first.is_visible()
    drawn = page.locator("#one-level figure:visible svg").count()
    assert drawn == page.locator("#one-level figure:visible").count() >= len(LEVEL)
    assert len(page.pdf(format="A4")) > 50_000
    fresh = open_page()
    fresh.keyboard.press("Tab")
    assert fresh.evaluate("document.activeElement.className") == "skip"
    before = svg_of(fresh, "flight", "16 users")
    fresh.focus("#level")
    fresh.keyboard.press("ArrowUp")
    assert svg_of(fresh, "flight", "8 users") != before
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(files["one"].as_uri())
    assert bare.locator("#levels table").first.is_visible() and bare.locator("#proof table").is_visible()
    assert not bare.locator("#chart-curve-0").is_visible() and not bare.locator("#one-level").is_visible()
    context.close()


def test_a_link_with_nonsense_still_shows_something(open_page: Open) -> None:
    page = open_page("#axis=up&side=x&scale=&tail=z&run=9&level=-4")
    assert page.input_value("#level") == "4" and "<path" in svg_of(page, "curve-0")
    assert page.evaluate("location.hash") == ""
