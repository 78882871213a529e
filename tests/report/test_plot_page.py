"""Pages of plots alone, as `explain --plot` and `validate --plot` write them, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from paretoken.cli.predict.explain_plot import write_plot as write_explanations
from paretoken.cli.predict.validate_plot import write_plot as write_coverages
from paretoken.predict.calibration.coverage import NominalCoverage
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.explain import explain_case
from tests.support.pages import watched

pytestmark = pytest.mark.browser

NASTY = "<img src=x onerror=alert(1)></script>"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("plots")
    deployed = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8)
    write_explanations([explain_case(case(deployed, Lengths(1024, 1024), 64))], base / "explain.html")
    coverages = [
        NominalCoverage(split=split, outcome=outcome, nominal=nominal, observed=nominal - 0.02)
        for split in ("cell", NASTY)
        for outcome in ("tpot", "throughput")
        for nominal in (0.5, 0.9)
    ]
    write_coverages(coverages, base / "validate.html")
    return {name: base / f"{name}.html" for name in ("explain", "validate")}


def test_the_parts_of_a_prediction_are_bars_that_answer(browser: Browser, files: dict[str, Path]) -> None:
    with watched(browser, files["explain"]) as opened:
        page = opened(width=390)
        assert page.inner_text("#plot-0 .fig-title").startswith("llama-3-70b fp8 on 8 x H200")
        page.locator("#plot-0 .canvas").focus()
        page.keyboard.press("ArrowRight")
        assert "ms, " in page.inner_text("#plot-0 .tip")
        page.get_by_role("button", name="Table").click()
        assert page.locator("#plot-0 .fig-table tbody tr").count() > 8
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_coverage_has_a_figure_for_each_outcome_and_names_are_inert(browser: Browser, files: dict[str, Path]) -> None:
    with watched(browser, files["validate"]) as opened:
        page = opened(color_scheme="dark")
        assert [page.inner_text(f"#plot-{i} .fig-title") for i in (0, 1)] == ["TPOT", "Throughput"]
        assert page.locator("#plot-0 svg path").count() > 4 and page.locator("img").count() == 0
        assert page.locator("#plot-0 svg text", has_text="<img").count() == 1
