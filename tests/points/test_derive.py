"""Derived columns against their formulas, and the error of Little's law against real rows."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.points.derived import derive, little_error
from paretoken.points.published import prepare, published_points
from paretoken.points.suspicious import flag
from tests.support.points import prepared, row, table


def derived(**values) -> dict:
    return derive(table(row(**values))).row(0, named=True)


def test_measured_e2e_comes_first():
    r = derived(median_e2e_s=9.0, median_ttft_s=1.0, median_tpot_s=0.01, total_tput_per_gpu_tok_s=100.0)
    assert (r["e2e_s"], r["e2e_basis"]) == (9.0, "measured")


def test_e2e_from_ttft_and_tpot_uses_the_mean_output_length():
    r = derived(ttft_s=0.5, tpot_s=0.01, mean_osl=921.6, mean_isl=921.6)
    assert r["e2e_s"] == pytest.approx(0.5 + 0.01 * 920.6)
    assert r["e2e_basis"] == "ttft+tpot"
    assert r["tput_basis"] == "closed-loop"
    assert r["tput_per_gpu"] == pytest.approx(8 * 1843.2 / r["e2e_s"] / 8)
    assert r["output_tput_per_gpu"] == pytest.approx(8 * 921.6 / r["e2e_s"] / 8)


def test_e2e_by_little_and_no_made_up_ttft():
    r = derived(median_tpot_s=0.01, total_tput_per_gpu_tok_s=200.0)
    assert r["e2e_s"] == pytest.approx(8 * 2048 / (200 * 8))
    assert r["e2e_basis"] == "little"
    assert r["central_ttft_s"] is None
    assert r["interactivity_tok_s"] == pytest.approx(100)
    assert r["output_tput_per_gpu"] is None


def test_an_open_loop_has_no_little():
    r = derived(
        load_kind="open", concurrency=None, request_rate=2.0, median_tpot_s=0.01, total_tput_per_gpu_tok_s=200.0
    )
    assert (r["e2e_s"], r["e2e_basis"]) == (None, None)


def test_throughput_without_gpu_count_stays_unknown():
    r = derived(n_gpus=None, ttft_s=0.5, tpot_s=0.01)
    assert r["tput_per_gpu"] is None
    assert r["e2e_basis"] == "ttft+tpot"


def test_little_error_on_the_published_rows():
    error = little_error(published_points())
    assert error.n == 1304
    assert error.median == pytest.approx(0.027, abs=0.0005)
    assert (error.p5, error.p95) == (pytest.approx(0.002, abs=0.0005), pytest.approx(0.090, abs=0.0005))


def test_of_a_prediction_nothing_is_measured_and_little_learns_nothing():
    values = {"median_e2e_s": 9.0, "median_ttft_s": 1.0, "median_tpot_s": 0.01, "total_tput_per_gpu_tok_s": 100.0}
    r = derived(origin="predicted", **values)
    assert (r["e2e_s"], r["e2e_basis"], r["tput_basis"]) == (9.0, "predicted", "predicted")
    assert little_error(prepared(row(origin="predicted", **values))).n == 0
    slower = values | {"median_tpot_s": 0.16}
    assert prepared(row(**slower))["suspicious"].to_list() == ["contradiction"]
    assert prepared(row(origin="predicted", **slower))["suspicious"].to_list() == [None]
    assert little_error(prepared(row(**values))).n == 1


def test_parts_are_within_a_percent_where_all_is_measured():
    points = published_points().filter(pl.col("e2e_basis") == "measured", ~pl.col("disaggregated"))
    parts = points.select(
        r=(pl.col("median_ttft_s") + pl.col("median_tpot_s") * (pl.col("mean_osl") - 1)) / pl.col("median_e2e_s") - 1
    )["r"]
    assert abs(parts.median()) < 0.01


LADDER = (4, 8, 16, 32, 64)


def curve(tput=lambda c: 100 * c**0.7, ttft=lambda c: 0.1 * c, **changes) -> list[dict]:
    """A clean curve whose TPOT agrees with Little's law."""
    rows = []
    for c in LADDER:
        total = tput(c)
        e2e = c * 2048 / (total * 8)
        rows.append(
            row(
                concurrency=float(c),
                total_tput_per_gpu_tok_s=total,
                median_ttft_s=ttft(c),
                median_tpot_s=0.95 * e2e / 1023,
                **changes,
            )
        )
    return rows


