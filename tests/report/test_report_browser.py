"""The report in a real Chromium: what a reader sees, changes and asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.answers.study.result import StudyResult
from paretoken.report.html import render
from tests.support.figures import FOUR, At, at_links, choose, drawn, groups, plot
from tests.support.pages import Open, until, watched
from tests.support.planted import STEADY, curve, planted_study, times

pytestmark = pytest.mark.browser

R1 = "model=deepseek-r1&precision=fp8&workload=Chat+1k/1k"


@pytest.fixture(scope="module")
def open_report(browser: Browser, default_page: Path) -> Iterator[Open]:
    with watched(browser, default_page) as opened:
        yield opened


@pytest.fixture(scope="module")
def at(open_report: Open) -> At:
    """One open page, which goes to the selection of a link."""
    return at_links(open_report())


def test_the_first_screen_holds_the_answer_the_dollars_and_the_chart(open_report: Open) -> None:
    for width in (1280, 390):
        page = open_report(width=width)
        assert "has the cheapest tokens in" in page.locator(".lead").inner_text()
        dollars = page.locator("#answer-dollars").inner_text()
        assert "$" in dollars and "would have to cost" in dollars
        top = page.locator("#chart-hero .canvas").bounding_box()["y"]
        assert top < 700
    page = open_report()
    box = page.locator("#chart-hero .canvas").bounding_box()
    assert box["y"] + box["height"] <= 905


def test_the_first_chart_has_every_accelerator_with_a_price_within_the_limit(
    at: At, default_result: StudyResult
) -> None:
    page = at()
    hero = plot(page, "chart-hero")
    titles = {p.title for p in default_result.panels}
    assert len(hero["y"]["categories"]) == len(titles)
    assert {m["group"] for m in hero["marks"]} >= {"H100", "H200", "B200", "MI300X", "MI325X", "MI355X"}
    rests = [t for t in hero["texts"] if t["text"][0] in "○◇△□☆"]
    counts = re.search(r"in \d+ of (\d+) measured workloads.*; in \d+ of (\d+) predicted\b", hero["title"])
    assert counts and int(counts[2]) == len(rests), "predictions are counted apart"
    assert int(counts[1]) + int(counts[2]) == len(titles)
    predicted = [m for m in hero["marks"] if m["hollow"]]
    assert predicted and all(m["interval"][0] < m["x"] < m["interval"][1] for m in predicted)


def test_a_point_leads_to_its_run_or_else_to_its_collection(at: At) -> None:
    marks = plot(at(), "chart-cost")["marks"]
    links = {(m["about"]["href"], m["about"]["hrefText"]) for m in marks if m["about"]["href"]}
    collections = {text for href, text in links if href.endswith("github.com/SemiAnalysisAI/InferenceX")}
    assert collections == {"Open the collection"}
    assert not [row for m in marks for row in m["about"]["rows"] if " on 1 GPUs" in row]


def test_the_limit_moves_every_chart_and_the_answer(at: At) -> None:
    page = at()
    before = plot(page, "chart-hero"), page.locator("#answer-dollars").inner_text(), plot(page, "chart-dumbbell")
    page.fill("#limit-value", "20")
    after = plot(page, "chart-hero"), page.locator("#answer-dollars").inner_text(), plot(page, "chart-dumbbell")
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert "≥ 20 tok/s/user" in after[0]["title"]
    assert page.evaluate("document.getElementById('bar').getBoundingClientRect().top") == 0, "the bar stays in reach"


def test_the_price_basis_moves_cost_and_rent_but_no_throughput(at: At) -> None:
    page = at()
    before = [plot(page, figure) for figure in (*FOUR, "chart-hero")]
    choose(page, "basis", "market:on-demand")
    after = [plot(page, figure) for figure in (*FOUR, "chart-hero")]
    assert before[:2] == after[:2]
    assert all(old != new for old, new in zip(before[2:], after[2:], strict=True))


def test_an_accelerator_switched_off_leaves_all_charts(at: At) -> None:
    page = at()
    page.click("[data-accelerator=B200]")
    assert page.get_attribute("[data-accelerator=B200]", "aria-pressed") == "false"
    for figure in FOUR:
        assert "B200" not in groups(page, figure)
    page.click("[data-accelerator=B200]")
    for figure in FOUR:
        assert "B200" in groups(page, figure)


@pytest.mark.parametrize(
    ("control", "value"), [("model", "deepseek-r1"), ("workload", "Summarisation 8k/1k"), ("axis", "e2e")]
)
def test_a_switch_changes_charts_and_verdict(at: At, control: str, value: str) -> None:
    page = at()
    before = plot(page, "chart-cost"), page.locator("#verdict-now").inner_text()
    choose(page, control, value)
    assert plot(page, "chart-cost") != before[0]
    assert page.locator("#verdict-now").inner_text() != before[1]


def test_serving_and_precision_change_what_is_shown(at: At) -> None:
    page = at(R1)
    one_node = groups(page, "chart-e2e")
    choose(page, "scenario", "everything")
    assert one_node < groups(page, "chart-e2e")
    choose(page, "precision", "fp4")
    assert "MI300X" not in groups(page, "chart-e2e")


def test_ttft_and_megawatts_are_axes_too(at: At) -> None:
    page = at(R1)
    choose(page, "axis", "ttft")
    assert plot(page, "chart-interactivity")["x"]["title"].startswith("Time to first token")
    per_gpu = plot(page, "chart-e2e")
    choose(page, "measure", "mw")
    per_mw = plot(page, "chart-e2e")
    assert "MW" in per_mw["y"]["title"]
    assert per_mw["marks"][0]["y"] > 100 * per_gpu["marks"][0]["y"]


def test_each_engine_has_a_chart_on_the_same_scales(at: At) -> None:
    page = at(R1 + "&axis=e2e")
    choose(page, "lines", "each")
    shown = page.locator("#engines figure:not([hidden])")
    assert shown.count() >= 3
    plots = [plot(page, shown.nth(i).get_attribute("id")) for i in range(3)]
    assert len({p["title"] for p in plots}) == 3
    assert len({(p["x"]["min"], p["x"]["max"]) for p in plots}) == 1


def test_a_cost_nobody_states_says_why_and_draws_no_axes(at: At) -> None:
    page = at()
    choose(page, "view", "o")
    drawn = plot(page, "chart-cost")
    assert "output throughput" in drawn["empty"]
    assert page.locator("#chart-cost .empty").inner_text() == drawn["empty"]
    assert not page.locator("#chart-cost .canvas").is_visible()


def test_every_mark_answers_for_itself(at: At) -> None:
    """Pointed at exactly, each mark says its own point, alone or among those that lie on it."""
    page = at(R1 + "&scenario=everything")
    for figure in ("chart-hero", *FOUR[:3]):
        drawn(page, figure)
        missed = page.evaluate(
            """id => {
              const { canvas, spots, tip } = document.getElementById(id).drawn;
              const box = canvas.getBoundingClientRect();
              const by_group = [...spots.spots].sort((a, b) => a.mark.group.localeCompare(b.mark.group));
              return by_group.filter(({ mark, px, py }) => {
                canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: box.x + px, clientY: box.y + py }));
                const near = spots.spots.filter((s) => Math.hypot(s.px - px, s.py - py) <= 5).length;
                return tip.box.hidden || (near <= 6 && !tip.box.textContent.includes(mark.about.rows[1]));
              }).map(({ mark }) => mark.about.title);
            }""",
            figure,
        )
        assert missed == [], figure


def test_a_click_pins_a_point_with_its_source(at: At) -> None:
    page = at()
    plot(page, "chart-cost")
    x, y = page.evaluate(
        """() => { const { canvas, spots } = document.getElementById('chart-cost').drawn;
             const box = canvas.getBoundingClientRect(), s = spots.spots.find((s) => !s.mark.faint);
             return [box.x + s.px, box.y + s.py]; }"""
    )
    page.mouse.click(x, y)
    page.mouse.move(5, 5)
    tip = page.locator("#chart-cost .tip")
    text = tip.inner_text()
    for part in ("TP ", "GPU, ", "users", "TTFT", "TPOT", "E2E", "tok/s/GPU", "published", "per million"):
        assert part in text
    assert tip.locator("a").first.get_attribute("href").startswith("https://")
    page.click("#chart-cost .tip .close")
    assert not tip.is_visible()


def test_the_keyboard_goes_from_mark_to_mark(open_report: Open) -> None:
    page = open_report()
    plot(page, "chart-hero")
    page.locator("#chart-hero .canvas").focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#chart-hero .tip").inner_text()
    page.keyboard.press("ArrowRight")
    assert first and page.locator("#chart-hero .tip").inner_text() != first
    page.keyboard.press("Escape")
    assert not page.locator("#chart-hero .tip").is_visible()


def test_a_figure_leaves_home_with_its_texts(open_report: Open) -> None:
    page = open_report()
    drawn = plot(page, "chart-cost")
    page.click("#chart-cost .menu >> text=Table")
    rows = page.locator("#chart-cost .fig-table tbody tr").count()
    assert rows == len([m for m in drawn["marks"] if m["shape"] != "cross"])
    with page.expect_download() as csv:
        page.click("#chart-cost .menu >> text=CSV")
    text = Path(csv.value.path()).read_text(encoding="utf-8")
    assert drawn["title"].split(":")[0] in text and len(text.splitlines()) == rows + 4
    with page.expect_download() as png:
        page.click("#chart-cost .menu >> text=PNG")
    data = Path(png.value.path()).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 20_000


ROWS = "document.querySelectorAll('#points-table tbody tr').length"


def test_points_can_be_filtered_and_sorted(open_report: Open) -> None:
    page = open_report()
    page.click("#points summary")
    until(page, f"0 < {ROWS}")
    everything = page.evaluate(ROWS)
    page.fill("#points-filter", "mi355x vllm")
    until(page, f"0 < {ROWS} && {ROWS} < {everything}")
    page.fill("#points-filter", "")
    until(page, f"{ROWS} === {everything}")
    page.click("#points-table th >> text=tok/s/user")
    column = page.locator("#points-table tbody td:nth-child(6)").all_inner_texts()
    values = [float(v.replace(",", "")) for v in column if v != "–"]
    assert values == sorted(values) and len(values) > 10


def test_dark_mode_by_preference_and_by_button(open_report: Open) -> None:
    def grounds(page: Page) -> tuple[str, str]:
        return page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " document.getElementById('chart-hero').drawn.chart.getOption().backgroundColor]"
        )

    light, dark = grounds(open_report()), grounds(page := open_report(color_scheme="dark"))
    assert light[0] != dark[0] and light[1] != dark[1]
    page.click("#theme")
    assert grounds(page) == light


def test_a_link_restores_the_selection(open_report: Open) -> None:
    page = open_report()
    choose(page, "model", "deepseek-r1")
    choose(page, "axis", "e2e")
    page.fill("#limit-value", "31")
    page.click("[data-accelerator=MI355X]")
    again = open_report("#" + page.url.split("#", 1)[1])
    assert [again.input_value(f"#{c}") for c in ("model", "axis", "limit-value")] == ["deepseek-r1", "e2e", "31"]
    assert again.get_attribute("[data-accelerator=MI355X]", "aria-pressed") == "false"
    assert [plot(again, figure) for figure in FOUR] == [plot(page, figure) for figure in FOUR]


def test_a_link_to_a_folded_section_opens_it(open_report: Open) -> None:
    page = open_report("#prices")
    assert page.locator("#prices table").first.is_visible()


def test_a_link_with_nonsense_still_shows_something(open_report: Open) -> None:
    page = open_report(
        "#model=none&precision=fp9&axis=sideways&e2e=-3&basis=x&off=Nothing&reference=Y&view=z&lines=q&scale=w&price-H200=x"
    )
    assert plot(page, "chart-e2e")["lines"]
    address = page.evaluate("location.hash")
    assert not re.search("none|fp9|sideways|Nothing|price", address), "what the page does not know leaves the address"


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
        drawn = plot(opened("#axis=e2e&e2e=15"), "chart-e2e")
    (flat,) = (line for line in drawn["lines"] if (line["group"], line["dash"]) == ("H200", "dotted"))
    points = [point for point in flat["points"] if point]
    assert points[0] == pytest.approx([20, 600]) and {y for _, y in points} == {600} and points[-1][0] > 39
    lines = {line["dash"]: line for line in drawn["lines"] if line["group"] == "MI355X" and line["dash"] != "dotted"}
    assert set(lines) == {"solid", "dashed"}
    assert not [p for p in lines["solid"]["points"] if p and 10.01 < p[0] < 19.99]
    assert [p for p in lines["dashed"]["points"] if p and 10.01 < p[0] < 19.99]
    marks = {(m["shape"], bool(m["hollow"])) for m in drawn["marks"] if m["group"] == "MI355X" and not m["faint"]}
    assert marks == {("diamond", False), ("diamond", True), ("cross", False)}
    (newer,) = (m for m in drawn["marks"] if m["shape"] == "cross")
    assert (newer["x"], newer["y"]) == (15, 9000)
    assert any("newer release, not ranked" in row for row in newer["about"]["rows"])


def test_without_script_the_tables_are_there(browser: Browser, default_page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(default_page.as_uri())
    page.click("#verdicts summary")
    assert page.locator("#verdicts table").first.is_visible()
    assert page.locator("noscript").first.is_visible()
    assert not page.locator("#chart-hero").is_visible()
    context.close()


def test_the_rent_chart_takes_the_cheapest_where_the_reference_has_no_data(open_report: Open) -> None:
    page = open_report("#model=llama-3-70b&precision=fp4&workload=Chat+1k/1k")
    drawn = plot(page, "chart-rent")
    assert drawn["empty"] is None and {line["group"] for line in drawn["lines"]} == {"B200", "MI355X"}
    assert "MI355X equals B200 at $" in drawn["title"]
    notes = page.locator("#chart-rent .fig-subtitle").inner_text()
    assert "H200 has no data or price here" in notes and "No market price of MI355X" in notes
