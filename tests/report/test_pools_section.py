"""The section of predicted disaggregated frontiers, on the page and in a browser."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from paretoken.answers.study.config import Predicted
from paretoken.answers.study.pooled import PooledCell
from paretoken.answers.study.result import StudyResult
from paretoken.report.html import render
from tests.support.html_pages import section_of
from tests.support.pages import watched
from tests.support.planted import STEADY, curve, planted_study
from tests.support.pooled import planted_frontiers, run_row

ASKS = Predicted(models=[], workloads=[], accelerators=[], engines=[], disaggregated_gpus=72)
CELL = PooledCell(
    model="deepseek-r1",
    precision="fp4",
    workload="Summarisation 8k/1k",
    isl=8192,
    osl=1024,
    accelerator="GB200",
    engine="dynamo-trtllm",
    frontiers=planted_frontiers(),
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    path = tmp_path_factory.mktemp("pools") / "points.parquet"
    return planted_study(path, curve("H100", STEADY), curve("MI300X", STEADY))


def with_cells(result: StudyResult, *cells: PooledCell) -> StudyResult:
    return replace(result, study=result.study.model_copy(update={"predict": ASKS}), pooled=cells)


def section(result: StudyResult) -> str:
    return section_of(render(result), "disaggregated")


def cells_of_rows(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", html, re.S)
    return [[re.sub(r"<[^>]*>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def test_a_study_that_does_not_ask_says_how_to(plain):
    html = section(plain)
    assert "predicts no disaggregated serving" in html and "disaggregated_gpus" in html and "<svg" not in html


def test_the_limits_of_the_predictions_are_stated(plain):
    limited = replace(CELL, frontiers=planted_frontiers(slo="ttft=5s"))
    assert "Predicted within ttft=5s." in section(with_cells(plain, limited))
    assert "Predicted without limits." in section(with_cells(plain, CELL))


def test_every_row_states_serving_origin_layout_gpus_and_predicted_ones_their_interval(plain):
    rows = cells_of_rows(section(with_cells(plain, CELL)))
    assert rows[0] == [
        *("100", "1,000", "667 to 1,500", "disaggregated", "predicted"),
        *("4xDEP4+1xDEP32", "48 GPUs", "dynamo-trtllm", "256", "0.800", "–"),
    ]
    assert [(r[3], r[4], r[2] != "–") for r in rows] == [
        *[("disaggregated", "predicted", True)] * 3,
        *[("aggregated", "predicted", True)] * 2,
        ("disaggregated", "published", False),
        ("disaggregated", "measured", False),
        ("aggregated", "published", False),
    ]
    assert rows[-1][-1] == "somebody"


def test_the_figure_and_its_words(plain):
    html = section(with_cells(plain, CELL))
    assert html.count("<svg") == 1 and "predicted, disaggregated: 2 layouts" in html
    assert "cross at 81.2 tok/s/user" in html and "New to the calibration: cell." in html
    assert "at most 72 GPUs" in html


def test_what_cannot_be_predicted_says_why(plain):
    lacking = replace(CELL, frontiers=planted_frontiers(aggregated=(), no_aggregated="nothing fits"))
    refused = replace(CELL, accelerator="TPUv6e", frontiers=None, why_not="no engine serves it")
    html = section(with_cells(plain, lacking, refused))
    assert "No aggregated frontier: nothing fits." in html
    assert "DeepSeek V3/R1 fp4 on TPUv6e, Summarisation 8k/1k: no engine serves it" in html


def test_names_from_files_stay_text(plain):
    nasty = run_row(60, 3000, engine="<img src=x onerror=alert(1)>", source="<script>alert(2)</script>")
    html = section(with_cells(plain, replace(CELL, frontiers=planted_frontiers(measured=(nasty,)))))
    assert "<img" not in html and "<script" not in html and "&lt;script" in html


@pytest.mark.browser
def test_the_figure_in_a_browser(plain, browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(with_cells(plain, CELL)), encoding="utf-8")
    with watched(browser, path) as opened:
        for width, scheme in ((1280, "light"), (390, "dark")):
            page = opened("#disaggregated", width=width, color_scheme=scheme)
            figure = page.locator("#disaggregated figure svg")
            assert figure.is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            fill = "e => getComputedStyle(e).fill"
            published = figure.locator(".published.disaggregated circle").first.evaluate(fill)
            predicted = figure.locator(".predicted.disaggregated circle").first.evaluate(fill)
            assert published != predicted
            assert predicted == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 28)")
