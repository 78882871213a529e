"""The report in a real Chromium: plotted, reacting, readable, silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.answers.study.result import StudyResult
from paretoken.report import render
from tests.support.pages import Open, watched
from tests.support.planted import STEADY, curve, planted_study, times

pytestmark = pytest.mark.browser

PLOTS = ("plot-frontier", "plot-cost", "plot-rent")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, default_result: StudyResult) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(default_result), encoding="utf-8")
    return path


@pytest.fixture
def open_report(browser: Browser, report: Path) -> Iterator[Open]:
    with watched(browser, report) as opened:
        yield opened


def traces(page: Page, plot: str) -> list[dict]:
    """What a plot holds: accelerator, kind and y of every trace."""
    return page.evaluate(
        "id => document.getElementById(id).data.map(t => ({a: t.meta.a, kind: t.meta.kind, x: t.x, y: t.y}))", plot
    )


def verdict(page: Page) -> str:
    return page.locator("#verdict").inner_text()


def choose(page: Page, name: str, value: str) -> None:
    page.select_option(f"#{name}", value)


def test_three_plots_have_lines_and_points(open_report: Open) -> None:
    page = open_report()
    for plot in PLOTS:
        found = traces(page, plot)
        assert len({t["a"] for t in found if t["kind"] == "line"}) >= 3
        assert page.locator(f"#{plot} .scatterlayer .trace").count() == len(found)
    kinds = {t["kind"] for t in traces(page, "plot-frontier")}
    assert kinds == {"line", "flat", "between", "front", "dominated"}


def test_an_accelerator_switched_off_leaves_all_plots(open_report: Open) -> None:
    page = open_report()
    page.click("[data-accelerator=B200]")
    assert page.get_attribute("[data-accelerator=B200]", "aria-pressed") == "false"
    for plot in PLOTS:
        assert "B200" not in {t["a"] for t in traces(page, plot)}
    page.click("[data-accelerator=B200]")
    for plot in PLOTS:
        assert "B200" in {t["a"] for t in traces(page, plot)}


@pytest.mark.parametrize(
    ("control", "value"), [("model", "deepseek-r1"), ("workload", "Summarisation 8k/1k"), ("axis", "interactivity")]
)
def test_a_switch_changes_plots_and_verdict(open_report: Open, control: str, value: str) -> None:
    page = open_report()
    before = [traces(page, plot) for plot in PLOTS], verdict(page)
    choose(page, control, value)
    after = [traces(page, plot) for plot in PLOTS], verdict(page)
    assert all(old != new for old, new in zip(before[0], after[0], strict=True))
    assert before[1] != after[1]


def test_serving_and_precision_change_what_is_shown(open_report: Open) -> None:
    page = open_report("#model=deepseek-r1&precision=fp8&workload=Chat+1k/1k")
    one_node = {t["a"] for t in traces(page, "plot-frontier")}
    choose(page, "scenario", "everything")
    any_serving = {t["a"] for t in traces(page, "plot-frontier")}
    assert one_node < any_serving
    choose(page, "precision", "fp4")
    assert "MI300X" not in {t["a"] for t in traces(page, "plot-frontier")}


def test_the_tier_changes_cost_and_verdict_but_not_throughput(open_report: Open) -> None:
    page = open_report()
    before = [traces(page, plot) for plot in PLOTS], verdict(page)
    choose(page, "tier", page.locator("#tier option").nth(1).get_attribute("value"))
    assert traces(page, "plot-frontier") == before[0][0]
    assert traces(page, "plot-cost") != before[0][1]
    assert verdict(page) != before[1]


def test_break_even_follows_the_reference_rent_exactly(open_report: Open) -> None:
    page = open_report()
    before = traces(page, "plot-rent")
    rent = float(page.input_value("#rent"))
    page.fill("#rent", str(rent * 2))
    after = traces(page, "plot-rent")
    assert traces(page, "plot-frontier")
    for old, new in zip(before, after, strict=True):
        assert [v * 2 if v is not None else None for v in old["y"]] == new["y"]


def test_a_rent_that_is_none_is_refused(open_report: Open) -> None:
    page = open_report()
    before = traces(page, "plot-rent")
    page.fill("#rent", "-1")
    assert page.get_attribute("#rent", "aria-invalid") == "true"
    assert traces(page, "plot-rent") == before


def test_each_engine_can_be_seen(open_report: Open) -> None:
    page = open_report()
    best = [t for t in traces(page, "plot-frontier") if t["kind"] == "line"]
    choose(page, "lines", "each")
    each = [t for t in traces(page, "plot-frontier") if t["kind"] == "line"]
    assert len(each) > len(best)
    assert {t["a"] for t in each} == {t["a"] for t in best}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    "link", ["", "#model=deepseek-r1&precision=fp8&scenario=everything&lines=each&axis=interactivity"]
)
def test_no_horizontal_overflow(open_report: Open, width: int, link: str) -> None:
    page = open_report(link, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


EVERYTHING = "#model=deepseek-r1&precision=fp8&workload=Chat+1k/1k&scenario=everything"


def box(page: Page, selector: str) -> dict:
    return page.locator(selector).bounding_box()


@pytest.mark.parametrize(("link", "width"), [(EVERYTHING, 1440), (EVERYTHING, 390), ("", 390), (EVERYTHING, 320)])
def test_lines_without_names_at_their_ends_have_a_legend(open_report: Open, link: str, width: int) -> None:
    page = open_report(link, width=width)
    for plot in PLOTS:
        styles, names = page.evaluate(
            "id => { const lines = document.getElementById(id).data.filter(t => t.meta.kind === 'line');"
            " return [lines.map(t => `${t.line.color} ${t.line.dash}`), lines.map(t => t.name)]; }",
            plot,
        )
        entries = page.locator(f"#{plot} .legend .legendtext").all_text_contents()
        assert len(entries) == len(set(styles))
        assert set(entries) == set(names)
        title, legend = box(page, f"#{plot} .xtitle"), box(page, f"#{plot} .legend")
        assert title["y"] + title["height"] <= legend["y"]
        assert legend["x"] + legend["width"] <= width


def test_lines_with_names_at_their_ends_have_no_legend(open_report: Open) -> None:
    page = open_report(width=1440)
    for plot in PLOTS:
        assert page.locator(f"#{plot} .annotation-text").count() >= 3
        assert page.locator(f"#{plot} .legend").count() == 0


def test_comparisons_and_hardware_fit_a_wide_page(open_report: Open) -> None:
    page = open_report(EVERYTHING, width=1440)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    cut = "s => [...document.querySelectorAll(s)].filter(n => n.scrollWidth > n.clientWidth).length"
    for tables in ("#verdict .scroll", "#hardware .scroll"):
        assert page.locator(tables).count() > 0
        assert page.evaluate(cut, tables) == 0
    heads = page.locator("#hardware thead").first.inner_text()
    assert heads.count("TFLOP/s") == 3


def test_a_link_to_a_section_keeps_the_selection(open_report: Open) -> None:
    page = open_report()
    choose(page, "model", "deepseek-r1")
    choose(page, "axis", "interactivity")
    chosen = page.url
    page.click("nav a[href='#prices']")
    page.wait_for_url(chosen)
    assert 0 <= box(page, "#prices")["y"] < 900
    page.reload()
    assert page.input_value("#model") == "deepseek-r1"


def test_dark_mode_by_preference_and_by_button(open_report: Open) -> None:
    def grounds(page: Page) -> tuple[str, str]:
        return page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " document.getElementById('plot-cost').layout.paper_bgcolor]"
        )

    light, dark = grounds(open_report()), grounds(page := open_report(color_scheme="dark"))
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    page.click("#theme")
    assert grounds(page) == light
    page.emulate_media(color_scheme="light")
    page.click("#theme")
    assert grounds(page) == dark


def test_print_is_light_and_shows_every_table(open_report: Open) -> None:
    page = open_report(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    for section in ("verdicts", "hardware", "prices", "sources"):
        assert page.locator(f"#{section} table").first.is_visible()
    assert page.locator("#method h3").first.is_visible()
    assert len(page.pdf(format="A4")) > 50_000


def test_a_closed_table_is_open_on_paper(open_report: Open) -> None:
    page = open_report()
    closed = page.locator("#flagged details table").first
    assert not closed.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not closed.is_visible()


def test_a_link_restores_the_selection(open_report: Open) -> None:
    page = open_report()
    choose(page, "model", "deepseek-r1")
    choose(page, "axis", "interactivity")
    page.fill("#rent", "3.1")
    page.click("[data-accelerator=MI355X]")
    again = open_report("#" + page.url.split("#", 1)[1])
    assert [again.input_value(f"#{c}") for c in ("model", "axis", "rent")] == ["deepseek-r1", "interactivity", "3.1"]
    assert again.get_attribute("[data-accelerator=MI355X]", "aria-pressed") == "false"
    assert [traces(again, plot) for plot in PLOTS] == [traces(page, plot) for plot in PLOTS]


def test_a_link_with_nonsense_still_shows_something(open_report: Open) -> None:
    page = open_report(
        "#model=none&precision=fp9&axis=sideways&tier=x&rent=-3&off=Nothing&reference=Y&view=z&lines=q&scale=w"
    )
    assert traces(page, "plot-frontier")


def test_the_keyboard_reaches_and_switches_an_accelerator(open_report: Open) -> None:
    page = open_report()
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.dataset.accelerator || ''")
        if focused:
            break
    assert focused
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.dataset.accelerator") == focused
    assert focused not in {t["a"] for t in traces(page, "plot-frontier")}
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_first_tab_stop_skips_to_the_plots(open_report: Open) -> None:
    page = open_report()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").is_visible()


def test_hover_shows_the_whole_point(open_report: Open) -> None:
    page = open_report()
    text = page.evaluate("document.getElementById('plot-frontier').data.find(t => t.meta.kind === 'front').text[0]")
    for part in ("TP ", "GPUs", "users", "TTFT", "TPOT", "E2E", "tok/s/GPU", "published", "20"):
        assert part in text


def test_a_mark_pointed_at_shows_itself(open_report: Open) -> None:
    """Of marks that no other covers, each answers with its point, never the line under it."""
    page = open_report(width=1440)
    page.locator("#plot-frontier").scroll_into_view_if_needed()
    spots = page.evaluate(
        """() => {
          const gd = document.getElementById('plot-frontier'), box = gd.getBoundingClientRect(), l = gd._fullLayout;
          const at = (t, i) => [box.x + l.xaxis._offset + l.xaxis.c2p(t.x[i]),
                                box.y + l.yaxis._offset + l.yaxis.c2p(t.y[i])];
          const all = gd.data.filter(t => ['front', 'dominated'].includes(t.meta.kind))
            .flatMap(t => t.x.map((_, i) => [...at(t, i), t.meta.kind]));
          return all.filter(([x, y, kind], k) => kind === 'front' &&
            all.every(([u, v], j) => j === k || Math.hypot(u - x, v - y) > 12)).map(([x, y]) => [x, y]);
        }"""
    )
    assert len(spots) > 10
    for x, y in spots:
        page.mouse.move(5, 5)
        page.mouse.move(x, y)
        page.wait_for_function("document.querySelector('#plot-frontier .hovertext')")
        text = page.locator("#plot-frontier .hovertext").text_content()
        assert "users" in text and "between points" not in text


def test_flat_broken_emulated_and_newer_are_drawn_as_what_they_are(browser: Browser, tmp_path: Path) -> None:
    """H200 ends at 20 s; of MI355X the source changes after 10 s, a newer release has one load, one is emulated."""
    broken = curve("MI355X", STEADY, date="2026-01-01")
    for later in broken[2:]:
        later["source"] = "another carrier"
    result = planted_study(
        tmp_path / "points.parquet",
        curve("H200", [(5, 300), (8, 400), (10, 500), (20, 600)]),
        broken,
        curve("MI355X", [(15, 9000)], engine_version="0.19.0", date="2026-05-01"),
        curve("MI355X", times(STEADY, 2), origin="emulated", source="an emulator"),
        origins=["published", "emulated"],
    )
    path = tmp_path / "report.html"
    path.write_text(render(result), encoding="utf-8")
    with watched(browser, path) as opened:
        page = opened()
        drawn = page.evaluate(
            "document.getElementById('plot-frontier').data.map(t => ({a: t.meta.a, kind: t.meta.kind, x: t.x, y: t.y,"
            " dash: t.line && t.line.dash, symbol: t.marker && t.marker.symbol, text: t.text}))"
        )
        legend = page.locator("#legend").inner_text()
    (flat,) = (t for t in drawn if (t["a"], t["kind"]) == ("H200", "flat"))
    held = [(x, y) for x, y in zip(flat["x"], flat["y"], strict=True) if y is not None]
    assert (flat["dash"], held[0], held[-1]) == ("dot", (20, 600), (40, 600))
    lines = {t["dash"]: t for t in drawn if (t["a"], t["kind"]) == ("MI355X", "line")}
    assert set(lines) == {"solid", "longdashdot"}
    gap = [y for x, y in zip(lines["solid"]["x"], lines["solid"]["y"], strict=True) if 10 < x < 20]
    assert len(gap) > 10 and set(gap) == {None}
    assert None not in lines["longdashdot"]["y"]
    symbols = {t["symbol"] for t in drawn if t["kind"] == "front" and t["a"] == "MI355X"}
    assert symbols == {"diamond", "diamond-open-dot"}
    (newer,) = (t for t in drawn if t["kind"] == "newer")
    assert (newer["x"], newer["y"], newer["symbol"]) == ([15], [9000], "x-thin")
    assert "newer release, not ranked" in newer["text"][0]
    for part in ("emulated, in no headline", "dotted beyond", "crosses: newer releases"):
        assert part in legend


def test_without_script_the_tables_are_there(open_report: Open, browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#verdicts table").first.is_visible()
    assert page.locator("noscript").first.is_visible()
    assert not page.locator("#plot-frontier").is_visible()
    context.close()
