"""The report's money in a real Chromium: its charts agree with the library to 1e-9, and its inputs can be adjusted."""

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
from paretoken.prices.own_or_rent import own_or_rent
from paretoken.prices.owner.layers import operators
from paretoken.prices.owner.levelised import stack, total
from paretoken.prices.owner.sensitivity import tornado
from paretoken.report.html import render
from tests.support.figures import At, at_links, choose, plot
from tests.support.owners import ADJUSTED, near, owned
from tests.support.pages import Open, watched

pytestmark = pytest.mark.browser

CHARTS = ("dumbbell", "tornado", "stack", "index", "terms", "outlook")
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


@pytest.fixture(scope="module")
def open_page(browser: Browser, page_file: Path) -> Iterator[Open]:
    with watched(browser, page_file) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(open_page: Open) -> Page:
    return open_page()


@pytest.fixture
def at(shared: Page) -> At:
    """One open page, which goes to the selection of a link."""
    return at_links(shared)


def whole(page: Page, chart: str) -> dict[str, dict[float, float]]:
    """Every line of a chart by name, its joined and its dotted part together, as {x: y}."""
    lines: dict[str, dict[float, float]] = {}
    for line in plot(page, chart)["lines"]:
        lines.setdefault(line["name"], {}).update(dict(filter(None, line["points"])))
    return lines


def rows(page: Page, chart: str) -> list[dict[str, object]]:
    """The table of a chart."""
    table = plot(page, chart)["table"]
    return [dict(zip(table["heads"], row, strict=True)) for row in table["rows"]]


def decision(page: Page, accelerator: str) -> dict[str, str]:
    """A row of the decision table, by head."""
    heads = page.locator("#decide-table thead th").all_inner_texts()
    cells = page.locator(f"#decide-table tr[data-row={accelerator}] > *").all_inner_texts()
    return dict(zip(heads, cells, strict=True))


def adjust(page: Page, adjusted: dict[str, float]) -> None:
    for key, value in adjusted.items():
        page.fill(f"#t-{key}", repr(value * 100 if key in PERCENT else value))


def test_the_cost_and_the_rent_needed_agree(at: At, small: StudyResult) -> None:
    """The tier's cost and the rent needed as drawn, from the throughput as drawn."""
    page = at("reference=H200&price-H200=2.35")
    price = {**small.tariffs[0].usd_per_gpu_h, "H200": 2.35}
    speeds, costs, rents = (whole(page, f"chart-{name}") for name in ("interactivity", "cost", "rent"))
    best: dict[float, float] = {}
    for name, line in speeds.items():
        if name.startswith("H200"):
            for x, y in line.items():
                best[x] = max(y, best.get(x, 0.0))
    compared = 0
    for name, line in costs.items():
        for x, usd in line.items():
            if x in speeds[name]:
                assert near(usd, usd_per_mtok(price[name.split()[0]], speeds[name][x], small.study.serving_load))
                compared += 1
    for name, line in rents.items():
        for x, rent in line.items():
            if x in speeds[name] and not name.startswith("H200"):
                assert near(rent, break_even_rent(2.35, best[x], speeds[name][x]))
                compared += 1
    assert compared > 500


@pytest.mark.parametrize("operator", list(operators()))
def test_the_page_and_the_library_agree(at: At, operator: str) -> None:
    page = at()
    choose(page, "operator", operator)
    for adjusted in ADJUSTED.values():
        page.click("#reset-inputs")
        adjust(page, adjusted)
        ours = {i.accelerator: {**i.values, **adjusted} for i in owned(operator=operator)}
        titles = dict(page.evaluate("globalThis.paretoken['study/owner.js'].market.components"))
        drawn = rows(page, "chart-stack")
        assert len(drawn) >= 8
        for row in drawn:
            values = ours[row["Accelerator"]]
            for component, usd in stack(values).items():
                assert near(row.get(titles[component], 0.0), usd), (row["Accelerator"], component, adjusted)
            assert near(row["Total, $/GPU-h"], total(values))


def test_the_bars_of_the_stack_are_its_figures(at: At) -> None:
    drawn = plot(at(), "chart-stack")
    for place, row in enumerate(drawn["table"]["rows"]):
        lengths = [b["to"] - b["from"] for b in drawn["bars"] if b["row"] == place]
        assert lengths == pytest.approx(row[1:-1])
        assert sum(lengths) == pytest.approx(row[-1])


