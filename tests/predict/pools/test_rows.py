"""Planted rows for each rule on disaggregated points, and what the shipped ones come to."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.points.published import published_points
from paretoken.predict.pools.layout import Pools
from paretoken.predict.pools.rows import RULES, laid_out, pooled_cases, pooled_rows, single_runs
from paretoken.predict.published_pools import PoolSettings
from paretoken.predict.published_settings import Drafts
from paretoken.predict.settings import EngineSettings
from tests.support.points import prepared, row

POOLS = {
    "accelerator": "GB200",
    "engine": "dynamo-trtllm",
    "model": "deepseek-r1",
    "precision": "fp4",
    "disaggregated": True,
    "multinode": True,
    "prefill_workers": 2,
    "decode_workers": 1,
    "prefill_gpus": 8,
    "decode_gpus": 8,
    "n_gpus": 16,
    "tp": 8,
    "ep": 8,
    "dp_attention": True,
    "prefill_tp": 4,
    "prefill_ep": 4,
    "prefill_dp_attention": True,
}


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


def pooled(users: float = 64.0, tpot: float = 0.010, wait: float = 1.0, **changes) -> dict:
    """A row whose requests decode for 1,023 TPOT and take `wait` seconds beside."""
    latency = tpot * 1023 + wait
    changes = {**POOLS, "concurrency": users, "median_tpot_s": tpot, **changes}
    gpus = changes["n_gpus"]
    return row(**{"total_tput_per_gpu_tok_s": users * 2048 / latency / gpus, **changes})


def loads(*rows: dict, catalog) -> list[float]:
    """The concurrency of the rows that are left."""
    return sorted(pooled_rows(prepared(*rows), catalog)["concurrency"].to_list())


def curve(**changes) -> list[dict]:
    return [pooled(users, tpot, wait, **changes) for users, tpot, wait in CURVE]


CURVE = [(32.0, 0.008, 0.6), (64.0, 0.010, 0.7), (128.0, 0.013, 0.9), (256.0, 0.018, 1.6)]


def test_a_clean_curve_is_taken_whole(catalog):
    assert loads(*curve(), catalog=catalog) == [32, 64, 128, 256]


@pytest.mark.parametrize(
    "change",
    [
        {"disaggregated": False},
        {"prefill_workers": None},
        {"decode_gpus": None},
        {"prefill_workers": 3},
        {"tp": None},
        {"tp": 16},
        {"ep": 16},
        {"prefill_tp": 8},
        {"load_kind": "offline", "concurrency": None},
        {"origin": "emulated"},
        {"speculative": None},
        {"median_tpot_s": None},
        {"osl": 1},
    ],
)
def test_a_row_without_layout_load_or_tpot_is_left_out(catalog, change):
    assert pooled_rows(prepared(pooled(**change)), catalog).is_empty()


def test_a_model_without_draft_layer_may_leave_speculation_unsaid(catalog):
    rows = pooled_rows(prepared(pooled(model="minimax-m2.5", speculative=None)), catalog)
    assert rows.select("speculative", "drafting").rows() == [("none", False)]


def test_stalled_by_its_own_latency(catalog):
    ttft = {"median_ttft_s": 0.5}
    assert loads(pooled(wait=2.5, **ttft), catalog=catalog) == [64]
    assert loads(pooled(wait=4.0, **ttft), catalog=catalog) == []


def test_stalled_beside_a_lighter_load(catalog):
    """A throughput that falls at the same pace of tokens; not so where tokens come slower by as much."""
    stood = pooled(512.0, 0.018, 49.0)
    assert loads(*curve(), stood, catalog=catalog) == [32, 64, 128, 256]
    slow = pooled(512.0, 0.060, 1.0)
    assert loads(*curve(), slow, catalog=catalog) == [32, 64, 128, 256, 512]


def test_a_stalled_run_of_another_date(catalog):
    rows = [*curve(), pooled(256.0, 0.018, 15.0, date="2026-02-01")]
    assert loads(*rows, catalog=catalog) == [32, 64, 128, 256]


def test_falling_tpot(catalog):
    assert loads(*curve(), pooled(512.0, 0.006, 8.0), catalog=catalog) == [32, 64, 128, 256]
    other_source = pooled(512.0, 0.006, 8.0, source="b")
    assert loads(*curve(), other_source, catalog=catalog) == [32, 64, 128, 256, 512]


def test_idle_at_a_light_load(catalog):
    heavy = pooled(128.0, 0.013, 0.9)
    assert loads(pooled(64.0, 0.006, 5.5), heavy, catalog=catalog) == [128]
    assert loads(pooled(64.0, 0.006, 2.5), heavy, catalog=catalog) == [64, 128]


def test_limited_decode_workers(catalog):
    """Half of the requests wait at a prefill pool that takes four times as many tokens with two decode workers."""
    limited = [pooled(users, 0.008, 9.0) for users in (64.0, 128.0)]
    busy = pooled(2048.0, 0.02, 8.0, decode_workers=2, decode_gpus=16, n_gpus=24)
    assert loads(*limited, catalog=catalog) == [64, 128]
    assert loads(*limited, busy, catalog=catalog) == [2048]
    assert loads(*limited, busy | {"prefill_tp": 2}, catalog=catalog) == [64, 128, 2048]


@pytest.mark.parametrize(
    ("dp_attention", "stated", "left"),
    [(True, None, []), (True, 8, [128]), (True, 6, [128]), (True, 5, [64, 128]), (True, 12, []), (False, 64, [128])],
)
def test_a_limit_that_the_recipe_states_explains_the_wait(catalog, monkeypatch, dp_attention, stated, left):
    """31 and 61 sequences decode at once; a limit is of each of eight ranks, or of the one without data parallelism."""
    served = PoolSettings(EngineSettings(), EngineSettings(max_num_seqs=stated), None)
    monkeypatch.setattr("paretoken.predict.pools.rows.published_pools", lambda *_: served)
    limited = [pooled(users, 0.008, 9.0, dp_attention=dp_attention) for users in (64.0, 128.0)]
    busy = pooled(2048.0, 0.02, 8.0, decode_workers=2, decode_gpus=16, n_gpus=24)
    assert loads(*limited, busy, catalog=catalog) == [*left, 2048]


def test_a_busy_prefill_pool_is_no_limit(catalog):
    waiting = [pooled(1024.0, 0.02, 20.0), pooled(2048.0, 0.02, 62.0)]
    assert loads(*waiting, catalog=catalog) == [1024, 2048]


def test_other_denominator(catalog):
    """Requests that decode for 0.72 of their time at every load: the source divides by 4/3 of the GPUs."""
    rows = [pooled(users, tpot, tpot * 1023 / 0.72 - tpot * 1023) for users, tpot, _ in CURVE]
    long = pooled(64.0, 0.011, 1.0, isl=8192)
    assert loads(*rows, long, catalog=catalog) == []
    assert loads(*rows[:2], catalog=catalog) == [32, 64]


def test_a_run_of_two_sources_counts_once(catalog):
    run = {"mean_ttft_s": 0.7, "mean_tpot_s": 0.0099}
    carried = pooled(source="b", total_tput_per_gpu_tok_s=None, **run)
    rows = pooled_rows(prepared(pooled(**run), carried), catalog)
    assert rows["source"].to_list() == ["test"]


def test_a_carried_row_does_not_outlive_its_stalled_run(catalog):
    run = {"mean_ttft_s": 0.7, "mean_tpot_s": 0.0099}
    carried = pooled(source="b", total_tput_per_gpu_tok_s=None, **run)
    assert loads(carried, catalog=catalog) == [64]
    assert loads(pooled(wait=9.0, **run), carried, catalog=catalog) == []


def test_a_median_that_is_one_run_counts_as_that_run(catalog):
    run = pooled(median_ttft_s=0.8)
    median = pooled(source="b", date="2025-10-01..2026-06-01")
    assert pooled_rows(prepared(run, median), catalog)["source"].to_list() == ["test"]
    other = pooled(tpot=0.0105, source="b", date="2025-10-01..2026-06-01")
    assert pooled_rows(prepared(run, other), catalog)["source"].to_list() == ["test", "b"]


def test_runs_of_a_month_are_their_median(catalog):
    runs = [pooled(tpot=t, date=f"2026-01-0{d}") for d, t in ((1, 0.010), (2, 0.012), (3, 0.0101))]
    rows = pooled_rows(prepared(*runs, pooled(date="2026-02-01")), catalog)
    assert rows.select("date", "central_tpot_s").rows() == [("2026-01-15", 0.0101), ("2026-02-01", 0.010)]


def test_cases_have_workers_of_the_engine_s_core(catalog):
    points = prepared(pooled(date="2026-01-01..2026-02-01", dp_attention=False, prefill_tp=2, mean_osl=921.6))
    [c] = pooled_cases(pooled_rows(points, catalog), catalog)
    assert (c.pools.engine, c.pools.prefill.engine, c.pools.decode.engine) == ("dynamo-trtllm", "trtllm", "trtllm")
    assert (c.pools.prefill_workers, c.pools.decode_workers, c.pools.gpus) == (2, 1, 16)
    assert (c.pools.prefill.gpus, c.pools.prefill.tp, c.pools.prefill.dp_attention) == (4, 2, True)
    assert (c.pools.decode.gpus, c.pools.decode.tp, c.pools.decode.dp_attention) == (8, 8, False)
    assert (c.lengths.mean_osl, c.period, c.pools.decode.date) == (pytest.approx(921.6), True, None)
    assert c.pools.decode.settings.kv_dtype == "fp8"


@pytest.mark.parametrize(
    ("speculative", "tokens", "expected"),
    [("mtp", None, ("eagle3", 3)), ("mtp", 3, ("eagle3", 3)), ("mtp", 2, ("mtp", 2)), ("none", None, ("none", None))],
)
def test_both_pools_draft_as_their_recipe_unless_the_row_states_other_tokens(
    catalog, monkeypatch, speculative, tokens, expected
):
    def served(pools: Pools, *_: object) -> PoolSettings:
        drafts = Drafts("eagle3", 3) if pools.decode.drafting else None
        return PoolSettings(EngineSettings(), EngineSettings(), drafts)

    monkeypatch.setattr("paretoken.predict.pools.rows.published_pools", served)
    rows = pooled_rows(prepared(pooled(speculative=speculative, speculative_tokens=tokens)), catalog)
    [case] = pooled_cases(rows, catalog)
    workers = (case.pools.prefill, case.pools.decode)
    assert [(d.speculative, d.speculative_tokens) for d in workers] == [expected] * 2


def test_the_shipped_rows(catalog):
    """As many rows are left out by each rule as its documentation says."""
    points = published_points()
    rows = single_runs(laid_out(points, catalog))
    assert (laid_out(points, catalog).height, rows.height) == (4339, 3404)
    left_out = {}
    for name, broken in RULES:
        left = rows.filter(~pl.col("_row").is_in(broken(rows).implode()))
        left_out[name] = left_out.get(name, 0) + rows.height - left.height
        rows = left
    assert left_out == {"stalled": 19, "falling": 0, "idle": 19, "denominator": 10, "limited": 146}
    taken = pooled_rows(points, catalog)
    assert dict(taken.group_by("source").len().iter_rows()) == {
        "aiconfigurator-silicon": 613,
        "inferencex-2026-07": 2103,
        "inferencex-runs-dsr1": 351,
    }
    cases = pooled_cases(taken, catalog)
    assert len(cases) == taken.height
    workers = [d for c in cases for d in (c.pools.prefill, c.pools.decode) if d.drafting]
    assert len(workers) == 2 * 946
    assert all(d.speculative_tokens for d in workers)
    assert {d.speculative for d in workers if d.model == "minimax-m3"} == {"eagle3"}
    assert taken.filter(pl.col("prefill_worker_gpus") * pl.col("prefill_workers") != pl.col("prefill_gpus")).is_empty()
