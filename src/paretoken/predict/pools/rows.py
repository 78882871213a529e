"""Disaggregated operating points that a calibration can learn from, and what was served as cases.

A row is taken if it is a closed loop of two pools with a TPOT, on an accelerator, model and engine of the catalog. In
brackets are the shipped rows, of 4,646, that each rule leaves out in this order:

without layout  workers or GPUs of a pool, or its TP size, are not known or do not divide each other (277)
suspicious      see `points.suspicious` (30)
unknown         speculation is not stated by any row that agrees, and the model comes with a draft layer (0)
same run        another row is the same run and stated better (753); a median over runs that has the TPOT and the
                throughput of a run is that run (182)
stalled         concurrency·tokens/throughput exceeds the row's own TTFT + TPOT·(OSL − 1) by more than 25 % (12), or
                the row's throughput is less than 1/1.5 of that of the same layout at the same or a lower load, and its
                TPOT is not slower by as much: tokens came at pace, but less often (7)
falling         TPOT is less than 1/1.25 of the fastest one of the same layout and source at half the load or less (0;
                1 that is the same run as another row)
idle            for 15 % or more of their time requests neither decoded nor did what takes the same layout twice as long
                at twice the load or more: they waited for something other than load (19)
denominator     requests of the configuration decode for one and the same share of their time, below 80 %, at three
                loads or more over a factor of four: its throughput is per GPU of another count (10)
limited         requests decode for less than 70 % of their time (or for less than 80 %, and otherwise take more than
                twice the shortest time beside decoding at this ISL and prefill worker), yet the prefill pool takes
                fewer than half of the tokens/s that its workers take in another row: decode workers have a limit that
                is not known (146). Rows that decode as many as their recipe allows (AT_LIMIT of it or more) are taken

Time beside decoding is that of Little's law where a throughput is stated, else TTFT. No rule uses a prediction.
Published runs of one source, layout, load and month then become one row, their median (143 fewer): 3,067.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.points.origins import of_origins
from paretoken.points.same_run import best_stated
from paretoken.points.unstated import NONE
from paretoken.predict.calibration.runs import (
    little_e2e_s,
    monthly,
    row_lengths,
    run_columns,
    speculation_stated,
    stated_e2e_s,
    stated_kv_dtype,
    stated_version,
)
from paretoken.predict.configure import with_redundant_experts
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import PooledCase, Pools
from paretoken.predict.published_pools import published_pools
from paretoken.predict.published_settings import Drafts, published_settings
from paretoken.predict.settings import EngineSettings

SAME_FIGURE = 1e-4
STALLED, SINKING, FALLING = 1.25, 1.5, 1.25
AT_LIMIT = 0.7
"""Share of the stated limit of decode workers from which on it explains that requests wait."""
IDLE_TIMES, IDLE_SHARE = 2.0, 0.15
DECODING, DECODING_SHORT, PREFILL_SHARE = 0.7, 0.8, 0.5
SAME_SHARE, LEAST_SHARE, LOADS, LOAD_SPAN = 0.02, 0.8, 3, 4.0
PREFILL_WORKER = ("accelerator", "core", "model", "precision", "prefill_worker_gpus", "prefill_tp", "prefill_ep")
LAYOUT = (
    *PREFILL_WORKER,
    "prefill_dp_attention",
    "drafting",
    "decode_worker_gpus",
    "tp",
    "ep",
    "dp_attention",
    "prefill_workers",
    "decode_workers",
)
AT_LENGTHS = (*LAYOUT, "isl", "osl")
FIGURES = (
    "central_tpot_s",
    "central_ttft_s",
    "median_ttft_s",
    "mean_ttft_s",
    "total_tput_per_gpu_tok_s",
    "tput_per_gpu",
    "e2e_s",
)
Rule = Callable[[pl.DataFrame], pl.Series]


def pooled_rows(points: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The rows taken of prepared points, one for each run, or for each month of a source.

    Beside the columns of a point: `core`, `drafting`, `period`, `_isl` and `_osl` (mean lengths, tokens),
    `prefill_worker_gpus` and `decode_worker_gpus`. `engine` is the disaggregated one, `date` a single day or null.
    """
    rows = single_runs(laid_out(points, catalog))
    for _, broken in RULES:
        rows = rows.filter(~pl.col("_row").is_in(broken(rows).implode()))
    alike = ("source", "engine", *AT_LENGTHS, "speculative", "concurrency", "_isl", "_osl")
    return monthly(rows.drop("_row", "_life", "_decoding"), alike, FIGURES)


