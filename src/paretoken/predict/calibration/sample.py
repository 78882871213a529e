"""Operating points that a calibration can learn from, as cases with what was observed.

Taken are closed loops on one pool of one node with a TPOT, and offline maxima whose number of requests is known (see
`offline`), unless a stated rule rules the row out:

unknown speculation    no row that states it agrees with the row (see `points.unstated`), and its model comes with a
                       draft layer; of another model it counts as none
falling                TPOT is less than 1/1.25 of the fastest one at half the load or less: not that load
stalled                concurrency·tokens/throughput exceeds the row's own TTFT + TPOT·(OSL − 1) by more than 25 %:
                       the median request was that fast, but the run stood still for a while (ramp and tail take 3 %)
limited                by its own TTFT, TPOT and Little's law fewer than a quarter of the users, and of what the KV
                       cache holds, were in service: they waited for a limit that the source does not state
in step                published with a GPU count and equal lengths: users of a public harness then move in step, in
                       runs of a hundred tokens too. With these 307 rows the error of other lengths, held back, rises
                       from 4.6 to 5.2 %, that of other models from 12.1 to 12.7 % (medians of TPOT)
suspicious             see `points.suspicious`
emulated               its pace is that of a calibration

Rows of one run count once (see `points.same_run`). Published runs of one source, configuration, load and month are one
row, their median in mid-month, so that a nightly series does not outvote single runs. Rows of one configuration and
load then weigh together as the square root of their number. E2E is that of Little's law where a throughput is stated,
in published rows of a whole run with its start and its end; else it is TTFT + TPOT·(OSL − 1), a mean where the TTFT is.
A mean TTFT is an outcome of its own. One of an unstated statistic (of laboratories) counts as a mean: it grows with the
users as the mean of a run does that starts with all of them at once, far above what a median could be. An offline
maximum has a throughput alone.

Settings are those that a row states, else those of its recipe (see `published_settings`). gpt-oss has only a checkpoint
in MXFP4: rows that write FP8 mean its activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.points.origins import of_origins
from paretoken.points.same_run import best_stated
from paretoken.points.schema import of_single_requests
from paretoken.predict.arrays import Floats, Ints, Mask
from paretoken.predict.calibration.offline import OFFLINE, is_offline, with_requests
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
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.first_token import length_spread
from paretoken.predict.load import LoadColumns, kv_slots
from paretoken.predict.numbers import Columns
from paretoken.predict.published_settings import offline_settings, published_drafts, published_settings
from paretoken.predict.settings import EngineSettings, recipe_kv_dtype
from paretoken.predict.speculation import published_method
from paretoken.predict.steady import TIMES

FALLING, STALLED, LIMITED = 1.25, 1.25, 0.25
CONFIGURATION = (
    "accelerator",
    "engine",
    "model",
    "precision",
    "tp",
    "ep",
    "pp",
    "dp_attention",
    "gpus",
    "drafting",
    "isl",
    "osl",
)
LOADED = (*CONFIGURATION, "concurrency")
FIGURES = (
    "central_tpot_s",
    "central_ttft_s",
    "median_ttft_s",
    "ttft_s",
    "mean_ttft_s",
    "total_tput_per_gpu_tok_s",
)
OUTCOMES = ("tpot", "e2e", "ttft", "mean_ttft")


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationSample:
    """Cases and ln of what was observed, shape (n, 4) in the order of OUTCOMES, NaN where it was not.

    `times` says which of `steady.TIMES` each of them is, by its place, shape (n, 4).
    `table` has one row for each case, with the identifying columns of its operating point.
    """

    cases: list[Case]
    observed: Floats
    times: Ints
    weight: Floats
    table: pl.DataFrame

    def __len__(self) -> int:
        return len(self.cases)

    def take(self, mask: Mask) -> CalibrationSample:
        """The cases of a mask, weighed anew."""
        table = self.table.filter(pl.Series(mask))
        cases = [c for c, keep in zip(self.cases, mask, strict=True) if keep]
        return CalibrationSample(cases, self.observed[mask], self.times[mask], _weights(table), table)


def sample(points: pl.DataFrame, catalog: Catalog) -> CalibrationSample:
    """What can be learned from prepared operating points."""
    table = usable(points, catalog)
    table = _in_waves(table.filter(~pl.Series(_limited(table, catalog))), catalog)
    tpot = table["central_tpot_s"].to_numpy()
    ttft, mean_ttft = (
        table.select(pl.coalesce(*names).alias("x"))["x"].to_numpy()
        for names in (("median_ttft_s",), ("mean_ttft_s", "ttft_s"))
    )
    little = table.select(little_e2e_s().alias("x"))["x"].to_numpy()
    first = np.where(np.isfinite(ttft), ttft, mean_ttft)
    e2e = np.where(np.isfinite(little), little, first + tpot * (table["_osl"].to_numpy() - 1))
    closed = (table["harness"] != OFFLINE).to_numpy()
    whole = np.isfinite(little) & closed & (table["origin"] == "published").to_numpy()
    mean = ~np.isfinite(little) & ~np.isfinite(ttft)
    times = np.tile([TIMES.index(name) for name in OUTCOMES], (len(table), 1))
    times[:, 1] = np.select([whole, mean], [TIMES.index("run"), TIMES.index("mean_e2e")], TIMES.index("e2e"))
    observed = np.log(np.stack([tpot, e2e, ttft, mean_ttft], axis=1))
    return CalibrationSample(_cases(table), observed, times, _weights(table), table)


def usable(points: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The rows taken, those of `single_runs` by month."""
    drafted = ("speculative", "speculative_tokens", "acceptance_length")
    return monthly(single_runs(points, catalog), ("source", *LOADED, *drafted, "harness", "_isl", "_osl"), FIGURES)


