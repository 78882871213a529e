"""Which deployments a plan sizes: every engine, precision and size that serve the model on each accelerator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.plan.candidate import FleetCandidate
from paretoken.predict.calibration.engines import calibrated_engines
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.configure import configured
from paretoken.predict.deployment import Deployment, Lengths, require_vendor
from paretoken.predict.pools.candidates import SearchSpace
from paretoken.predict.pools.engines import pool_engine
from paretoken.predict.pools.layout import (
    Pools,
    checked_pools,
    decoding,
    layout_accelerators,
    parse_layout,
    prefilling,
)
from paretoken.predict.pools.search import search_pools
from paretoken.predict.pools.workers import worker_kinds
from paretoken.predict.request import DeploymentRequest
from paretoken.predict.settings import DEFAULT, EngineSettings
from paretoken.slo import MEDIAN, Slo

AUTO = "auto"
USUAL_ENGINES = ("vllm", "sglang")
"""Tried where no engine is named and none has calibrated data."""
MOST_OF_A_REPLICA = 8
"""GPUs of a replica of one pool."""
MOST_POOLED = 16
"""GPUs of a disaggregated replica that is searched."""
LAYOUTS = 2
"""Disaggregated layouts of a search that are sized."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChoices:
    """What a plan may choose from; names are any of the catalog.

    No engines: those with calibrated data, else `USUAL_ENGINES`. No precisions: the model's own. `tp` None: every
    size. `layouts` are disaggregated ones, "auto" searches them; `pooled_only` leaves out one pool.
    """

    model: str
    accelerators: tuple[str, ...]
    engines: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    tp: int | None = None
    layouts: tuple[str, ...] = ()
    pooled_only: bool = False
    speculative: str = "none"
    acceptance_length: float | None = None
    settings: EngineSettings = DEFAULT


@dataclass(frozen=True, slots=True)
class Excluded:
    """A choice that has no deployment, and why."""

    name: str
    reason: str


def fleet_candidates(
    choices: FleetChoices, lengths: Lengths, limits: tuple[Slo, ...], calibration: Calibration, catalog: Catalog
) -> tuple[list[FleetCandidate], list[Excluded]]:
    """The deployments, and the choices that have none.

    UnknownName for a name that the catalog lacks, BadConfig for a layout that is not one, or where no choice has a
    deployment.
    """
    for layout in choices.layouts:
        if layout != AUTO:
            layout_accelerators(layout, "")
    candidates, excluded = list[FleetCandidate](), list[Excluded]()
    ways = (*(() if choices.pooled_only else ("",)), *choices.layouts)
    for one in _workers(choices, calibration, catalog):
        for layout in ways:
            try:
                candidates += map(FleetCandidate, _of_way(one, layout, choices, lengths, limits, calibration, catalog))
            except BadConfig as e:
                name = " ".join(x for x in (one.accelerator, one.engine, one.precision, layout) if x)
                excluded.append(Excluded(name, str(e)))
    if not candidates and excluded:
        more = f" (and {len(excluded) - 1} more)" if len(excluded) > 1 else ""
        raise BadConfig(f"nothing can serve {choices.model}: {excluded[0].name}: {excluded[0].reason}{more}")
    return list(dict.fromkeys(candidates)), excluded


def _workers(choices: FleetChoices, calibration: Calibration, catalog: Catalog) -> Iterator[Deployment]:
    """One GPU of each accelerator, precision and engine, whose parallelism is open."""
    for accelerator in choices.accelerators:
        for precision in choices.precisions or (None,):
            request = DeploymentRequest(
                accelerator=accelerator,
                model=choices.model,
                engine=(choices.engines or USUAL_ENGINES)[0],
                precision=precision,
                tp=1,
                speculative=choices.speculative,
                acceptance_length=choices.acceptance_length,
                settings=choices.settings,
            )
            one = configured(request, catalog)
            usual = calibrated_engines(one, calibration, catalog)
            usual = list(USUAL_ENGINES) if usual == [one.engine] else usual
            for engine in choices.engines or usual:
                yield replace(one, engine=catalog.engines.id_of(engine))


def _of_way(
    one: Deployment,
    layout: str,
    choices: FleetChoices,
    lengths: Lengths,
    limits: tuple[Slo, ...],
    calibration: Calibration,
    catalog: Catalog,
) -> Iterable[Deployment | Pools]:
    """The deployments of one pool, of a disaggregated layout, or of a search for one."""
    if not layout:
        return _one_pool(one, choices.tp, lengths, catalog)
    if layout == AUTO:
        return _searched(one, lengths, limits, calibration, catalog)
    chosen = pool_engine(one.engine, layout_accelerators(layout, one.accelerator), catalog)
    worker = replace(one, engine=chosen.core)
    if len(set(layout_accelerators(layout, one.accelerator))) > 1:
        raise BadConfig("a plan prices pools of one accelerator; leave @NAME out of the layout")
    return [checked_pools(parse_layout(layout, prefilling(worker), decoding(worker), chosen.engine), catalog)]


def _one_pool(one: Deployment, tp: int | None, lengths: Lengths, catalog: Catalog) -> Sequence[Deployment]:
    """Every kind of worker of one pool; with `tp`, those of that many GPUs."""
    if catalog.engines[one.engine].disaggregated:
        raise BadConfig(f"{catalog.engines[one.engine].name} serves only disaggregated; give a layout")
    require_vendor(one.accelerator, one.engine, catalog)
    kinds = worker_kinds(one, max(tp or 0, MOST_OF_A_REPLICA) + 1, lengths, catalog, prefill=False)
    sized = [d for d in kinds if d.gpus == tp] if tp else kinds
    if not sized:
        raise BadConfig(f"tp {tp} cannot serve {one.model} on {one.accelerator}; use {_sizes(kinds)}")
    return sized


def _sizes(kinds: Iterable[Deployment]) -> str:
    return " or ".join(map(str, sorted({d.gpus for d in kinds})))


def _searched(
    one: Deployment, lengths: Lengths, limits: tuple[Slo, ...], calibration: Calibration, catalog: Catalog
) -> Sequence[Pools]:
    """The best disaggregated layouts under the limits of medians."""
    chosen = pool_engine(one.engine, [one.accelerator], catalog)
    worker = replace(one, engine=chosen.core)
    prefill, decode = (
        worker_kinds(of_pool(worker), MOST_POOLED, lengths, catalog, prefill=first, engine=chosen.engine)
        for first, of_pool in ((True, prefilling), (False, decoding))
    )
    space = SearchSpace(engine=chosen.engine, prefill=prefill, decode=decode, gpus=MOST_POOLED, lengths=lengths)
    search = search_pools(space, _of_medians(limits), calibration=calibration, catalog=catalog)
    if not (best := search.best(LAYOUTS)):
        raise BadConfig(f"no disaggregated layout of at most {MOST_POOLED} GPUs meets the limits of medians")
    return [search.cases[i].pools for i in best]


def _of_medians(limits: Iterable[Slo]) -> list[Slo]:
    """The limits as limits on medians, which a search takes; a tail within its limit has a median within it."""
    return [replace(limit, statistic=MEDIAN) for limit in limits if limit.metric in ("ttft", "tpot", "e2e")]