def test_the_tornado_agrees(at: At) -> None:
    page = at()
    adjusted = {"electricity_usd_per_kwh": 0.06, "life_months": 40.0}
    adjust(page, adjusted)
    choose(page, "tornadoOf", "MI300X")
    drawn = [(r["$/GPU-h at low"], r["$/GPU-h at high"]) for r in rows(page, "chart-tornado")]
    base = next(i for i in owned(["MI300X"]))
    swings = [
        tuple(float(total({**base.values, **adjusted, name: x})) for x in (f.low, f.high))
        for name, f in base.figures.items()
        if not f.certain and name not in adjusted
    ]
    ordered = sorted((x for x in swings if x[0] != x[1]), key=lambda x: -abs(x[1] - x[0]))
    assert len(ordered) == len(tornado(base)) - len(adjusted)
    for ours, theirs in zip(ordered, drawn, strict=True):
        assert near(theirs[0], ours[0]) and near(theirs[1], ours[1])


def test_values_at_the_ends_of_the_tornado_have_units(at: At) -> None:
    drawn = plot(at("tornadoOf=H200"), "chart-tornado")
    texts = [t["text"] for t in drawn["texts"]]
    assert len(texts) == len(drawn["bars"])
    assert {"72 months", "$0.05/kWh", "100 %"} <= set(texts)
    assert all(any(c in t for c in "$%×") or " " in t for t in texts)


def test_the_cost_of_tokens_at_the_owners_cost_agrees(at: At) -> None:
    page = at("basis=owner")
    adjust(page, {"cost_of_capital_per_year": 0.09, "load": 0.65})
    cost = {i.accelerator: float(total({**i.values, "cost_of_capital_per_year": 0.09})) for i in owned()}
    speeds, costs = whole(page, "chart-interactivity"), whole(page, "chart-cost")
    assert len(costs) >= 4
    for name, line in costs.items():
        for x, y in line.items():
            if x in speeds[name]:
                assert near(y, usd_per_mtok(cost[name.split()[0]], speeds[name][x], 0.65))


def test_own_or_rent_and_the_price_needed(at: At, small: StudyResult) -> None:
    page = at()
    page.fill("[data-price=H200]", "4")
    page.fill("[data-price=MI300X]", "2.32")
    page.locator("[data-price=MI300X]").blur()
    (cell,) = (c for c in small.economy.cells if (c.accelerator, c.term) == ("MI300X", "on-demand"))
    share = own_or_rent(next(iter(owned(["MI300X"]))), cell.median_usd_per_gpu_h).break_even_share
    row = decision(page, "MI300X")
    pays = next(text for head, text in row.items() if "pays from" in head)
    assert pays == ("never" if share > 1 else f"{share * 100:.2g} %")
    needed = {r["Accelerator"]: r["Needed, $/GPU-h"] for r in rows(page, "chart-dumbbell")}
    shown = next(text for head, text in row.items() if head.startswith(("Equals", "Needs")))
    assert float(shown.lstrip("$")) == pytest.approx(needed["MI300X"], abs=6e-3)
    assert f"{(1 - needed['MI300X'] / 2.32) * 100:.2g} %" in row["Verdict"]
    page.fill("[data-price=MI300X]", "0.05")
    assert decision(page, "MI300X")["Verdict"] == "has the cheapest tokens"


IMPOSSIBLE = (
    ("life_months", "0"),
    ("pue", "0.9"),
    ("sold_share", "0"),
    ("sold_share", "101"),
    ("load", "0"),
    ("electricity_usd_per_kwh", "-1"),
    ("cost_of_capital_per_year", "400"),
)


def test_what_cannot_be_is_refused(at: At) -> None:
    page = at("basis=owner")
    before = rows(page, "chart-stack"), rows(page, "chart-hero")
    for key, text in IMPOSSIBLE:
        page.fill(f"#t-{key}", text)
        assert page.get_attribute(f"#t-{key}", "aria-invalid") == "true"
        assert (rows(page, "chart-stack"), rows(page, "chart-hero")) == before
    page.click("#reset-inputs")
    page.fill("[data-price=H200]", "-3")
    assert page.get_attribute("[data-price=H200]", "aria-invalid") == "true"
    assert rows(page, "chart-hero") == before[1]