def single_runs(points: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The runs that no rule leaves out, with columns `gpus`, `pp`, `drafting`, `harness`, `_isl` and `_osl`.

    `date` is a single day or null. A table without a column `pp` holds no pipelines.
    """
    stages = pl.col("pp").fill_null(1) if "pp" in points.columns else pl.lit(1)
    rows = (
        with_requests(points, catalog)
        .filter(_row_rules(catalog))
        .with_columns(
            precision=pl.when(pl.col("model").str.starts_with("gpt-oss") & (pl.col("precision") == "fp8"))
            .then(pl.lit("fp4"))
            .otherwise(pl.col("precision").fill_null("bf16")),
            ep=pl.col("ep").fill_null(1).clip(1),
            dp_attention=pl.col("dp_attention").fill_null(False),
            tp=pl.coalesce("tp", pl.col("n_gpus") // stages).fill_null(1),
            pp=stages,
            harness=pl.when(is_offline())
            .then(pl.lit(OFFLINE))
            .when(pl.col("n_gpus").is_null())
            .then(pl.lit("lab"))
            .otherwise(pl.lit("public")),
            **run_columns(),
        )
    )
    in_stage = pl.max_horizontal("tp", "ep") * pl.col("pp")
    rows = rows.with_columns(gpus=pl.max_horizontal(pl.col("n_gpus").fill_null(0), in_stage))
    rows = rows.with_columns(dp_attention=pl.col("dp_attention") | (pl.col("tp") * pl.col("pp") < pl.col("gpus")))
    rows = rows.filter(pl.col("gpus") <= 8, pl.col("_osl") > 1).with_row_index("_row")
    rows = rows.filter(~pl.col("_row").is_in(_falling(rows).implode()))
    rows = rows.filter(~(little_e2e_s() > STALLED * stated_e2e_s()).fill_null(False))
    return best_stated(rows).drop("_row")


def _row_rules(catalog: Catalog) -> list[pl.Expr]:
    """What a single row must meet; rules that compare rows come later."""
    closed = (pl.col("load_kind") == "closed") & (pl.col("concurrency") >= 1) & pl.col("central_tpot_s").is_not_null()
    in_step = (
        (pl.col("origin") == "published")
        & pl.col("n_gpus").is_not_null()
        & (pl.col("mean_osl") == pl.col("osl"))
        & ~is_offline()
    )
    return [
        pl.col("accelerator").is_in(list(catalog.accelerators)) & pl.col("model").is_in(list(catalog.models)),
        pl.col("engine").is_in(list(catalog.engines)),
        closed | is_offline(),
        pl.col("suspicious").is_null(),
        of_single_requests(),
        of_origins(),
        ~in_step.fill_null(False),
        speculation_stated(catalog),
        ~pl.col("disaggregated").fill_null(False),
        ~pl.coalesce("multinode", (pl.col("n_gpus") > 8).fill_null(False)),
    ]


def _falling(rows: pl.DataFrame) -> pl.Series:
    fastest = rows.group_by(LOADED).agg(fastest=pl.col("central_tpot_s").min())
    pairs = rows.rename({"concurrency": "load"}).join(fastest, on=CONFIGURATION)
    lower = pl.col("concurrency") <= pl.col("load") / 2
    return pairs.filter(lower, pl.col("central_tpot_s") < pl.col("fastest") / FALLING)["_row"].unique()


def within_slots(cases: Sequence[Case], catalog: Catalog) -> list[Case]:
    """The cases with no more users than slots: those beyond wait, and have no bearing on effects."""
    slots = kv_slots(*case_columns(cases, catalog)).tolist()
    return [c if c.concurrency <= n else replace(c, concurrency=n) for c, n in zip(cases, slots, strict=True)]


def _limited(table: pl.DataFrame, catalog: Catalog) -> Mask:
    """The mask of rows whose users waited although there was room for them."""
    columns, load = case_columns(_cases(table), catalog)
    ttft = table["central_ttft_s"].to_numpy()
    life = ttft + table["central_tpot_s"].to_numpy() * (load.osl - 1)
    with np.errstate(invalid="ignore"):
        return load.users * (1 - ttft / life) < LIMITED * np.minimum(load.users, kv_slots(columns, load))


def _in_waves(table: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The table with the sequences of an offline run that are in service together as its concurrency.

    All requests come at once. They go through in as many waves as the slots make of them, all alike on average.
    """
    columns, load = case_columns(_cases(table), catalog)
    waves = np.ceil(load.users / kv_slots(columns, load))
    offline = pl.col("harness") == OFFLINE
    return table.with_columns(
        concurrency=pl.when(offline).then(pl.col("concurrency") / pl.Series(waves)).otherwise("concurrency")
    )


def _weights(table: pl.DataFrame) -> Floats:
    return table.select(pl.len().over(LOADED).cast(pl.Float64).pow(-0.5))["len"].to_numpy()


def _cases(table: pl.DataFrame) -> list[Case]:
    return [_case(r) for r in table.iter_rows(named=True)]


def _case(r: dict[str, Any]) -> Case:
    lengths = row_lengths(r)
    d = Deployment(
        accelerator=r["accelerator"],
        model=r["model"],
        precision=r["precision"],
        engine=r["engine"],
        gpus=r["gpus"],
        tp=r["tp"],
        ep=r["ep"],
        dp_attention=r["dp_attention"],
        speculative=r["speculative"] or "none",
        date=r["date"],
        engine_version=stated_version(r["engine_version"]),
        pp=r["pp"],
    )
    d = replace(_drafting(r, d, lengths), settings=_settings(r, d, lengths))
    return Case(
        deployment=d,
        lengths=lengths,
        concurrency=r["concurrency"],
        harness=r["harness"],
        period=r["period"],
    )


def _drafting(r: dict[str, Any], d: Deployment, lengths: Lengths) -> Deployment:
    """The deployment with what it drafts: as a row states it, else as its recipe does."""
    if not d.drafting:
        return d
    method, tokens = published_method(d.speculative)
    recipe = published_drafts(d, lengths, r["concurrency"]) if r["origin"] == "published" else None
    stated = r["speculative_tokens"] or tokens
    return replace(
        d,
        speculative=recipe.method if recipe and stated in (None, recipe.tokens) else method,
        speculative_tokens=stated or (recipe.tokens if recipe else None),
        acceptance_length=r["acceptance_length"],
    )


def _settings(r: dict[str, Any], d: Deployment, lengths: Lengths) -> EngineSettings:
    """How a row was served: as it states, as its page or its recipe says, or else as most recipes have it."""
    if r["origin"] != "published":
        return EngineSettings(kv_dtype=stated_kv_dtype(r["kv_cache_dtype"]))
    if r["harness"] == OFFLINE:
        return offline_settings(r["source"], d.precision, lengths.isl, lengths.osl)
    if r["harness"] == "lab" or r["source"] == "atom-nightly":
        return EngineSettings(kv_dtype=recipe_kv_dtype(d.precision))
    return published_settings(d, lengths, r["concurrency"])


def case_columns(cases: Sequence[Case], catalog: Catalog) -> tuple[Columns, LoadColumns]:
    """Columns and load of the cases."""
    load = LoadColumns(
        users=np.array([c.concurrency for c in cases], dtype=float),
        isl=np.array([c.lengths.mean_isl for c in cases]),
        computed=np.array([max(c.lengths.mean_isl * (1 - c.deployment.settings.prefix_hits), 1.0) for c in cases]),
        osl=np.array([c.lengths.mean_osl for c in cases]),
        spread=np.array([length_spread(c.lengths.ratio) for c in cases]),
    )
    return deployment_columns([c.deployment for c in cases], catalog), load
