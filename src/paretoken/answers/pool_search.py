"""The best disaggregated layouts of so many GPUs, beside aggregated serving and what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from paretoken.answers.pool_rivals import (
    AggregatedRow,
    MeasuredRow,
    WorthRow,
    aggregated_frontier,
    crossings,
    measured_frontiers,
    worth,
)
from paretoken.answers.pools import PooledQuestion, PooledRow, pool_notes, pooled_rows
from paretoken.answers.prediction import PredictionData, SettingValue, prepared, setting_values
from paretoken.errors import BadConfig, NoData
from paretoken.plural import counted
from paretoken.predict.acceptance import SpeculationInForce, speculation_in_force
from paretoken.predict.configure import check_count
from paretoken.predict.pools.candidates import LOADS, SearchSpace, worker_kinds
from paretoken.predict.pools.layout import decoding
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.search import PoolSearch, search_pools

MOST_GPUS = 1152
"""GPUs of a search: sixteen racks of 72."""
MOST_BEST = 100


@dataclass(frozen=True, kw_only=True)
class PoolSearchQuestion(PooledQuestion):
    """Which prefill and decode workers of at most `gpus` serve the most tokens per GPU within the SLO?"""

    concurrency: Annotated[
        tuple[int, ...], Field(description="Concurrent requests to try; empty to search them, too")
    ] = ()
    top: Annotated[int, Field(description="Layouts to name", ge=1, le=MOST_BEST)] = 5


@dataclass(frozen=True, kw_only=True)
class RankedLayout:
    """One of the best layouts at its best load. `replicas` of it fit in the GPUs; `idle_gpus` are left over.

    Figures per GPU are of the layout's GPUs. Rented with the idle ones, a GPU serves `total_tput_per_rented_gpu_tok_s`.
    """

    row: PooledRow
    replicas: int
    idle_gpus: int
    total_tput_per_rented_gpu_tok_s: float


@dataclass(frozen=True, kw_only=True)
class PoolSearchAnswer:
    """The best layouts within the SLO by throughput per GPU, one for each pair of worker kinds; and frontiers.

    Frontiers are over TPOT, within the other limits, by rising TPOT: `frontier` of disaggregated serving and
    `aggregated` of one pool, both predicted, and `measured` of the shipped points, which no SLO leaves out.
    `crossings_tok_s` are the interactivities where the predicted frontiers cross. `worth` compares them at equal
    interactivity. `layouts` is the number of layouts compared. `no_aggregated` says why there is no such frontier.
    `prefill_settings`, `decode_settings`, `speculation` and `notes` are those of the best layout, as in `PoolsAnswer`.
    """

    best: tuple[RankedLayout, ...]
    frontier: tuple[PooledRow, ...]
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


def search_disaggregated(question: PoolSearchQuestion, data: PredictionData | None = None) -> PoolSearchAnswer:
    """Search the layouts of a question; NoData, with the nearest, if none meets the SLO."""
    question, data = prepared(question, data)
    question.check()
    gpus, limits = question.gpus or 0, question.limits()
    if not 2 <= gpus <= MOST_GPUS:
        raise BadConfig(f"--gpus is {gpus or 'missing'}; a search needs at least 2 GPUs and at most {MOST_GPUS:,}")
    for users in question.concurrency:
        check_count("concurrency", users)
    chosen, one = question.worker([question.accelerator], data.catalog)
    lengths, rents = question.lengths, question.rent_of([one.accelerator], data.catalog)
    space = SearchSpace(
        engine=chosen.engine,
        prefill=worker_kinds(one, gpus, lengths, data.catalog, prefill=True),
        decode=worker_kinds(decoding(one), gpus, lengths, data.catalog, prefill=False),
        gpus=gpus,
        lengths=lengths,
        loads=tuple(sorted(set(question.concurrency))) or LOADS,
    )
    search = search_pools(space, limits, calibration=data.calibration, catalog=data.catalog)
    best = search.best(question.top)
    if not best:
        raise NoData(_nearest(search, question))
    frontier = search.frontier()
    cases = [search.cases[i] for i in (*best, *frontier)]
    rows = tuple(pooled_rows(predict_pools(cases, calibration=data.calibration, catalog=data.catalog), rents))
    aggregated, why_not = aggregated_frontier(one, gpus, lengths, limits, space.loads, data)
    served = (search.tpot_s[frontier], search.tput[frontier])
    pools = cases[0].pools
    speculation = speculation_in_force(pools.decode, data.calibration, data.catalog)
    return PoolSearchAnswer(
        best=tuple(_ranked(row, gpus) for row in rows[: len(best)]),
        frontier=rows[len(best) :],
        aggregated=aggregated,
        measured=measured_frontiers(one, lengths),
        crossings_tok_s=crossings(served, aggregated),
        worth=worth(served, aggregated, rents.get(one.accelerator)),
        layouts=search.layouts,
        no_aggregated=why_not,
        prefill_settings=setting_values(pools.prefill, question.settings, data.catalog),
        decode_settings=setting_values(pools.decode, question.settings, data.catalog),
        speculation=speculation,
        notes=pool_notes(pools, chosen.note, speculation, data.catalog),
    )


def _ranked(row: PooledRow, gpus: int) -> RankedLayout:
    replicas = gpus // row.n_gpus
    tput = row.total_tput_per_gpu_tok_s or 0.0
    return RankedLayout(
        row=row,
        replicas=replicas,
        idle_gpus=gpus - replicas * row.n_gpus,
        total_tput_per_rented_gpu_tok_s=tput * replicas * row.n_gpus / gpus,
    )


def _nearest(search: PoolSearch, question: PoolSearchQuestion) -> str:
    i = int(np.argmin(search.excess))
    c = search.cases[i]
    return (
        f"no layout of at most {counted(question.gpus or 0, 'GPU')} meets {question.slo}; the nearest is "
        f"{c.pools.layout} at concurrency {c.concurrency:g}: TTFT {search.ttft_s[i]:.3g} s, "
        f"TPOT {search.tpot_s[i] * 1e3:.3g} ms"
    )
