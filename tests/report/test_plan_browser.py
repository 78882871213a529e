"""The page of a plan in a browser: readable at any width, on paper, by keyboard and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from paretoken.report.plan.page import write_plan
from tests.support.pages import Open, watched
from tests.support.plans import hostile, many, nothing_meets, plan_answer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("plans")
    answers = {
        "plan": plan_answer(),
        "many": many(),
        "none": nothing_meets(),
        "hostile": hostile("<img src=x onerror=alert(1)>" + "w" * 80),
    }
    for name, answer in answers.items():
        write_plan(answer, base / name)
    return {name: base / name / "plan.html" for name in answers}


@pytest.fixture
def open_page(browser: Browser, files: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Open]:
    with watched(browser, files[getattr(request, "param", "plan")]) as opened:
        yield opened


def test_a_fleet_is_chosen_by_keyboard_and_by_link(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator("section.fleet:visible").count() == 1
    page.focus('input[value="1"]')
    page.keyboard.press("ArrowDown")
    assert page.locator("#fleet-2").is_visible() and not page.locator("#fleet-1").is_visible()
    assert page.url.endswith("#fleet-2")
    linked = open_page("#fleet-3")
    assert linked.locator("#fleet-3").is_visible() and linked.is_checked('input[value="3"]')
    assert open_page("#fleet-99").locator("#fleet-1").is_visible()


def test_a_command_is_copied_whole(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    for place, command in enumerate(plan_answer().rows[0].commands):
        page.locator("#fleet-1 .copy").nth(place).click()
        page.wait_for_function("n => document.querySelectorAll('#fleet-1 .copy')[n].textContent !== 'Copy'", arg=place)
        copied = page.evaluate("navigator.clipboard.readText().catch(() => String(getSelection()))")
        assert copied.strip() == command.strip()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("open_page", ["plan", "many", "none", "hostile"], indirect=True)
def test_no_horizontal_overflow(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_marks_lie_where_the_dollars_are(open_page: Open) -> None:
    page = open_page()
    places = page.eval_on_selector_all(
        ".fleets td.chart .dot",
        "dots => dots.map(d => { const r = d.getBoundingClientRect(), a = d.closest('td').getBoundingClientRect();"
        " return (r.x + r.width / 2 - a.x) })",
    )
    costs = [r.bills[0].usd_per_day for r in plan_answer().rows]
    assert [p / places[-1] for p in places] == pytest.approx([c / costs[-1] for c in costs], abs=0.02)


def test_dark_print_and_no_script(open_page: Open, browser: Browser, files: dict[str, Path]) -> None:
    page = open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 24, 28)"
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.check('input[value="2"]')
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator("#fleet-2").is_visible() and not page.locator("#fleet-1").is_visible()
    assert not page.locator("#fleet-2 .copy").first.is_visible()
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 2 <= sheets <= 3
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(files["plan"].as_uri())
    assert bare.locator("section.fleet:visible").count() == 3
    assert not bare.locator('input[type="radio"]').first.is_visible()
    context.close()


def test_text_is_legible_on_both_grounds(open_page: Open) -> None:
    """Every text stands at 4.5:1 or more against the page."""
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        worst = page.evaluate(
            """() => {
              const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
              const level = (c) => { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
                  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
              const ground = level(getComputedStyle(document.body).backgroundColor);
              return Math.min(...[...document.querySelectorAll("main *, header *")].filter((n) => n.innerText)
                .map((n) => level(getComputedStyle(n).color))
                .map((l) => (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05)));
            }"""
        )
        assert worst >= 4.5
