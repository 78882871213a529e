"""The study's page for everyone: axe-core, keyboard, zoom, reduced motion; and on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.report.html import render
from tests.support.axe import violations
from tests.support.figures import FOUR, drawn
from tests.support.html_pages import page_of
from tests.support.pages import Open, watched
from tests.support.planted import STEADY, curve, planted_study, times

pytestmark = pytest.mark.browser

FITS = "document.scrollingElement.scrollWidth <= innerWidth"
PIN = """id => { const { canvas, spots } = document.getElementById(id).drawn;
  const box = canvas.getBoundingClientRect(), [{ px, py }] = spots.spots;
  canvas.dispatchEvent(new MouseEvent("click", { clientX: box.x + px, clientY: box.y + py, bubbles: true })); }"""
REACHED = """() => {
  const node = document.activeElement, style = getComputedStyle(node), box = node.getBoundingClientRect();
  return { name: node.id || node.dataset.accelerator || node.textContent.trim().slice(0, 30), tag: node.tagName,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    shown: box.width > 0 && box.height > 0, at: [...document.querySelectorAll("*")].indexOf(node) }; }"""


@pytest.fixture(scope="module")
def open_report(browser: Browser, default_page: Path) -> Iterator[Open]:
    with watched(browser, default_page) as opened:
        yield opened


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")


def pinned(page: Page) -> None:
    drawn(page, "chart-cost")
    page.evaluate(PIN, "chart-cost")
    assert page.locator("#chart-cost .tip.pinned").is_visible()


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"width": 390}], ids=["unfolded", "dark", "phone"])
def test_axe_core_finds_nothing(open_report: Open, options: dict) -> None:
    """With a pinned tip and a table; once with all sections unfolded, once as opened."""
    page = open_report(**options)
    if "width" not in options:
        for figure in (*FOUR, "chart-dumbbell", "chart-stack", "chart-tornado"):
            drawn(page, figure)
        pinned(page)
        page.click("#chart-rent .menu >> text=Table")
    if not options:
        unfold(page)
    assert violations(page) == []
    page.context.close()


def test_at_200_percent_zoom_nothing_scrolls_sideways(open_report: Open) -> None:
    page = open_report(width=640, device_scale_factor=2)
    assert page.evaluate(FITS)
    unfold(page)
    assert page.evaluate(FITS)
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_width_scrolls_sideways(open_report: Open, width: int) -> None:
    page = open_report(width=width)
    unfold(page)
    assert page.evaluate(FITS)
    page.context.close()


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(open_report: Open) -> None:
    """Tab goes down the page; each stop is visible and has a ring of 2 px or more."""
    page = open_report()
    for figure in ("chart-hero", *FOUR):
        drawn(page, figure)
    page.evaluate("scrollTo(0, 0)")
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(REACHED))
    assert stops[0]["tag"] == "A" and "Skip" in stops[0]["name"]
    places = [stop["at"] for stop in stops]
    assert places == sorted(places)
    assert all(stop["shown"] for stop in stops[1:])
    assert [stop["name"] for stop in stops if not stop["ring"]] == []
    assert {"theme", "axis", "limit", "limit-value", "basis", "scenario", "model", "B200"} <= {s["name"] for s in stops}
    page.context.close()


def test_the_focus_stays_where_it_was_after_a_change(open_report: Open) -> None:
    page = open_report()
    page.locator("[data-accelerator=B200]").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.accelerator") == "B200"
    page.locator("#limit").focus()
    before = page.input_value("#limit-value")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#limit-value") != before
    assert page.evaluate("document.activeElement.id") == "limit"
    page.context.close()


def test_nothing_moves_for_who_prefers_no_motion(open_report: Open) -> None:
    page = open_report(reduced_motion="reduce")
    moving = """[...document.querySelectorAll("*")].filter((n) => { const s = getComputedStyle(n);
      return s.transitionDuration.split(", ").some((d) => parseFloat(d) > 0.01)
        || (s.animationName !== "none" && parseFloat(s.animationDuration) > 0.01) || s.scrollBehavior === "smooth";
    }).map((n) => n.tagName)"""
    assert page.evaluate(moving) == []
    page.context.close()


def pages_of(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def test_it_prints_on_four_pages_in_light_colours(open_report: Open) -> None:
    page = open_report(color_scheme="dark")
    assert pages_of(page) == 4
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    grounds = page.evaluate(
        """["chart-hero", "chart-cost", "chart-stack"].map(
          (id) => document.getElementById(id).drawn.chart.getOption().backgroundColor)"""
    )
    assert set(grounds) == {"#ffffff"}
    assert "FP8" in page.locator("#four-subject").inner_text()
    assert page.locator("#legend").inner_text().startswith("● NVIDIA")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
    page.context.close()


def test_a_small_study_prints_on_no_more_pages(browser: Browser, tmp_path: Path) -> None:
    result = planted_study(tmp_path / "points.parquet", curve("H200", STEADY), curve("MI355X", times(STEADY, 2)))
    path = tmp_path / "report.html"
    path.write_text(render(result), encoding="utf-8")
    with watched(browser, path) as opened:
        assert 1 <= pages_of(opened()) <= 4


def test_the_page_is_small(default_page: Path) -> None:
    assert default_page.stat().st_size <= 2_000_000


def test_axe_core_finds_nothing_in_the_run_report(browser: Browser, run_folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(page_of(run_folders / "before", run_folders / "after"), encoding="utf-8")
    with watched(browser, path) as opened:
        page = opened()
        unfold(page)
        assert violations(page) == []
