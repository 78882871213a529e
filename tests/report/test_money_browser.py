"""The report's money in a real Chromium: its plots agree with the library to 1e-9, and its inputs can be adjusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.answers.study.config import Study
from paretoken.answers.study.result import StudyResult
from paretoken.answers.study.run import run_study
from paretoken.prices.cost import break_even_rent, usd_per_mtok
from paretoken.prices.owner.layers import operators
from paretoken.prices.owner.levelised import stack, total
from paretoken.prices.owner.sensitivity import tornado
from paretoken.report.html import render
from tests.support.owners import ADJUSTED, near, owned
from tests.support.pages import Open, watched

pytestmark = pytest.mark.browser

PLOTS = ("plot-stack", "plot-tornado", "plot-band", "plot-market", "plot-index", "plot-terms", "plot-outlook")
LINES = {"line", "flat"}
"""A line is drawn in two parts: between its points, and dotted beyond the last."""
PERCENT = {"cost_of_capital_per_year", "sold_share", "load"}


@pytest.fixture(scope="session")
def small() -> StudyResult:
    study = Study(name="money", models=["deepseek-r1"], precisions=["fp8"], workloads=["chat"], draws=2000)
    return run_study(study, today=date(2026, 11, 24))


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory, small: StudyResult) -> Path:
    path = tmp_path_factory.mktemp("money") / "report.html"
    path.write_text(render(small), encoding="utf-8")
    return path


@pytest.fixture
def open_page(browser: Browser, page_file: Path) -> Iterator[Open]:
    with watched(browser, page_file) as opened:
        yield opened


def traces(page: Page, plot: str) -> list[dict]:
    return page.evaluate(
        "id => document.getElementById(id).data.map(t => ({meta: t.meta, x: t.x, y: t.y, custom: t.customdata}))", plot
    )


def whole(page: Page, plot: str) -> list[dict]:
    """The lines of a plot, each with its dotted part beyond the last point."""
    parts: dict[tuple, dict] = {}
    for t in traces(page, plot):
        if t["meta"]["kind"] in LINES:
            line = parts.setdefault((t["meta"]["a"], tuple(t["x"])), {**t, "y": [None] * len(t["x"])})
            line["y"] = [new if new is not None else old for old, new in zip(line["y"], t["y"], strict=True)]
    return list(parts.values())


def by_x(trace: dict) -> dict[float, float]:
    return {x: y for x, y in zip(trace["x"], trace["y"], strict=True) if y is not None}


def adjust(page: Page, adjusted: dict[str, float]) -> None:
    for key, value in adjusted.items():
        page.fill(f"#t-{key}", repr(value * 100 if key in PERCENT else value))


def test_the_cost_and_break_even_plots_agree(open_page: Open, small: StudyResult) -> None:
    """The tier's cost and the break-even rent as drawn, from the throughput as drawn."""
    page = open_page("#reference=H200&rent=2.35")
    price = small.tariffs[0].usd_per_gpu_h
    lines = {plot: whole(page, plot) for plot in ("plot-frontier", "plot-cost", "plot-rent")}
    speeds = {(t["meta"]["a"], tuple(t["x"])): t["y"] for t in lines["plot-frontier"]}
    reference: dict[float, float] = {}
    for (name, x), y in speeds.items():
        if name == "H200":
            reference |= {at: max(v, reference.get(at, 0.0)) for at, v in zip(x, y, strict=True) if v is not None}
    for t in lines["plot-cost"]:
        name = t["meta"]["a"]
        for usd, speed in zip(t["y"], speeds[name, tuple(t["x"])], strict=True):
            assert usd is speed is None or near(usd, usd_per_mtok(price[name], speed, small.study.serving_load))
    compared = 0
    for t in (t for t in lines["plot-rent"] if t["meta"]["a"] != "H200"):
        for at, rent, speed in zip(t["x"], t["y"], speeds[t["meta"]["a"], tuple(t["x"])], strict=True):
            if rent is not None:
                assert near(rent, break_even_rent(2.35, reference[at], speed))
                compared += 1
    assert compared > 100


@pytest.mark.parametrize("operator", list(operators()))
def test_the_page_and_the_library_agree(open_page: Open, operator: str) -> None:
    page = open_page()
    page.select_option("#operator", operator)
    for adjusted in ADJUSTED.values():
        page.click("#reset-inputs")
        adjust(page, adjusted)
        drawn = {
            (t["meta"]["component"], a): x
            for t in traces(page, "plot-stack")
            for a, x in zip(t["y"], t["x"], strict=True)
        }
        ours = {i.accelerator: {**i.values, **adjusted} for i in owned(operator=operator)}
        shown = {a for _, a in drawn}
        assert len(shown) >= 8
        for name in shown:
            for component, usd in stack(ours[name]).items():
                assert near(drawn.get((component, name), 0.0), usd), (name, component, adjusted)
            assert near(sum(x for (_, a), x in drawn.items() if a == name), total(ours[name]))