def test_a_clean_curve_is_not_flagged():
    assert prepared(*curve())["suspicious"].null_count() == len(LADDER)


@pytest.mark.parametrize(
    ("i", "change", "rule"),
    [
        (2, {"median_tpot_s": 3.0}, "contradiction"),
        (2, {"total_tput_per_gpu_tok_s": 100 * 16**0.7 / 2, "median_tpot_s": 0.001}, "throughput"),
        (2, {"total_tput_per_gpu_tok_s": 100 * 16**0.7 * 2, "median_tpot_s": 0.001}, "throughput"),
        (0, {"total_tput_per_gpu_tok_s": 40.0, "median_tpot_s": 0.001}, "superlinear"),
        (0, {"median_ttft_s": 9.0}, "ttft"),
    ],
)
def test_planted_rows_are_caught_and_only_they(i, change, rule):
    rows = curve()
    rows[i] |= change
    flags = prepared(*rows)["suspicious"].to_list()
    assert flags[i] == rule
    assert [f for j, f in enumerate(flags) if j != i] == [None] * (len(LADDER) - 1)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"median_e2e_s": 9.0}, None),
        ({"median_e2e_s": 12.7}, None),
        ({"median_e2e_s": 12.9}, "contradiction"),
        ({"median_e2e_s": 5.2}, None),
        ({"median_e2e_s": 5.0}, "stalled"),
        ({"median_ttft_s": 0.5, "median_tpot_s": 4.0 / 1023}, "stalled"),
        ({"median_ttft_s": 2.5, "median_tpot_s": 4.0 / 1023}, None),
        ({"median_e2e_s": 5.0, "disaggregated": False}, None),
    ],
)
def test_latency_of_two_pools_agrees_with_throughput(change, rule):
    """By Little's law 8 users of 2,048 tokens at 8 x 200 tokens/s stay for 10.24 s."""
    pools = {"disaggregated": True, "total_tput_per_gpu_tok_s": 200.0}
    assert prepared(row(**pools | change))["suspicious"].to_list() == [rule]


def test_two_configurations_under_one_name_are_no_neighbours():
    rows = curve() + curve(tput=lambda c: 30 * c**0.7)
    assert prepared(*rows)["suspicious"].null_count() == len(rows)


def test_flags_of_the_published_rows():
    """Rows on one rack whose GPUs were counted twice no longer contradict themselves, so 1.2 % of InferenceX's do."""
    points = published_points()
    by_rule = dict(points["suspicious"].drop_nulls().value_counts().iter_rows())
    inferencex = points.filter(pl.col("source").str.starts_with("inferencex"))
    share = inferencex.filter(pl.col("suspicious") == "contradiction").height / inferencex.height
    assert share == pytest.approx(0.012, abs=0.001)
    assert by_rule == {"contradiction": 119, "throughput": 24, "superlinear": 13, "ttft": 9, "night": 90, "stalled": 2}


def nights(*factors: float, **changes) -> list[dict]:
    """One configuration at one load over successive nights; throughput and TPOT are off by the factors."""
    return [
        row(
            date=f"2026-05-{day:02d}",
            engine_version=f"nightly_202605{day:02d}",
            total_tput_per_gpu_tok_s=150.0 / factor * (1 + 0.01 * (day % 3)),
            median_ttft_s=0.2,
            median_tpot_s=0.01 * factor,
            **changes,
        )
        for day, factor in enumerate(factors, start=1)
    ]


