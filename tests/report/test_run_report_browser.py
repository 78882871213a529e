"""The page of measured runs in a browser: plotted, reacting, readable, silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.report.run.page import write_page
from tests.support.html_pages import page_of
from tests.support.pages import Open, watched

pytestmark = pytest.mark.browser

PLOTS = ("plot-curve", "plot-ttft", "plot-tpot", "plot-itl", "plot-e2e", "plot-time")


@pytest.fixture(scope="module")
def files(run_folders: Path) -> dict[str, Path]:
    made = {"one": ["before"], "two": ["before", "after"], "trouble": ["trouble"], "rates": ["rates"]}
    for name, runs in made.items():
        write_page(page_of(*(run_folders / r for r in runs)), run_folders / f"{name}.html")
    return {name: run_folders / f"{name}.html" for name in made}


@pytest.fixture
def open_page(browser: Browser, files: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Open]:
    with watched(browser, files[getattr(request, "param", "one")]) as opened:
        yield opened


def kinds(page: Page, plot: str) -> list[dict]:
    return page.evaluate(
        "id => document.getElementById(id).data.map(t => ({...t.meta, x: t.x, y: t.y, symbol: t.marker?.symbol}))", plot
    )


@pytest.mark.parametrize("open_page", ["one", "two", "trouble", "rates"], indirect=True)
def test_every_plot_is_drawn(open_page: Open) -> None:
    page = open_page()
    for plot in PLOTS:
        assert page.locator(f"#{plot} .scatterlayer .trace").count() >= 1, plot
    assert page.locator("#plot-server").is_visible() == (page.locator("#server table").count() > 0)


def test_the_level_changes_distributions_and_timeline(open_page: Open) -> None:
    page = open_page()
    before = [kinds(page, plot) for plot in PLOTS]
    page.select_option("#level", label="2 users")
    after = [kinds(page, plot) for plot in PLOTS]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert "2 users" in page.inner_text("#subject")
    assert max(next(t for t in after[-1] if t["kind"] == "in flight")["y"]) == 2
    assert open_page(page.url[page.url.index("#") :]).input_value("#level") == "1"


def test_axes_switch_the_curve(open_page: Open) -> None:
    page = open_page()
    seen = []
    for control, value in (("axis", "inter"), ("side", "total"), ("scale", "log")):
        page.select_option(f"#{control}", value)
        seen.append(page.evaluate("(({x, y}) => [x, y])(document.getElementById('plot-curve').data[1])"))
        seen[-1].append(page.evaluate("document.getElementById('plot-curve').layout.xaxis.type"))
    assert seen[0][0] == sorted(seen[0][0], reverse=True)
    assert seen[0][1] != seen[1][1]
    assert [s[2] for s in seen] == ["linear", "linear", "log"]


def test_a_click_on_a_mark_chooses_the_level(open_page: Open) -> None:
    page = open_page()
    assert page.input_value("#level") == "4"
    page.locator("#plot-curve").scroll_into_view_if_needed()
    box = page.evaluate(
        "(() => { const n = document.getElementById('plot-curve'), l = n._fullLayout, t = n.data[1];"
        " const r = n.getBoundingClientRect();"
        " return [r.x + l._size.l + l.xaxis.l2p(t.x[0]), r.y + l._size.t + l.yaxis.l2p(t.y[0])]; })()"
    )
    page.mouse.move(*box)
    page.wait_for_selector("#plot-curve .hoverlayer .hovertext")
    hover = page.locator("#plot-curve .hoverlayer").inner_html()
    for part in ("1 user", "TTFT p50", "TPOT p50", "E2E p50", "95 %", "steady: yes", "origin: measured"):
        assert part in hover
    page.mouse.click(*box)
    page.wait_for_function("document.getElementById('level').value === '0'")


@pytest.mark.parametrize("open_page", ["trouble"], indirect=True)
def test_doubtful_levels_are_hollow_and_failures_red(open_page: Open) -> None:
    page = open_page()
    marks = next(t for t in kinds(page, "plot-curve") if t["kind"] == "levels")
    assert marks["symbol"] == ["circle", *["circle-open"] * 4]
    page.select_option("#level", label="12 users (failed)")
    shown = {t["kind"] for t in kinds(page, "plot-time")}
    assert {"errors", "failed", "waiting", "decoding"} <= shown
    page.select_option("#level", label="2 users (2) (failed)")
    assert "none" in page.inner_text("#n-ttft")
    assert {t["kind"] for t in kinds(page, "plot-time")} >= {"errors", "failed"}


@pytest.mark.parametrize("open_page", ["two"], indirect=True)
def test_runs_lie_over_each_other(open_page: Open) -> None:
    page = open_page()
    assert {t.get("run") for t in kinds(page, "plot-curve") if t["kind"] == "levels"} == {"before", "after"}
    page.select_option("#run", label="after")
    assert page.locator("#level option").count() == 3
    assert page.inner_text("#subject").startswith("after: 16 users")
    strong = [t for t in kinds(page, "plot-ttft") if t["strong"]]
    assert len(strong) == 2


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("open_page", ["one", "two", "trouble"], indirect=True)
def test_no_horizontal_overflow(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_dark_print_keyboard_and_no_script(open_page: Open, browser: Browser, files: dict[str, Path]) -> None:
    page = open_page(color_scheme="dark")
    ground = (
        "[getComputedStyle(document.body).backgroundColor, document.getElementById('plot-time').layout.paper_bgcolor]"
    )
    assert page.evaluate(ground) == ["rgb(20, 24, 28)", "#14181c"]
    page.click("#theme")
    assert page.evaluate(ground) == ["rgb(255, 255, 255)", "#ffffff"]
    page.click("#theme")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#levels details table").first.is_visible()
    assert len(page.pdf(format="A4")) > 50_000
    fresh = open_page()
    fresh.keyboard.press("Tab")
    assert fresh.evaluate("document.activeElement.className") == "skip"
    fresh.focus("#level")
    before = kinds(fresh, "plot-time")
    fresh.keyboard.press("ArrowUp")
    assert kinds(fresh, "plot-time") != before
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(files["one"].as_uri())
    assert bare.locator("#levels table").first.is_visible() and bare.locator("#proof table").is_visible()
    assert not bare.locator("#plot-curve").is_visible() and not bare.locator("#one-level").is_visible()
    context.close()


def test_a_link_with_nonsense_still_shows_something(open_page: Open) -> None:
    page = open_page("#axis=up&side=x&scale=&tail=z&run=9&level=-4")
    assert page.input_value("#level") == "4" and kinds(page, "plot-curve")
