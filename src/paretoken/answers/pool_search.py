"""Search the disaggregated layouts of a number of GPUs, and compare the best with aggregated and measured serving."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from paretoken.answers.pool_rivals import (
    AggregatedRow,
    MeasuredRow,
    RentedCurve,
    WorthRow,
    aggregated_frontier,
    crossings,
    measured_frontiers,
    worth,
)
from paretoken.answers.pools import PooledQuestion, PooledRow, median_limits, pooled_rows, pools_in_force
from paretoken.answers.prediction import PredictionData, SettingValue, prepared
from paretoken.answers.rows import Row
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData
from paretoken.plural import counted
from paretoken.predict.acceptance import SpeculationInForce
from paretoken.predict.configure import check_count
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.candidates import LOADS, SearchSpace
from paretoken.predict.pools.layout import PooledCase, decoding, prefilling, worker_kind
from paretoken.predict.pools.measured import measured_workers
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.search import PoolSearch, search_pools
from paretoken.predict.pools.workers import worker_kinds
from paretoken.predict.rows import SOURCE
from paretoken.prices.cost import usd_per_mtok
from paretoken.significant import significant
from paretoken.slo import Slo

MOST_GPUS = 1152
"""GPUs of a search: sixteen racks of 72."""
MOST_BEST = 100
DEFAULT_TTFT = "ttft=5s"
NO_TTFT = re.compile(r"ttft(?:_(?:p50|median))?\s*(?:<=|<|=|:)\s*none", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class PoolSearchQuestion(PooledQuestion):
    """Which prefill and decode workers of at most `gpus` serve the most tokens per rented GPU within the SLO?

    Without a limit of TTFT or E2E, the best load is one that queues long for prefill. So where the load is searched,
    `DEFAULT_TTFT` is such a limit, unless `slo` has another, or `ttft=none`.
    """

    concurrency: Annotated[
        tuple[int, ...], Field(description="Concurrent requests to try; empty to search them, too")
    ] = ()
    top: Annotated[int, Field(description="Layouts to name", ge=1, le=MOST_BEST)] = 5

    def slo_in_force(self) -> str:
        """The limits of the search as text, "" if there are none."""
        parts = [part for text in (self.slo or "").split(",") if (part := text.strip())]
        own = [part for part in parts if not NO_TTFT.fullmatch(part)]
        default = not self.concurrency and len(own) == len(parts)
        limited = {limit.metric for limit in median_limits(",".join(own))} & {"ttft", "e2e"}
        return ",".join([DEFAULT_TTFT, *own] if default and not limited else own)

    def limits(self) -> tuple[Slo, ...]:
        """The limits in force; BadConfig for an SLO without any."""
        if self.slo is not None and not self.slo.strip(", "):
            return super().limits()
        return median_limits(self.slo_in_force())

    def searched_gpus(self) -> int:
        """The number of GPUs to divide between the pools; BadConfig if it is missing or out of bounds."""
        gpus = self.gpus or 0
        if not 2 <= gpus <= MOST_GPUS:
            raise BadConfig(f"--gpus is {gpus or 'missing'}; a search needs at least 2 GPUs and at most {MOST_GPUS:,}")
        return gpus

    def check(self) -> None:
        """BadConfig also for a concurrency that cannot be."""
        super().check()
        for users in self.concurrency:
            check_count("concurrency", users)


@dataclass(frozen=True, kw_only=True)
class RankedLayout:
    """One layout at one load. `replicas` of it fit in the GPUs; `idle_gpus` are left over.

    Figures of `row` are of one replica, per GPU of the layout. Rented with the idle ones, a GPU serves
    `total_tput_per_rented_gpu_tok_s`, and tokens cost `usd_per_mtok_rented`. `unmeasured` are those of the pools,
    prefill and decode, whose worker no shipped point of the model and the accelerator has.
    """

    row: PooledRow
    replicas: int
    idle_gpus: int
    total_tput_per_rented_gpu_tok_s: float
    total_tput_per_rented_gpu_tok_s_lo: float
    total_tput_per_rented_gpu_tok_s_hi: float
    usd_per_mtok_rented: float | None
    unmeasured: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PoolSearchAnswer(TypedAnswer):
    """The best layouts within the SLO by throughput per rented GPU, one for each pair of worker kinds; and frontiers.

    `slo` are the limits in force, with the default one of TTFT. Throughputs of the predicted frontiers are per rented
    GPU, those of measured ones per GPU that ran.

    Frontiers are over TPOT, within the other limits, by rising TPOT: `frontier` of disaggregated serving and
    `aggregated` of one pool, both predicted, and `measured` of the shipped points, which no SLO leaves out.
    `crossings_tok_s` are the interactivities where the predicted frontiers cross. `worth` compares them at equal
    interactivity. `layouts` is the number of layouts compared. `no_aggregated` says why there is no such frontier.
    `prefill_settings`, `decode_settings`, `speculation` and `notes` are those of the best layout, as in `PoolsAnswer`.
    """

    TABLE: ClassVar[str] = "best"
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    slo: str
    best: tuple[RankedLayout, ...]
    frontier: tuple[RankedLayout, ...]
    aggregated: tuple[AggregatedRow, ...]
    measured: tuple[MeasuredRow, ...]
    crossings_tok_s: tuple[float, ...]
    worth: tuple[WorthRow, ...]
    layouts: int
    no_aggregated: str | None
    prefill_settings: dict[str, SettingValue]
    decode_settings: dict[str, SettingValue]
    speculation: SpeculationInForce | None
    notes: tuple[str, ...]


@takes(PoolSearchQuestion)
def search_disaggregated(question: PoolSearchQuestion, data: PredictionData | None = None) -> PoolSearchAnswer:
    """Search the layouts of a question; NoData, with the nearest, if none meets the SLO."""
    question, data = prepared(question, data)
    question.check()
    gpus, limits, lengths = question.searched_gpus(), question.limits(), question.lengths
    chosen, one = question.worker([question.accelerator], data.catalog)
    rents = question.rent_of([one.accelerator], data.catalog)
    measured = measured_workers(one.model, one.accelerator)
    space = _space(question, chosen.engine, one, measured, data.catalog)
    search = search_pools(space, limits, calibration=data.calibration, catalog=data.catalog)
    best = search.best(question.top)
    if not best:
        raise NoData(_nearest(search, question))
    frontier = search.frontier()
    cases = [search.cases[i] for i in (*best, *frontier)]
    predictions = predict_pools(cases, calibration=data.calibration, catalog=data.catalog)
    rows = tuple(_ranked(c, row, gpus, measured) for c, row in zip(cases, pooled_rows(predictions, rents), strict=True))
    aggregated, why_not = aggregated_frontier(one, gpus, lengths, limits, space.loads, data)
    measured_points, served = measured_frontiers(one, lengths), _curve(rows[len(best) :])
    return PoolSearchAnswer(
        slo=question.slo_in_force(),
        best=rows[: len(best)],
        frontier=rows[len(best) :],
        aggregated=aggregated,
        measured=measured_points,
        crossings_tok_s=crossings(served, aggregated),
        worth=worth(served, aggregated, rents.get(one.accelerator), measured_points),
        layouts=search.layouts,
        no_aggregated=why_not,
        **pools_in_force(cases[0].pools, chosen.note, question.settings, data),
    )


def _space(
    question: PoolSearchQuestion, engine: str, one: Deployment, measured: Sequence[Collection[str]], catalog: Catalog
) -> SearchSpace:
    """The workers of each pool, and the loads, from which layouts are made; `one` is a worker of one GPU."""
    gpus, lengths = question.searched_gpus(), question.lengths
    prefill, decode = (
        worker_kinds(d, gpus, lengths, catalog, prefill=first, engine=engine, measured=of_pool)
        for first, d, of_pool in zip((True, False), (prefilling(one), decoding(one)), measured, strict=True)
    )
    loads = tuple(sorted(set(question.concurrency))) or LOADS
    return SearchSpace(engine=engine, prefill=prefill, decode=decode, gpus=gpus, lengths=lengths, loads=loads)


def _ranked(case: PooledCase, row: PooledRow, gpus: int, measured: Sequence[Collection[str]]) -> RankedLayout:
    replicas = gpus // row.n_gpus
    used = replicas * row.n_gpus / gpus
    tput = (row.total_tput_per_gpu_tok_s or 0.0) * used
    pools = zip(("prefill", "decode"), (case.pools.prefill, case.pools.decode), measured, strict=True)
    return RankedLayout(
        row=row,
        replicas=replicas,
        idle_gpus=gpus - replicas * row.n_gpus,
        total_tput_per_rented_gpu_tok_s=tput,
        total_tput_per_rented_gpu_tok_s_lo=(row.total_tput_per_gpu_tok_s_lo or 0.0) * used,
        total_tput_per_rented_gpu_tok_s_hi=(row.total_tput_per_gpu_tok_s_hi or 0.0) * used,
        usd_per_mtok_rented=usd_per_mtok(row.usd_per_gpu_h, tput) if row.usd_per_gpu_h and tput else None,
        unmeasured=tuple(name for name, worker, kinds in pools if worker_kind(worker) not in kinds),
    )


def _curve(frontier: Sequence[RankedLayout]) -> RentedCurve:
    return RentedCurve(
        np.array([(r.row.median_tpot_ms or 0.0) / 1e3 for r in frontier]),
        np.array([r.total_tput_per_rented_gpu_tok_s for r in frontier]),
        np.array([r.total_tput_per_rented_gpu_tok_s_lo for r in frontier]),
        np.array([r.total_tput_per_rented_gpu_tok_s_hi for r in frontier]),
    )


def _nearest(search: PoolSearch, question: PoolSearchQuestion) -> str:
    i = int(np.argmin(search.excess))
    c = search.cases[i]
    return (
        f"no layout of at most {counted(question.gpus or 0, 'GPU')} meets {question.slo_in_force()}; the nearest is "
        f"{c.pools.layout} at concurrency {c.concurrency:g}: TTFT {significant(search.ttft_s[i], 3)} s, "
        f"TPOT {significant(search.tpot_s[i] * 1e3, 3)} ms"
    )