def laid_out(points: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Closed loops with a known layout, before the rules, with the columns of `pooled_rows` and of a row's time."""
    cores = {name: catalog.engines[name].core or name for name in catalog.engines}
    rows = (
        points.filter(
            pl.col("disaggregated").fill_null(False),
            of_origins(),
            pl.col("accelerator").is_in(list(catalog.accelerators)),
            pl.col("model").is_in(list(catalog.models)),
            pl.col("engine").is_in(list(cores)),
            pl.col("load_kind") == "closed",
            pl.col("concurrency") >= 1,
            pl.col("central_tpot_s").is_not_null(),
            pl.col("suspicious").is_null(),
            speculation_stated(catalog),
            pl.coalesce("mean_osl", "osl") > 1,
        )
        .with_columns(
            core=pl.col("engine").replace(cores),
            **run_columns(),
            **{f"{side}_worker_gpus": _worker_gpus(side) for side in ("prefill", "decode")},
        )
        .with_columns(
            ep=pl.col("ep").fill_null(1).clip(1),
            prefill_ep=pl.col("prefill_ep").fill_null(1).clip(1),
            dp_attention=_data_parallel("tp", "dp_attention", "decode_worker_gpus"),
            prefill_dp_attention=_data_parallel("prefill_tp", "prefill_dp_attention", "prefill_worker_gpus"),
        )
        .filter(*_whole("decode_worker_gpus", "tp", "ep"), *_whole("prefill_worker_gpus", "prefill_tp", "prefill_ep"))
    )
    decoding_s = pl.col("central_tpot_s") * (pl.col("_osl") - 1)
    return rows.with_columns(_decoding=decoding_s, _life=e2e_s()).with_row_index("_row")


def e2e_s() -> pl.Expr:
    """E2E of a row, seconds: by Little's law where a throughput is stated, else of its TTFT and TPOT."""
    return pl.coalesce(little_e2e_s(), stated_e2e_s())


def single_runs(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each run; a median over runs that equals a run in TPOT and throughput is that run."""
    rows = best_stated(rows)
    figures = ("median_tpot_s", "total_tput_per_gpu_tok_s")
    runs = rows.filter(~pl.col("period")).select(*AT_LENGTHS, "concurrency", *figures)
    beside = rows.filter("period").join(runs, on=[*AT_LENGTHS, "concurrency"], suffix="_other", nulls_equal=True)
    equal = [(pl.col(f"{name}_other") / pl.col(name) - 1).abs() < SAME_FIGURE for name in figures]
    return rows.filter(~pl.col("_row").is_in(beside.filter(*equal)["_row"].implode()))


def _worker_gpus(side: str) -> pl.Expr:
    """GPUs of one worker; null unless whole."""
    gpus, workers = pl.col(f"{side}_gpus"), pl.col(f"{side}_workers")
    return pl.when(gpus % workers == 0).then(gpus // workers)


def _data_parallel(tp: str, stated: str, gpus: str) -> pl.Expr:
    """Attention of a worker with more GPUs than its TP size is data parallel, stated or not."""
    return pl.col(stated).fill_null(False) | (pl.col(tp) < pl.col(gpus)).fill_null(False)


def _whole(gpus: str, tp: str, ep: str) -> list[pl.Expr]:
    """Whether TP and EP divide the worker's GPUs; not so where one is null."""
    return [pl.col(gpus) % pl.col(size) == 0 for size in (tp, ep)]


def _stalled(rows: pl.DataFrame) -> pl.Series:
    return rows.filter(pl.col("_life") > STALLED * stated_e2e_s())["_row"]


def _sinking(rows: pl.DataFrame) -> pl.Series:
    slower = pl.max_horizontal(pl.lit(1.0), pl.col("central_tpot_s") / pl.col("central_tpot_s_other"))
    lost = pl.col("total_tput_per_gpu_tok_s_other") / pl.col("total_tput_per_gpu_tok_s")
    lighter = pl.col("concurrency_other") <= pl.col("concurrency")
    return _pairs(rows).filter(lighter, lost > SINKING * slower)["_row"].unique()


def _falling(rows: pl.DataFrame) -> pl.Series:
    lighter = pl.col("concurrency_other") <= pl.col("concurrency") / 2
    same = pl.col("source") == pl.col("source_other")
    fastest = pl.col("central_tpot_s_other").min().over("_row")
    return _pairs(rows).filter(lighter, same).filter(pl.col("central_tpot_s") < fastest / FALLING)["_row"].unique()


def _idle(rows: pl.DataFrame) -> pl.Series:
    beside, other = pl.col("_life") - pl.col("_decoding"), pl.col("_life_other") - pl.col("_decoding_other")
    heavier = pl.col("concurrency_other") >= 2 * pl.col("concurrency")
    excess = beside - IDLE_TIMES * other.clip(0)
    return _pairs(rows).filter(heavier, excess > IDLE_SHARE * pl.col("_life"))["_row"].unique()


def _limited(rows: pl.DataFrame) -> pl.Series:
    prompts = pl.col("concurrency") / pl.col("_life")
    rate = prompts * pl.col("_isl") / pl.col("prefill_workers")
    beside = pl.col("_life") - pl.col("_decoding")
    long = beside > IDLE_TIMES * beside.min().over(*PREFILL_WORKER, "isl")
    share = pl.col("_decoding") / pl.col("_life")
    waiting = (share < DECODING) | ((share < DECODING_SHORT) & long)
    limited = rows.filter((rate < PREFILL_SHARE * rate.max().over(PREFILL_WORKER)) & waiting)
    limits = pl.Series([_decode_limit(r) for r in limited.iter_rows(named=True)], dtype=pl.Float64)
    batch = pl.col("concurrency") / pl.col("decode_workers") * pl.col("_decoding") / pl.col("_life")
    return limited.filter((batch < AT_LIMIT * limits).fill_null(True))["_row"]


def _decode_limit(r: dict[str, Any]) -> float | None:
    """Sequences that a decode worker of a row may run at once, as its recipe states."""
    if r["origin"] != "published":
        return None
    lengths = row_lengths(r)
    served, decode = published_pools(_pools(r, lengths), lengths, r["concurrency"]), _worker(r, "decode", lengths)
    seqs = served.decode.max_num_seqs
    return seqs * (decode.gpus // decode.attention_tp) if seqs else None


def _other_denominator(rows: pl.DataFrame) -> pl.Series:
    share = pl.col("_decoding") / pl.col("_life")
    configuration = ["source", "n_gpus", *LAYOUT]
    unchanging = (
        rows.filter(share.is_not_null())
        .group_by(*configuration, "isl", "osl")
        .agg(
            low=share.min(),
            high=share.max(),
            loads=pl.col("concurrency").n_unique(),
            span=pl.col("concurrency").max() / pl.col("concurrency").min(),
        )
        .filter(pl.col("high") < LEAST_SHARE, pl.col("high") - pl.col("low") < SAME_SHARE)
        .filter(pl.col("loads") >= LOADS, pl.col("span") >= LOAD_SPAN)
    )
    return rows.join(unchanging, on=configuration, how="semi", nulls_equal=True)["_row"]


def _pairs(rows: pl.DataFrame) -> pl.DataFrame:
    """Each row beside each of the same layout and lengths, whose columns end in `_other`."""
    columns = ("source", "concurrency", "central_tpot_s", "total_tput_per_gpu_tok_s", "_life", "_decoding")
    return rows.join(rows.select(*AT_LENGTHS, *columns), on=AT_LENGTHS, nulls_equal=True, suffix="_other")


RULES: tuple[tuple[str, Rule], ...] = (
    ("stalled", _stalled),
    ("stalled", _sinking),
    ("falling", _falling),
    ("idle", _idle),
    ("denominator", _other_denominator),
    ("limited", _limited),
)


def pooled_cases(rows: pl.DataFrame, catalog: Catalog) -> list[PooledCase]:
    """The rows of `pooled_rows` as cases: each worker runs the engine's core with the settings of its recipe."""
    return [_case(r, catalog) for r in rows.iter_rows(named=True)]


def _case(r: dict[str, Any], catalog: Catalog) -> PooledCase:
    lengths = row_lengths(r)
    pools = _pools(r, lengths)
    if r["origin"] == "published":
        pools = _as_published(pools, lengths, r["concurrency"])
    prefill, decode = (with_redundant_experts(d, catalog) for d in (pools.prefill, pools.decode))
    pools = replace(pools, prefill=prefill, decode=decode)
    return PooledCase(pools=pools, lengths=lengths, concurrency=r["concurrency"], period=r["period"])


def _pools(r: dict[str, Any], lengths: Lengths) -> Pools:
    prefill, decode = (_worker(r, side, lengths) for side in ("prefill", "decode"))
    return Pools(
        engine=r["engine"],
        prefill=prefill,
        decode=decode,
        prefill_workers=r["prefill_workers"],
        decode_workers=r["decode_workers"],
    )


def _as_published(pools: Pools, lengths: Lengths, users: float) -> Pools:
    """The pools of a published row with the settings of their recipe, and with what it drafts."""
    served = published_pools(pools, lengths, users)
    prefill, decode = (
        _drafting(replace(d, settings=replace(s, kv_dtype=s.kv_dtype or d.settings.kv_dtype)), served.drafts)
        for d, s in ((pools.prefill, served.prefill), (pools.decode, served.decode))
    )
    return replace(pools, prefill=prefill, decode=decode)


def _drafting(worker: Deployment, drafts: Drafts | None) -> Deployment:
    """A worker that drafts as its recipe does, unless its row states another number of tokens."""
    if drafts is None or worker.speculative_tokens not in (None, drafts.tokens):
        return worker
    return replace(worker, speculative=drafts.method, speculative_tokens=drafts.tokens)


def _worker(r: dict[str, Any], side: str, lengths: Lengths) -> Deployment:
    own = "prefill_" if side == "prefill" else ""
    d = Deployment(
        accelerator=r["accelerator"],
        model=r["model"],
        precision=r["precision"],
        engine=r["core"],
        gpus=r[f"{side}_worker_gpus"],
        tp=r[f"{own}tp"],
        ep=r[f"{own}ep"],
        dp_attention=r[f"{own}dp_attention"],
        speculative=r["speculative"] or NONE,
        speculative_tokens=r["speculative_tokens"],
        acceptance_length=r["acceptance_length"],
        date=r["date"],
        engine_version=stated_version(r["engine_version"]),
    )
    if r["origin"] == "published":
        cache = published_settings(d, lengths, r["concurrency"] / r[f"{side}_workers"]).kv_dtype
    else:
        cache = stated_kv_dtype(r["kv_cache_dtype"])
    return replace(d, settings=EngineSettings(kv_dtype=cache))
