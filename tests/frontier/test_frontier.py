"""Pareto sets, curves, comparison at equal latency, crossovers and verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.answers.frontier import FrontierQuestion, frontiers
from paretoken.answers.points import Data
from paretoken.errors import BadConfig
from paretoken.frontier import (
    Selection,
    absences,
    candidates,
    crossovers,
    curve_grid,
    curves,
    no_data,
    one_per_load,
    pareto,
    segments,
)
from paretoken.frontier.compare import model_cells
from tests.support.points import prepared, row

PANEL = Selection(model="llama-3-70b", precision="fp8", isl=1024, osl=1024)
finite = st.floats(0.5, 50, allow_nan=False)


def points_of(accelerator: str, *pairs: tuple[float, float], **changes) -> list[dict]:
    """Rows with a measured E2E (s) and a throughput (tok/s/GPU), at rising loads."""
    return [
        row(
            accelerator=accelerator,
            concurrency=float(i + 1),
            median_e2e_s=e2e,
            median_tpot_s=e2e / 2000,
            total_tput_per_gpu_tok_s=tput,
            **changes,
        )
        for i, (e2e, tput) in enumerate(pairs)
    ]


def curves_of(*rows: dict, axis="e2e"):
    return curves(prepared(*rows).with_columns(suspicious=pl.lit(None, pl.String)), axis)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=25), st.randoms())
def test_pareto_is_the_brute_force_set_in_any_order(pairs, random):
    random.shuffle(pairs)
    frame = pl.DataFrame(pairs, schema=["x", "y"], orient="row").with_columns(g=pl.lit("a"))
    best = {(x, y) for x, y in pairs if not any((u <= x and v >= y) and (u, v) != (x, y) for u, v in pairs)}
    front = pareto(frame, "x", "y", by=("g",))
    assert set(front.select("x", "y").iter_rows()) == best
    assert front["x"].is_sorted() and front["y"].is_sorted()
    assert front.height == len(best)


def test_pareto_leaves_out_points_that_cannot_be_placed():
    frame = pl.DataFrame({"g": "a", "x": [1.0, None, 2.0], "y": [1.0, 9.0, None]})
    assert pareto(frame, "x", "y", by=("g",))["x"].to_list() == [1.0]


def test_curve_goes_through_its_points_and_not_beyond():
    (curve,) = curves_of(*points_of("H200", (1, 10), (2, 30), (5, 40), (4, 20)))
    assert curve.latency_s.tolist() == [1, 2, 5]
    assert curve.at([1, 2, 5]) == pytest.approx([10, 30, 40])
    assert np.isnan(curve.at([0.999, 5.001])).all()


@given(st.lists(finite, min_size=2, max_size=8, unique=True), st.lists(finite, min_size=2, max_size=8, unique=True))
def test_curve_is_monotone_between_its_points(latencies, throughputs):
    n = min(len(latencies), len(throughputs))
    pairs = zip(sorted(latencies)[:n], sorted(throughputs)[:n], strict=True)
    (curve,) = curves_of(*points_of("H200", *pairs))
    y = curve.at(np.linspace(*curve.range_s, 200))
    assert (np.diff(y[~np.isnan(y)]) >= -1e-9).all()


def test_one_point_is_a_curve_of_one_latency():
    (curve,) = curves_of(*points_of("H200", (3, 10)))
    assert curve.at([3.0]).tolist() == [10]
    assert np.isnan(curve.at([3.1])).all()


def test_a_throughput_that_a_point_lacks_is_nan():
    (curve,) = curves_of(*points_of("H200", (1, 10), (2, 20)))
    assert np.isnan(curve.at([1.5], "output_tput_per_gpu")).all()


def test_origins_are_never_one_curve():
    rows = points_of("H200", (1, 10), (2, 20)) + points_of("H200", (1, 11), (2, 21), origin="predicted")
    assert {(c.origin, c.points.height) for c in curves_of(*rows)} == {("published", 2), ("predicted", 2)}


def test_interactivity_is_interpolated_in_tpot():
    (curve,) = curves_of(*points_of("H200", (10, 10), (20, 30)), axis="interactivity")
    assert curve.latency_s.tolist() == [0.005, 0.010]
    (found,) = candidates([curve], 0.0075)
    assert found.interactivity_tok_s == pytest.approx(1 / 0.0075)
    assert found.tput_per_gpu == pytest.approx(20)
    assert found.e2e_s == pytest.approx(15)


def test_comparison_at_equal_latency_and_why_some_are_missing():
    rows = (
        points_of("H200", (1, 40), (5, 50))
        + points_of("B200", (2, 60), (4, 80))
        + points_of("MI300X", (8, 10), (9, 12))
    )
    rows += points_of("MI325X", (3, 10), disaggregated=True, multinode=True)
    rows += points_of("MI355X", (3, 10), precision="fp4")
    points = prepared(*rows)
    found = curves(PANEL.select(points), "e2e")
    names = ["H200", "B200", "MI300X", "MI325X", "MI355X", "H100"]
    assert [c.accelerator for c in candidates(found, 3.0)] == ["B200", "H200"]
    why = no_data(
        absences(points.filter(PANEL.of_model()), PANEL, found, "e2e", names, model_cells(points)[PANEL.model]),
        found,
        "e2e",
        3.0,
        names,
    )
    assert list(why) == ["MI300X", "MI325X", "MI355X", "H100"]
    assert why["MI300X"] == "none of its points meets the limit; the fastest gives 8 s end to end"
    assert "multi-node" in why["MI325X"]
    assert "fp4 1024/1024" in why["MI355X"]
    assert why["H100"] == "no points of llama-3-70b"


def test_a_limit_is_met_by_whatever_is_faster():
    """Who tolerates 9 s can run what takes 5: no accelerator gets worse where a curve of it ends."""
    rows = points_of("H200", (1, 40), (5, 90), engine="trtllm") + points_of("H200", (2, 20), (10, 60))
    rows += points_of("B200", (1, 50), (10, 80))
    found = curves_of(*rows)
    (best, _), (other,) = ([c for c in candidates(found, 9.0) if c.accelerator == a] for a in ("H200", "B200"))
    assert (best.engine, best.tput_per_gpu, best.e2e_s) == ("trtllm", 90, 5)
    assert other.tput_per_gpu < 80
    field = curve_grid(found)
    h200 = field.value[field.names.index("H200")]
    assert (np.diff(h200) >= -1e-9).all() and h200[-1] == pytest.approx(90)
    assert [(c.accelerator, c.tput_per_gpu) for c in candidates(found, 99)] == [
        ("H200", 90),
        ("B200", 80),
        ("H200", 60),
    ]
    assert candidates(found, 0.9) == []


def test_the_run_to_repeat_is_a_point_that_meets_the_limit():
    found = curves_of(*points_of("H200", (1, 40), (5, 90)))
    (between,) = candidates(found, 3.0)
    assert between.interpolated and between.tput_per_gpu > 40
    assert (between.recommended["e2e_s"], between.recommended["concurrency"]) == (1, 1)
    (at,) = candidates(found, 5.0)
    assert not at.interpolated and at.recommended["tput_per_gpu"] == at.tput_per_gpu == 90


def test_an_unstated_span_over_more_than_a_node_is_not_single_node():
    rows = points_of("GB200", (3, 10), n_gpus=36) + points_of("H200", (3, 10))
    assert PANEL.select(prepared(*rows))["accelerator"].to_list() == ["H200"]


def test_a_configuration_counts_once_in_a_software_state():
    release = {"engine_version": "0.5.9"}
    rows = [
        row(source="medians", date="2025-09-29..2026-07-19", total_tput_per_gpu_tok_s=10.0, median_tpot_s=0.01),
        row(source="runs", date="2025-10-01", total_tput_per_gpu_tok_s=9.0, median_e2e_s=8.0, **release),
        row(
            source="runs",
            date="2026-01-01",
            total_tput_per_gpu_tok_s=11.0,
            median_e2e_s=7.0,
            multinode=False,
            **release,
        ),
        row(source="silicon", date="2026-02-01", ttft_s=0.1, tpot_s=0.01, **release),
    ]
    kept = one_per_load(prepared(*rows)).select("source", "date", "software").sort("source").rows()
    assert kept == [
        ("medians", "2025-09-29..2026-07-19", "2025-09-29..2026-07-19"),
        ("runs", "2026-01-01", "0.5.9"),
    ]


def test_flagged_rows_stay_out_unless_asked():
    points = prepared(*points_of("H200", (1, 10), (2, 20))).with_columns(suspicious=pl.Series([None, "ttft"]))
    assert PANEL.select(points).height == 1
    assert replace(PANEL, suspicious=True).select(points).height == 2


def test_crossover_is_where_the_lines_meet():
    a = points_of("H200", (1, 100), (11, 110))
    b = points_of("B200", (1, 90), (11, 130))
    field = curve_grid(curves_of(*a, *b))
    (crossing,) = crossovers(field)
    assert crossing.latency_s == pytest.approx(1 + 10 / 3, rel=1e-6)
    assert (crossing.ahead_below, crossing.ahead_above) == ("H200", "B200")
    first, second = segments(field)
    assert (first.winner, second.winner) == ("H200", "B200")
    assert first.margin_max == pytest.approx(100 / 90 - 1)
    assert second.margin_max == pytest.approx(130 / 110 - 1)


def test_price_moves_the_crossover():
    rows = points_of("H200", (1, 100), (11, 110)) + points_of("B200", (1, 90), (11, 130))
    dear = curve_grid(curves_of(*rows), {"H200": 1.0, "B200": 1 / 2})
    assert crossovers(dear) == []
    assert [s.winner for s in segments(dear)] == ["H200"]
    assert [s.winner for s in segments(curve_grid(curves_of(*rows), {"B200": 1.0}))] == ["B200"]


def test_a_slower_limit_never_buys_a_worse_gpu():
    """The better one's data end at 4 s: at 10 s it still serves what it serves at 4."""
    rows = points_of("B200", (1, 100), (4, 200)) + points_of("H200", (1, 20), (10, 90))
    field = curve_grid(curves_of(*rows))
    assert crossovers(field) == []
    (whole,) = segments(field)
    assert (whole.winner, whole.runner_up, whole.low_s, whole.high_s) == ("B200", "H200", 1, 10)
    best = np.nanmax(field.value, axis=0)
    assert (np.diff(best) >= 0).all()


def test_confidence_words():
    rows = points_of("H200", *((i, 100 + i) for i in range(1, 6)))
    for scale, word in ((1.02, "tie"), (1.06, "likely"), (1.5, "clear")):
        other = points_of("B200", *((i, scale * (100 + i)) for i in range(1, 6)))
        (stretch,) = segments(curve_grid(curves_of(*rows, *other)))
        assert stretch.confidence == word
        assert stretch.margin == pytest.approx(scale - 1)
    thin = points_of("B200", (1, 200), (5, 300))
    assert segments(curve_grid(curves_of(*rows, *thin)))[0].confidence == "clear, thin"


def test_empty_field():
    assert segments(curve_grid([])) == []
    assert crossovers(curve_grid([])) == []


def test_points_that_do_not_say_their_precision_can_be_asked_without_one(catalog):
    points = prepared(*points_of("H200", (1, 10), (2, 20), precision=None))
    question = FrontierQuestion(model="llama-3-70b", isl=1024, osl=1024)
    answer = frontiers(question, Data(catalog, points))
    assert [p.accelerator for p in answer.points] == ["H200", "H200"]
    with pytest.raises(BadConfig, match="leave 'precision' out"):
        frontiers(replace(question, precision="fp8"), Data(catalog, points))