@pytest.mark.parametrize(
    ("factors", "failed"),
    [
        ((1, 1, 1, 1.6, 1, 1, 1), [4]),
        ((1, 1, 1, 0.6, 1, 1, 1), [4]),
        ((1, 1, 1, 1.6, 1.7, 1, 1), [4, 5]),
        ((1, 1.6, 1), [2]),
        # Steps last; noise is small; the last night has none after it to return to.
        ((1, 1, 1, 1.6, 1.6, 1.6, 1.6), []),
        ((1.6, 1.6, 1.6, 1, 1, 1), []),
        ((1, 1, 1.2, 1, 1), []),
        ((1, 1, 1, 1.6), []),
        # A level that both sides do not share is not one that a night could have returned to.
        ((1, 1, 1, 2.2, 1.3, 1.3, 1.3), []),
    ],
)
def test_failed_nights_are_told_from_steps(factors, failed):
    flags = prepared(*nights(*factors))["suspicious"].to_list()
    assert [day for day, f in enumerate(flags, start=1) if f] == failed
    assert set(flags) <= {"night", None}


def test_nights_of_other_configurations_periods_and_predictions_are_no_neighbours():
    other = nights(1, 1, 1, 1, 1, concurrency=16.0)
    assert (
        prepared(*nights(1, 1), *(r | {"date": "2026-05-03"} for r in nights(1.6)), *other)["suspicious"].null_count()
        == 8
    )
    periods = [r | {"date": f"{r['date']}..2026-06-01"} for r in nights(1, 1, 1.6, 1, 1)]
    assert prepared(*periods)["suspicious"].null_count() == 5
    assert prepared(*nights(1, 1, 1.6, 1, 1, origin="predicted"))["suspicious"].null_count() == 5


def test_a_failed_night_of_the_shipped_series_is_found():
    """On 2026-05-06 ATOM's whole series ran at about 0.6 of its speed; two days later it was back."""
    atom = published_points().filter(pl.col("source") == "atom-nightly")
    failed = atom.filter(pl.col("suspicious") == "night")
    assert failed.filter(pl.col("date") == "2026-05-06").height == 70
    assert failed.height == 81


def test_role_figures_follow_by_the_gpus_of_their_pools():
    pools = {"disaggregated": True, "n_gpus": 24, "prefill_gpus": 8, "decode_gpus": 16}
    roles = {"input_tput_per_prefill_gpu_tok_s": 8000.0, "output_tput_per_decode_gpu_tok_s": 500.0}
    r = derived(**pools, **roles, total_tput_per_gpu_tok_s=3000.0)
    assert r["input_tput_per_gpu"] == pytest.approx(8000 * 8 / 24)
    assert r["output_tput_per_gpu"] == pytest.approx(500 * 16 / 24)
    assert r["input_tput_per_gpu"] + r["output_tput_per_gpu"] == pytest.approx(r["tput_per_gpu"])


def test_no_side_is_made_up_from_the_total():
    r = derived(disaggregated=True, total_tput_per_gpu_tok_s=3000.0, output_tput_per_decode_gpu_tok_s=500.0)
    assert (r["tput_per_gpu"], r["input_tput_per_gpu"], r["output_tput_per_gpu"]) == (3000.0, None, None)


def test_flagging_does_not_depend_on_row_order():
    points = published_points()
    shuffled = points.sample(fraction=1.0, shuffle=True, seed=3)
    again = flag(shuffled)
    key = ["source", "source_ref", "concurrency", "date", "isl", "osl", "accelerator"]
    columns = [*key, "tput_per_gpu", "suspicious"]
    assert again.select(columns).sort(columns).equals(points.select(columns).sort(columns))


def test_prepare_is_idempotent():
    points = published_points().head(2000)
    assert prepare(points).equals(prepare(prepare(points)))
