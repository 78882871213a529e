"""The figure of disaggregated serving: right places, each origin apart, escaped, and an SVG or a page as a file."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import CannotWrite
from paretoken.report.pool_chart import chart_title, corners, point_text, pool_chart, write_pool_chart
from tests.support.pooled import planted_frontiers, pooled_row, run_row

SVG = "{http://www.w3.org/2000/svg}"


def series(frontiers, serving, origin):
    (one,) = [s for s in pool_chart(frontiers, "t").series if (s.serving, s.origin) == (serving, origin)]
    return one


def places(points: str) -> list[tuple[float, float]]:
    return [tuple(map(float, p.split(","))) for p in points.split()]


def test_both_axes_are_logarithmic():
    line = places(series(planted_frontiers(), "disaggregated", "predicted").line)
    (x100, y1000), (x50, y4000), (x10, y9000) = line
    assert (x100 - x50) / (x100 - x10) == pytest.approx(0.30103, abs=1e-3)
    assert (y1000 - y4000) / (y1000 - y9000) == pytest.approx(0.63093, abs=1e-3)
    assert x100 > x10 and y1000 > y9000


def test_the_band_runs_from_the_lower_to_the_upper_end_of_the_interval():
    own = series(planted_frontiers(), "disaggregated", "predicted")
    line, band = places(own.line), places(own.band)
    low, high = band[:3], band[:2:-1]
    for at, below, above in zip(line, low, high, strict=True):
        assert below[0] == at[0] == above[0]
        assert below[1] - at[1] == pytest.approx(at[1] - above[1], abs=0.2)
        assert below[1] > at[1] > above[1]


def test_points_that_were_run_are_marks_by_origin_and_serving_and_never_part_of_a_curve():
    chart = pool_chart(planted_frontiers(), "t")
    assert [(s.origin, s.serving, bool(s.line), len(s.dots)) for s in chart.series] == [
        ("predicted", "aggregated", True, 2),
        ("predicted", "disaggregated", True, 3),
        ("measured", "disaggregated", False, 1),
        ("published", "aggregated", False, 1),
        ("published", "disaggregated", False, 1),
    ]


def test_every_mark_is_inside_the_axes():
    chart = pool_chart(planted_frontiers(measured=(run_row(300, 20), run_row(2, 50_000))), "t")
    for s in chart.series:
        for x, y in [(d.x, d.y) for d in s.dots] + places(s.band):
            assert chart.left <= x <= chart.right and chart.top <= y <= chart.bottom


def test_the_legend_says_layouts_gpus_and_origin():
    chart = pool_chart(planted_frontiers(), "t")
    assert [s.label for s in chart.series] == [
        "predicted, aggregated: 9xTP8, 72 GPUs, trtllm; shaded: 90 % interval",
        "predicted, disaggregated: 2 layouts, 48 to 64 GPUs, dynamo-trtllm; shaded: 90 % interval",
        "measured, disaggregated: 1 point on the frontier, 32 GPUs, dynamo-trtllm",
        "published, aggregated: 1 point on the frontier, 8 GPUs, dynamo-trtllm",
        "published, disaggregated: 1 point on the frontier, 32 GPUs, dynamo-trtllm",
    ]
    assert (
        "predicted, disaggregated: 4xDEP4+1xDEP32, 48 GPUs"
        in series(planted_frontiers(predicted=(pooled_row(50, 4000),)), "disaggregated", "predicted").label
    )


def test_what_a_pointer_shows():
    assert point_text(pooled_row(50, 4000)) == (
        "4xDEP4+1xDEP32, 48 GPUs, 256 users: 4,000 tok/s/GPU (90 % interval 2,667 to 6,000) at 50.0 tok/s/user; "
        "predicted, dynamo-trtllm"
    )
    unstated = run_row(60, 3000, layout="", n_gpus=None, concurrency=None)
    assert point_text(unstated) == (
        "layout not stated, GPUs not stated, load not stated: 3,000 tok/s/GPU at 60.0 tok/s/user; "
        "published, dynamo-trtllm"
    )


def test_one_point_alone_can_be_drawn():
    chart = pool_chart(planted_frontiers(predicted=(pooled_row(50, 4000),), aggregated=(), measured=()), "t")
    assert len(chart.series) == 1 and chart.series[0].dots


def test_a_curve_ends_where_less_load_gains_no_interactivity():
    rows = (pooled_row(100.4, 20), pooled_row(100.2, 900), pooled_row(50, 4000))
    assert [r.total_tput_per_gpu_tok_s for r in corners(rows)] == [900, 4000]
    frontiers = planted_frontiers(predicted=rows, aggregated=(), measured=())
    (own,) = pool_chart(frontiers, "t").series
    assert len(places(own.line)) == 2 and len(own.dots) == 2
    assert "900 tok/s/GPU" in own.dots[0].text
    assert next(label for _, label in pool_chart(frontiers, "t").y_ticks) == "1,000"


def test_an_svg_is_xml_with_a_mark_for_every_point(tmp_path):
    write_pool_chart(planted_frontiers(), tmp_path / "pools.svg", load_catalog())
    root = ET.parse(tmp_path / "pools.svg").getroot()
    assert (
        root.find(f"{SVG}title").text == "DeepSeek V3/R1 fp4 on GB200, 8192/1024: throughput per GPU over interactivity"
    )
    # one more of each kind in the legend
    assert len(root.findall(f"{SVG}g/{SVG}circle")) == 3 + 1 + 1 + 3
    titles = [t.text for t in root.iter(f"{SVG}title")]
    assert sum("4xDEP4+1xDEP32" in t and "predicted" in t for t in titles) == 2
    assert sum("published" in t for t in titles) == 2


def test_other_names_get_a_page_around_it(tmp_path):
    write_pool_chart(planted_frontiers(), tmp_path / "pools.html", load_catalog())
    page = (tmp_path / "pools.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<svg" in page and page.count("<title>") > 5


def test_a_hostile_engine_stays_text(tmp_path):
    nasty = run_row(60, 3000, engine="<script>alert(1)</script>")
    write_pool_chart(planted_frontiers(measured=(nasty,)), tmp_path / "pools.svg", load_catalog())
    text = (tmp_path / "pools.svg").read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script" in text


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_pool_chart(planted_frontiers(), tmp_path / "no" / "pools.svg", load_catalog())


def test_a_model_that_the_catalog_lacks_has_its_id_as_title():
    assert chart_title(planted_frontiers(model="org/own"), load_catalog()) == "org/own fp4 on GB200, 8192/1024"
