"""Nothing in the four charts touches or leaves them, in any state that a reader can choose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from paretoken.answers.study.result import StudyResult
from tests.support.figures import FOUR
from tests.support.pages import until, watched

pytestmark = pytest.mark.browser

FAULTS = (Path(__file__).parent / "layout.js").read_text(encoding="utf-8")


def tall(page: Page) -> None:
    """Only the four charts, all on the screen."""
    page.set_viewport_size({"width": page.viewport_size["width"], "height": 3200})
    page.add_style_tag(content="main > section:not(#four), .head { display: none !important }")
    page.evaluate("scrollTo(0, 0)")
    for figure in FOUR:
        until(page, "id => document.getElementById(id).drawn?.visible", figure)


@pytest.mark.parametrize("width", [1280, 390])
def test_every_state_is_legible(browser: Browser, default_page, default_result: StudyResult, width: int) -> None:
    panels = len(default_result.panels)
    with watched(browser, default_page) as opened:
        page = opened(width=width)
        tall(page)
        page.evaluate(FAULTS)
        swept = [page.evaluate("([panel, ids]) => sweep(panel, ids)", [i, list(FOUR)]) for i in range(panels)]
    faults = [fault for _, of_panel in swept for fault in of_panel]
    assert faults == [], f"{len(faults)}: {json.dumps(faults[:40], indent=1)}"
    assert sum(n for n, _ in swept) == panels * 18


def test_a_fault_is_seen(browser: Browser, default_page) -> None:
    """The checks can fail: a title moved into the plot, a name put on another."""
    with watched(browser, default_page) as opened:
        page = opened()
        tall(page)
        page.evaluate(FAULTS)
        assert page.evaluate("faultsOf('chart-cost')") == []
        page.evaluate(
            """() => { const texts = [...document.querySelectorAll("#chart-cost svg text")];
              const { plot } = document.getElementById("chart-cost").drawn;
              const title = texts.find((t) => t.textContent === plot.x.title);
              title.setAttribute("transform", "translate(200 100)"); title.setAttribute("data-x", "NaN"); }"""
        )
        faults = " ".join(page.evaluate("faultsOf('chart-cost')"))
        assert "in the plot" in faults and "NaN" in faults