def test_the_operator_changes_the_cost_and_back_goes_back(at: At) -> None:
    page = at()
    before = rows(page, "chart-stack")
    choose(page, "operator", "enterprise")
    assert rows(page, "chart-stack") != before
    assert page.input_value("#t-pue") == "1.54"
    choose(page, "operator", "neocloud")
    adjust(page, {"pue": 1.2, "load": 0.5})
    assert "pue" in page.locator("#money-note").inner_text().lower()
    page.click("#reset-inputs")
    assert rows(page, "chart-stack") == before
    assert page.input_value("#t-load") == "100"


def test_a_link_keeps_what_was_adjusted(at: At, open_page: Open) -> None:
    page = at()
    choose(page, "operator", "hyperscaler")
    adjust(page, {"electricity_usd_per_kwh": 0.055, "load": 0.4})
    page.fill("[data-price=H200]", "4")
    choose(page, "tornadoOf", "MI300X")
    again = open_page("#" + page.url.split("#", 1)[1])
    assert [again.input_value(f"#{c}") for c in ("operator", "t-electricity_usd_per_kwh", "t-load", "tornadoOf")] == [
        "hyperscaler",
        "0.055",
        "40",
        "MI300X",
    ]
    assert again.input_value("[data-price=H200]") == "4"
    for chart in ("chart-stack", "chart-dumbbell", "chart-tornado"):
        assert rows(again, chart) == rows(page, chart)
    again.click("#clear-prices")
    assert "price-" not in again.url and again.input_value("[data-price=H200]") != "4"


def test_a_link_with_impossible_money_is_put_right(at: At, small: StudyResult) -> None:
    page = at("life_months=-4&operator=nobody&pue=z&price-H200=-4&price-MI300X=x&price-Nothing=3&basis=market:never")
    assert rows(page, "chart-stack") and rows(page, "chart-dumbbell")
    assert float(page.input_value("[data-price=H200]")) == pytest.approx(small.tariffs[0].usd_per_gpu_h["H200"])


def test_a_reference_without_points_gives_way_to_one_that_has(
    browser: Browser, small: StudyResult, tmp_path: Path
) -> None:
    path = tmp_path / "absent.html"
    study = small.study.model_copy(update={"reference": "VR200"})
    path.write_text(render(replace(small, study=study)), encoding="utf-8")
    with watched(browser, path) as opened:
        page = opened()
        assert page.input_value("#reference") in page.locator("#reference option").all_inner_texts()
        assert page.input_value("#reference") in plot(page, "chart-rent")["y"]["title"]
        rent = plot(page, "chart-rent")
        assert rent["lines"], rent["empty"]


@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_drawn_and_fits(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    for chart in CHARTS:
        drawn = plot(page, f"chart-{chart}")
        assert not drawn["empty"] and drawn["title"] and drawn["table"]["rows"], chart
        assert page.locator(f"#chart-{chart} svg").is_visible()


def test_scenarios_are_marked(at: At) -> None:
    page = at("at=outlook")
    first = plot(page, "chart-outlook")
    assert first["title"].startswith("Scenario") and "Not a measurement" in first["subtitle"]
    assert all(m["hollow"] and m["about"]["rows"][0].startswith("scenario") for m in first["marks"])
    assert {line["dash"] for line in first["lines"]} == {"dashed"}
    page.select_option("#outlook-what", "rent")
    assert plot(page, "chart-outlook")["lines"] != first["lines"]


def test_without_script_the_money_is_there(browser: Browser, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    for section in ("owners", "market", "outlook"):
        page.locator(f"#{section} > summary").click()
        assert page.locator(f"#{section} table >> visible=true").count() > 0
    assert not page.locator("#chart-stack").is_visible()
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
        page = opened()
        assert plot(page, "chart-e2e")["lines"]
        for chart in ("stack", "tornado"):
            why = plot(page, f"chart-{chart}")["empty"]
            assert why and page.locator(f"#chart-{chart} .empty").inner_text() == why
