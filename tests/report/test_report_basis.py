"""What the charts and sentences of the page say of limits, prices, load, and of verdicts that are withheld."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.figures import At, at_links, plot
from tests.support.pages import watched

pytestmark = pytest.mark.browser

INCONSISTENT = "model=deepseek-r1&precision=fp4&workload=Chat+1k%2F1k&axis=e2e&e2e=20"
"""A panel whose data contradict each other at that limit."""


@pytest.fixture(scope="module")
def shared(browser: Browser, default_page) -> Iterator[Page]:
    with watched(browser, default_page) as opened:
        yield opened()


@pytest.fixture
def at(shared: Page) -> At:
    """One open page, which goes to the selection of a link."""
    return at_links(shared)


def answer(page: Page) -> str:
    return page.inner_text("#answer-dollars")


def title(page: Page, figure: str) -> str:
    return str(plot(page, figure)["title"])


@pytest.mark.parametrize("prices", ["", "&basis=owner", "&price-H100=9"])
def test_a_withheld_panel_names_no_winner_at_any_prices(at: At, prices: str) -> None:
    page = at(INCONSISTENT + prices)
    for figure in ("chart-cost", "chart-e2e", "chart-dumbbell"):
        assert title(page, figure) == "Verdict withheld at ≤ 20 s: inconsistent data"
    assert "Verdict withheld: inconsistent data: at ≤ 20 s B300 serves" in answer(page)
    assert "would have to cost" not in answer(page)
    verdicts = page.locator("#decide-table tbody tr td:nth-last-child(2)").all_inner_texts()
    assert not any("cheapest" in text for text in verdicts)


def test_the_serving_load_counts_at_every_basis_and_is_named(at: At) -> None:
    page = at("load=0.5")
    half = plot(page, "chart-cost")
    assert "serving load 50 %" in half["subtitle"]
    assert "with your serving load of 50 %" in page.inner_text("#own-prices")
    assert "The serving load counts at every price basis" in page.inner_text("#money-note")
    page.click("#clear-prices")
    full = plot(page, "chart-cost")
    assert "load" not in full["subtitle"]
    first = [next(y for _, y in filter(None, chart["lines"][0]["points"])) for chart in (half, full)]
    assert first[0] == pytest.approx(2 * first[1])


def test_an_owners_cost_names_the_owner_and_what_the_reader_set(at: At) -> None:
    page = at("basis=owner&pue=1.2")
    subtitle = plot(page, "chart-hero")["subtitle"]
    owner = page.locator("#operator option:checked").inner_text()
    assert f"Prices: Owner’s cost: {owner}, with your PUE." in subtitle


def test_per_mw_names_the_site_that_the_power_is_of(at: At) -> None:
    page = at("measure=mw")
    assert "(Hyperscaler" in plot(page, "chart-interactivity")["subtitle"]
    at("measure=mw&basis=market:on-demand")
    assert "PUE 1.35 (Neocloud" in plot(page, "chart-interactivity")["subtitle"]


def test_an_accelerator_switched_off_is_in_no_title(at: At) -> None:
    page = at()
    assert title(page, "chart-dumbbell").startswith("To equal B200, H200")
    at("off=B200")
    for figure in ("chart-hero", "chart-interactivity", "chart-cost", "chart-dumbbell"):
        assert "B200" not in title(page, figure), figure


def test_accelerators_without_a_price_are_named(at: At) -> None:
    page = at("basis=market:on-demand")
    assert "No price: MI355X" in plot(page, "chart-hero")["subtitle"]
    assert "MI355X" in plot(page, "chart-cost")["subtitle"].split("No price: ")[1]
    assert "uncontested" in title(page, "chart-hero")
    at("basis=market:on-demand&off=H100,H200,B300,GB200,GB300,MI300X,MI325X")
    assert "No other accelerator with a price meets this limit; no price: MI355X." in answer(page)
    assert "Nobody else" not in answer(page)


def test_a_chart_on_another_axis_names_and_draws_its_own_limit(at: At) -> None:
    page = at()
    e2e = plot(page, "chart-e2e")
    assert "≤ 20 s" in e2e["title"] and e2e["subtitle"].endswith("Limit of this chart: ≤ 20 s")
    rules = page.evaluate("document.getElementById('chart-e2e').drawn.plot.rules")
    assert [(rule["x"], rule["text"]) for rule in rules] == [(20, "limit ≤ 20")]
    assert "Limit of this chart" not in plot(page, "chart-interactivity")["subtitle"]


def test_an_axis_without_data_has_no_limit_that_nothing_meets(at: At) -> None:
    page = at("axis=ttft")
    chart = plot(page, "chart-interactivity")
    assert chart["title"] == "No data on time to first token here"
    assert chart["empty"]
