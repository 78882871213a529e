"""Predicted throughput and latency of a disaggregated deployment, at each concurrency or within an SLO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import inf
from pathlib import Path
from typing import Annotated, ClassVar, TypedDict

from pydantic import Field

from paretoken.answers.predict import write_operating_points
from paretoken.answers.predicted_figures import PredictedLoad, ThroughputAndTtft, TpotAndE2e
from paretoken.answers.prediction import (
    DeploymentQuestion,
    PredictionData,
    SettingValue,
    assumptions,
    network_assumptions,
    prepared,
    require_loads,
    setting_values,
)
from paretoken.answers.rows import Row
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData, quoted
from paretoken.plural import counted
from paretoken.predict.acceptance import SpeculationInForce, speculation_in_force
from paretoken.predict.configure import configured
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.engines import PoolEngine, pool_engine
from paretoken.predict.pools.layout import Pools, decoding, layout_accelerators, parse_layout, pooled_case, prefilling
from paretoken.predict.pools.predictor import PoolPredictions, predict_pools
from paretoken.predict.pools.results import PoolConfiguration, pool_configuration, pool_points, pool_result_rows
from paretoken.predict.rows import SOURCE, new_kinds
from paretoken.predict.settings import EngineSettings
from paretoken.predict.slo import METRICS, MOST_USERS, last_that
from paretoken.prices.cost import usd_per_mtok
from paretoken.significant import significant
from paretoken.slo import MEDIAN, Slo, parse_slos

EXAMPLE = "4xDEP4+1xDEP32"


def median_limits(text: str) -> tuple[Slo, ...]:
    """The limits of a text; BadConfig for one of another statistic, which is not predicted of pools."""
    limits = parse_slos(text, METRICS)
    if tail := next((limit for limit in limits if limit.statistic != MEDIAN), None):
        raise BadConfig(
            f"{quoted(tail.text)} limits {tail.statistic}; disaggregated serving is predicted as medians, so leave "
            f"_{tail.statistic} out"
        )
    return limits


@dataclass(frozen=True, kw_only=True)
class PooledQuestion(DeploymentQuestion):
    """A model served disaggregated. `engine` is a disaggregated engine, or the core that its workers run."""

    slo: Annotated[str | None, Field(description="Limits of medians: ttft=2s,interactivity=40")] = None
    rents: Annotated[
        tuple[str, ...], Field(description="Rent of a GPU, USD per hour: 3.50, or of one accelerator, GB200=3.50")
    ] = ()

    def check(self) -> None:
        """BadConfig for a parallelism beside the layout, which states its own."""
        stated = {"tp": self.tp, "pp": self.pp > 1, "ep": self.ep > 1, "dp_attention": self.dp_attention}
        if name := next((name for name, value in stated.items() if value), None):
            raise BadConfig(f"{name} is stated beside a disaggregated layout, which states its own; leave it out")

    def worker(self, accelerators: Sequence[str], catalog: Catalog) -> tuple[PoolEngine, Deployment]:
        """The engines, and one worker of one GPU with everything but its parallelism."""
        chosen = pool_engine(self.engine, accelerators, catalog)
        return chosen, configured(replace(self, engine=chosen.core, tp=1, gpus=None), catalog)

    def pools(self, layout: str, catalog: Catalog) -> tuple[Pools, str]:
        """The pools of a layout, and a note on their engine; BadConfig if they take more than `gpus`."""
        self.check()
        chosen, one = self.worker(layout_accelerators(layout, self.accelerator), catalog)
        pools = parse_layout(layout, prefilling(one), decoding(one), chosen.engine)
        if self.gpus is not None and pools.gpus > self.gpus:
            raise BadConfig(f"{pools.layout} has {counted(pools.gpus, 'GPU')}, more than --gpus {self.gpus}")
        return pools, chosen.note

    def limits(self) -> tuple[Slo, ...]:
        """The limits of medians; BadConfig for other quantiles, which are not predicted."""
        if self.slo is None:
            return ()
        limits = median_limits(self.slo)
        if not limits:
            raise BadConfig(f"SLO {quoted(self.slo)} is empty; write for example ttft=2s,interactivity=40")
        return limits

    def rent_of(self, accelerators: Sequence[str], catalog: Catalog) -> dict[str, float]:
        """USD per GPU-hour of each accelerator; empty without rents, BadConfig if one of them has none."""
        rents = dict[str, float]()
        for text in self.rents:
            name, usd = _rent(text, catalog)
            if name in rents:
                of = f"of {name}" if name else "of every accelerator"
                raise BadConfig(f"the rent {of} is stated twice; state it once")
            rents[name] = usd
        by_name = {a: rents.get(a, rents.get("")) for a in accelerators}
        if rents and (missing := [a for a, usd in by_name.items() if usd is None]):
            raise BadConfig(f"the rent of {missing[0]} is missing; add {missing[0]}=USD")
        return {a: usd for a, usd in by_name.items() if usd is not None}


@dataclass(frozen=True, kw_only=True)
class PoolsQuestion(PooledQuestion):
    """How fast one disaggregated layout is: at each concurrency, or at most within `slo`."""

    layout: Annotated[str, Field(description=f"Workers of the prefill and the decode pool: {EXAMPLE}")]
    concurrency: Annotated[tuple[int, ...], Field(description="Concurrent requests of a closed loop")] = (
        4,
        16,
        64,
        256,
        1024,
        4096,
    )
    out: Annotated[Path | None, Field(description="Write the operating points: .parquet or .csv")] = None


@dataclass(frozen=True, kw_only=True)
class PooledRow(TpotAndE2e, ThroughputAndTtft, PredictedLoad, PoolConfiguration):
    """One layout at one concurrency: medians, per-GPU figures over the GPUs of both pools, and 90 % intervals.

    `prefill_busy` is the share of the prefill pool's time in use, `decode_batch` the sequences that decode in one
    worker. `transfer_ms` and `queue_ms` are parts of the TTFT.
    """

    interactivity_tok_s: float | None
    prefill_busy: float
    decode_batch: float
    transfer_ms: float
    queue_ms: float
    usd_per_gpu_h: float | None
    usd_per_mtok_total: float | None


@dataclass(frozen=True, kw_only=True)
class PoolsAnswer(TypedAnswer):
    """One row for each concurrency, or the one within the SLO; `or_more` if the search for it ended there.

    `prefill_settings` and `decode_settings` are those of one worker in force. `speculation` says how the workers draft,
    None if they do not. `notes` say how names were read, and what was assumed about the model.
    """

    TABLE: ClassVar[str] = "rows"
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    rows: tuple[PooledRow, ...]
    or_more: bool
    prefill_settings: dict[str, SettingValue]
    decode_settings: dict[str, SettingValue]
    speculation: SpeculationInForce | None
    notes: tuple[str, ...]


@takes(PoolsQuestion)
def predict_disaggregated(question: PoolsQuestion, data: PredictionData | None = None) -> PoolsAnswer:
    """Predict a disaggregated layout; NoData if even one user misses the SLO."""
    question, data = prepared(question, data)
    pools, note = question.pools(question.layout, data.catalog)
    if question.slo is None:
        require_loads(question.concurrency)
    users = question.concurrency if question.slo is None else (_highest(question, pools, data),)
    cases = [pooled_case(pools, question.lengths, n, catalog=data.catalog) for n in users]
    pools = cases[0].pools
    predictions = predict_pools(cases, calibration=data.calibration, catalog=data.catalog)
    rents = question.rent_of([pools.prefill.accelerator, pools.decode.accelerator], data.catalog)
    if question.out:
        if pools.prefill.accelerator != pools.decode.accelerator:
            raise BadConfig("an operating point has one accelerator; leave --out out for pools of two")
        write_operating_points(pool_points(predictions, data.catalog), question.out)
    return PoolsAnswer(
        rows=tuple(pooled_rows(predictions, rents)),
        or_more=question.slo is not None and users[0] == MOST_USERS,
        **pools_in_force(pools, note, question.settings, data),
    )


def pooled_rows(predictions: PoolPredictions, rents: dict[str, float]) -> Iterator[PooledRow]:
    """The predictions as rows, priced where rents by accelerator are given."""
    s = predictions.state
    for i, (c, figures) in enumerate(zip(predictions.cases, pool_result_rows(predictions), strict=True)):
        tpot_ms, tput = figures["median_tpot_ms"], figures["total_tput_per_gpu_tok_s"]
        usd = _usd_per_gpu_h(c.pools, rents)
        yield PooledRow(
            **(asdict(pool_configuration(c.pools)) | figures),
            isl=c.lengths.isl,
            osl=c.lengths.osl,
            length_range_ratio=c.lengths.ratio,
            concurrency=c.concurrency,
            origin="predicted",
            new_to_calibration=new_kinds(predictions.novelty[i]),
            interactivity_tok_s=tpot_ms and 1e3 / tpot_ms,
            prefill_busy=float(s.prefill_busy[i]),
            decode_batch=float(s.batch[i]),
            transfer_ms=float(s.transfer_s[i]) * 1e3,
            queue_ms=float(s.waiting_s[i]) * 1e3,
            usd_per_gpu_h=usd,
            usd_per_mtok_total=usd_per_mtok(usd, tput) if usd and tput else None,
        )


class PoolsInForce(TypedDict):
    """The fields of answers that say how the workers of two pools are set up."""

    prefill_settings: dict[str, SettingValue]
    decode_settings: dict[str, SettingValue]
    speculation: SpeculationInForce | None
    notes: tuple[str, ...]


def pools_in_force(pools: Pools, engine_note: str, stated: EngineSettings, data: PredictionData) -> PoolsInForce:
    """The settings of one worker of each pool, how it drafts, and notes on the engine, the model and the network."""
    speculation = speculation_in_force(pools.decode, data.calibration, data.catalog)
    return {
        "prefill_settings": setting_values(pools.prefill, stated, data.catalog),
        "decode_settings": setting_values(pools.decode, stated, data.catalog),
        "speculation": speculation,
        "notes": _notes(pools, engine_note, speculation, data.catalog),
    }


def _notes(pools: Pools, engine_note: str, speculation: SpeculationInForce | None, catalog: Catalog) -> tuple[str, ...]:
    """How the engine was chosen, and what was assumed about the model, its drafts and the network, in words."""
    network = (network_assumptions(d, catalog) for d in (pools.prefill, pools.decode))
    return (
        *filter(None, [engine_note]),
        *assumptions(catalog.models[pools.model]),
        *(speculation.notes if speculation else ()),
        *dict.fromkeys(chain(*network)),
    )


def _highest(question: PoolsQuestion, pools: Pools, data: PredictionData) -> int:
    """The most users within the limits; NoData if one user misses them."""
    limits = question.limits()

    def at(users: int) -> dict[str, float]:
        case = pooled_case(pools, question.lengths, users, catalog=data.catalog)
        s = predict_pools([case], calibration=data.calibration, catalog=data.catalog).state
        return {"ttft": float(s.ttft_s[0]), "tpot": float(s.tpot_s[0]), "e2e": float(s.e2e_s[0])}

    def meets(users: int) -> bool:
        medians = at(users)
        return all(medians[limit.metric] <= limit.bound_s for limit in limits)

    if most := last_that(meets, MOST_USERS):
        return most
    medians = at(1)
    texts = ", ".join(f"{limit.metric.upper()} is {significant(medians[limit.metric], 3)} s" for limit in limits)
    raise NoData(f"{pools.layout} misses {question.slo} with one user: {texts}; relax the SLO")


def _rent(text: str, catalog: Catalog) -> tuple[str, float]:
    """(accelerator, or "" for every one, USD per GPU-hour)."""
    name, _, number = text.rpartition("=")
    try:
        usd = float(number)
    except ValueError:
        usd = 0.0
    if not 0 < usd < inf:
        raise BadConfig(f"rent {quoted(text)} is not one; write USD per GPU-hour above 0, 3.50 or GB200=3.50")
    return catalog.accelerators.id_of(name) if name else "", usd


def _usd_per_gpu_h(pools: Pools, rents: dict[str, float]) -> float | None:
    """USD per hour of the mean GPU of both pools."""
    if not rents:
        return None
    sides = ((pools.prefill, pools.prefill_gpus), (pools.decode, pools.decode_gpus))
    return sum(rents[d.accelerator] * gpus for d, gpus in sides) / pools.gpus