def test_the_tornado_agrees(open_page: Open) -> None:
    page = open_page()
    adjusted = {"electricity_usd_per_kwh": 0.06, "life_months": 40.0}
    adjust(page, adjusted)
    page.select_option("#tornado-of", "MI300X")
    sides = {t["meta"]["side"]: [row[0] for row in t["custom"]] for t in traces(page, "plot-tornado")}
    base = next(i for i in owned(["MI300X"]))
    swings = {}
    for name, f in base.figures.items():
        if not f.certain and name not in adjusted:
            at = [float(total({**base.values, **adjusted, name: x})) for x in (f.low, f.high)]
            swings[name] = at
    ordered = sorted((x for x in swings.values() if x[0] != x[1]), key=lambda x: -abs(x[1] - x[0]))
    assert len(ordered) == len(tornado(base)) - len(adjusted) == len(sides["low"])
    for (low, high), a, b in zip(ordered, sides["low"], sides["high"], strict=True):
        assert near(a, low) and near(b, high)


@pytest.mark.parametrize("width", [1280, 390])
def test_values_in_the_tornado_have_units_and_can_be_read(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    rect = "[...document.querySelectorAll('#plot-tornado %s')].map(n => n.getBoundingClientRect().toJSON())"
    labels = page.evaluate(rect % ".annotation-text")
    bars = [b for b in page.evaluate(rect % ".bars .point path") if b["width"] > 1]
    frame = page.locator("#plot-tornado .main-svg").first.bounding_box()
    texts = page.locator("#plot-tornado .annotation-text").all_text_contents()
    assert {"72 months", "$0.05/kWh", "100 %"} <= set(texts)
    assert all(any(c in t for c in "$%×") or " " in t for t in texts)
    assert len(labels) == 2 * len(traces(page, "plot-tornado")[0]["y"])
    for t in labels:
        assert frame["x"] <= t["left"] and t["right"] <= frame["x"] + frame["width"]
        for b in bars:
            over = min(t["right"], b["right"]) - max(t["left"], b["left"])
            assert over <= 1 or min(t["bottom"], b["bottom"]) - max(t["top"], b["top"]) <= 1


def test_the_cost_of_tokens_agrees(open_page: Open, small: StudyResult) -> None:
    page = open_page()
    adjust(page, {"cost_of_capital_per_year": 0.09, "load": 0.65})
    tput = {t["meta"]["a"]: t for t in whole(page, "plot-frontier")}
    band = small.economy.bands["neocloud"]
    cost = {i.accelerator: float(total({**i.values, "cost_of_capital_per_year": 0.09})) for i in owned()}
    drawn = traces(page, "plot-band")
    lines = whole(page, "plot-band")
    assert len(lines) >= 4
    for t in lines:
        name = t["meta"]["a"]
        low, high = (by_x(b) for b in drawn if b["meta"] == {"a": name, "kind": "band"})
        speeds, quantiles = by_x(tput[name]), band[name]["published"]
        for x, y in by_x(t).items():
            assert near(y, usd_per_mtok(cost[name], speeds[x], 0.65))
            assert near(low[x], y * quantiles.p5) and near(high[x], y * quantiles.p95)


def test_owning_pays_from_and_break_even(open_page: Open) -> None:
    page = open_page()
    page.fill("[data-rent=H200]", "4")
    page.fill("[data-rent=MI300X]", "2.32")
    row = page.locator("tr[data-row=MI300X]").inner_text().split("\t")
    assert "50" in row[3]
    assert row[6] == "your rent"
    speeds = {t["meta"]["a"]: by_x(t) for t in whole(page, "plot-frontier")}
    both = [x for x in speeds["MI300X"] if x in speeds["H200"]]
    equal_rents = {x: 4 * speeds["MI300X"][x] / speeds["H200"][x] for x in both}
    ratios = equal_rents.values()
    low, high = (float(x.strip().lstrip("$")) for x in row[4].split("–"))
    assert (low, high) == (pytest.approx(min(ratios), rel=5e-3), pytest.approx(max(ratios), rel=5e-3))
    assert page.locator("[data-rent=MI300X]").input_value() == "2.32"
    (rent,) = (t for t in traces(page, "plot-market") if t["meta"] == {"a": "MI300X", "kind": "rent"})
    assert set(rent["y"]) == {2.32}
    (line,) = (t for t in whole(page, "plot-market") if t["meta"]["a"] == "MI300X")
    drawn = {x: y for x, y in by_x(line).items() if x in equal_rents}
    assert len(drawn) > 50
    assert drawn == pytest.approx({x: equal_rents[x] for x in drawn})
    page.fill("[data-rent=MI300X]", "0.05")
    assert "rent MI300X at every limit" in page.locator("tr[data-row=MI300X]").inner_text()


IMPOSSIBLE = (
    ("life_months", "0"),
    ("pue", "0.9"),
    ("sold_share", "0"),
    ("sold_share", "101"),
    ("load", "0"),
    ("electricity_usd_per_kwh", "-1"),
    ("cost_of_capital_per_year", "400"),
)


def test_what_cannot_be_is_refused(open_page: Open) -> None:
    page = open_page()
    before = traces(page, "plot-stack"), traces(page, "plot-band")
    for key, text in IMPOSSIBLE:
        page.fill(f"#t-{key}", text)
        assert page.get_attribute(f"#t-{key}", "aria-invalid") == "true"
        assert (traces(page, "plot-stack"), traces(page, "plot-band")) == before


def test_the_operator_changes_the_cost_and_back_goes_back(open_page: Open) -> None:
    page = open_page()
    before = traces(page, "plot-stack")
    page.select_option("#operator", "enterprise")
    assert traces(page, "plot-stack") != before
    assert page.input_value("#t-pue") == "1.54"
    page.select_option("#operator", "neocloud")
    adjust(page, {"pue": 1.2, "load": 0.5})
    assert "PUE" in page.locator("#money-note").inner_text() or "pue" in page.locator("#money-note").inner_text()
    page.click("#reset-inputs")
    assert traces(page, "plot-stack") == before
    assert page.input_value("#t-load") == "100"


def test_a_link_keeps_what_was_adjusted(open_page: Open) -> None:
    page = open_page()
    page.select_option("#operator", "hyperscaler")
    adjust(page, {"electricity_usd_per_kwh": 0.055, "load": 0.4})
    again = open_page("#" + page.url.split("#", 1)[1])
    assert [again.input_value(f"#{c}") for c in ("operator", "t-electricity_usd_per_kwh", "t-load")] == [
        "hyperscaler",
        "0.055",
        "40",
    ]
    assert traces(again, "plot-stack") == traces(page, "plot-stack")
    assert traces(open_page("#life_months=-4&operator=nobody&term=x&pue=z"), "plot-stack")


def test_typed_rents_outlive_other_choices_and_are_in_the_link(open_page: Open) -> None:
    page = open_page()
    page.fill("[data-rent=H200]", "4")
    page.fill("[data-rent=MI300X]", "2.32")
    page.select_option("#tornado-of", "MI300X")
    page.select_option("#operator", "enterprise")
    page.select_option("#term", index=1)
    again = open_page("#" + page.url.split("#", 1)[1])
    for p in (page, again):
        assert [p.input_value(f"[data-rent={a}]") for a in ("H200", "MI300X")] == ["4", "2.32"]
        assert "your rent" in p.locator("tr[data-row=MI300X]").inner_text()
    assert traces(again, "plot-market") == traces(page, "plot-market")
    again.click("#reset-inputs")
    assert "rent-" not in again.url
    nonsense = open_page("#rent-H200=-4&rent-MI300X=x&rent-Nothing=3")
    assert nonsense.locator("text=your rent").count() == 0


def test_a_reference_without_points_is_named(browser: Browser, small: StudyResult, tmp_path: Path) -> None:
    path = tmp_path / "absent.html"
    study = small.study.model_copy(update={"reference": "VR200"})
    path.write_text(render(replace(small, study=study)), encoding="utf-8")
    said = "VR200 has no points in this study; H100 at $2.50/GPU-h stands in as the break-even reference."
    with watched(browser, path) as opened:
        page = opened()
        assert page.input_value("#reference") == "H100"
        assert said in page.locator("#note").inner_text()
        page.select_option("#scale", "linear")
        assert said in opened("#" + page.url.split("#", 1)[1]).locator("#note").inner_text()
        page.select_option("#reference", "H200")
        assert "no points in this study" not in page.locator("#note").inner_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_drawn_and_fits(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    for plot in PLOTS:
        assert traces(page, plot), plot
        assert page.locator(f"#{plot} .main-svg").first.is_visible()


def test_scenarios_are_marked(open_page: Open) -> None:
    page = open_page()
    for trace in traces(page, "plot-outlook"):
        assert trace["meta"]["kind"] == "scenario"
    first = traces(page, "plot-outlook")
    page.select_option("#outlook-what", "rent")
    assert traces(page, "plot-outlook") != first
    assert "SCENARIO" in page.locator("#plot-outlook").inner_text()


def test_without_script_the_money_is_there(browser: Browser, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    for section in ("owners", "market", "outlook"):
        assert page.locator(f"#{section} table >> visible=true").count() > 0
    assert not page.locator("#plot-stack").is_visible()
    context.close()


def test_a_study_without_any_price_is_still_a_page(browser: Browser, small: StudyResult, tmp_path: Path) -> None:
    bare = replace(
        small.economy,
        owners=dict.fromkeys(operators(), ()),
        cells=(),
        index={},
        ratios=(),
        offered=(),
        vendors={},
        trends=(),
        scenarios=(),
    )
    path = tmp_path / "bare.html"
    path.write_text(render(replace(small, economy=bare)), encoding="utf-8")
    with watched(browser, path) as opened:
        assert traces(opened(), "plot-frontier")


def test_dark_and_print(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    ground = "document.getElementById('plot-stack').layout.paper_bgcolor"
    dark = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) != dark
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.getElementById('plot-stack').layout.width") == 660
