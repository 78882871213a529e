"""The panels of a study: for every model, precision, workload and serving filter, the answers of the single verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import polars as pl

from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare_serving
from paretoken.answers.cost import CostPoint, CostQuestion, costs
from paretoken.answers.frontier import FrontierPoint, FrontierQuestion, frontiers
from paretoken.answers.latency import selection
from paretoken.answers.newer_releases import newer_releases
from paretoken.answers.points import Data, PointsFields, PointsQuestion
from paretoken.answers.rent_curve import BreakevenPoint, rent_curve
from paretoken.answers.study.config import SERVING_FILTERS, ServingFilter, Study
from paretoken.answers.study.result import FrontierVerdict, Panel
from paretoken.catalog.loader import Catalog
from paretoken.frontier.consistency import Inconsistency
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import CurveGrid, crossovers, curve_grid, grid_inconsistencies, segments
from paretoken.points.selection import AXES, Axis, Selection
from paretoken.prices.tariff import Tariff
from paretoken.sessions.label import name_in

BREAK_EVEN_SAMPLES = 60


def panels(study: Study, data: Data, prices: Sequence[Tariff]) -> list[Panel]:
    """Every panel with a curve; a serving filter that adds no point to the one before it is left out."""
    drawn: list[Panel] = []
    for fields, scenario in cells(study, data):
        chosen = selection(PointsQuestion(**fields), data)
        adds = (
            not drawn or _cell(drawn[-1].selection) != _cell(chosen) or not drawn[-1].points.equals(data.rows(chosen))
        )
        if adds and any(data.curves(chosen, axis) for axis in AXES):
            drawn.append(panel_of(study, data, fields, scenario, prices))
    return drawn


def _cell(chosen: Selection) -> tuple[str, str | None, int, int]:
    return chosen.model, chosen.precision, chosen.isl, chosen.osl


def cells(study: Study, *sides: Data) -> Iterator[tuple[PointsFields, ServingFilter]]:
    """Every model, precision, workload and serving filter with a point in any of the data, as fields."""
    catalog = sides[0].catalog
    fixed = [name for name in study.workloads if name not in catalog.session_workloads]
    for model, precision, name in product(study.models, study.precisions, fixed):
        lengths = catalog.workload(name)
        if not any(precision in d.cells.get(model, {}).get((lengths.isl, lengths.osl), ()) for d in sides):
            continue
        for scenario in (SERVING_FILTERS[s] for s in study.scenarios):
            fields = PointsFields(
                model=model,
                precision=precision,
                isl=lengths.isl,
                osl=lengths.osl,
                serving=scenario.serving,
                speculative=scenario.speculative,
                origins=tuple(study.origins),
                accelerators=tuple(study.accelerators),
                engines=tuple(study.engines),
                sources=tuple(study.sources),
                suspicious=study.suspicious,
            )
            yield fields, scenario


def panel_of(
    study: Study, data: Data, fields: PointsFields, scenario: ServingFilter, prices: Sequence[Tariff]
) -> Panel:
    """The panel of one cell under a serving filter."""
    chosen = selection(PointsQuestion(**fields), data)
    drawn: dict[Axis, tuple[Curve, ...]] = {axis: data.curves(chosen, axis) for axis in AXES}
    grids = {axis: curve_grid(drawn[axis], order=data.hardware_order) for axis in AXES}
    catalog = data.catalog
    return Panel(
        selection=chosen,
        model=catalog.models.title(chosen.model),
        workload=_workload_name(chosen, catalog),
        scenario=scenario,
        points=data.rows(chosen),
        flagged=data.of_model(chosen).filter(chosen.of_serving() & pl.col("suspicious").is_not_null()),
        curves=drawn,
        newer=tuple(
            {(n.accelerator, n.engine, n.software): n for a in AXES for n in newer_releases(data, chosen, a)}.values()
        ),
        grids=grids,
        inconsistencies=_inconsistencies(grids),
        verdicts=tuple(_verdict(study, data, fields, axis, drawn[axis], t) for axis in AXES for t in prices),
        frontier=tuple(p for axis in AXES if drawn[axis] for p in _frontier(data, fields, axis)),
        costs=tuple(p for t in prices for axis in AXES if drawn[axis] for p in _costs(study, data, fields, axis, t)),
        break_even=tuple(b for axis in AXES for b in _break_even(study, grids[axis], axis)),
    )


def _workload_name(chosen: Selection, catalog: Catalog) -> str:
    if (key := name_in(chosen.workload or "")) in catalog.session_workloads.entries:
        return f"{catalog.session_workloads.entries[key].name} (sessions)"
    return catalog.workload(catalog.workload_at(chosen.isl, chosen.osl)).name


def _inconsistencies(grids: dict[Axis, CurveGrid]) -> tuple[Inconsistency, ...]:
    """Each pair of accelerators out of order once, by E2E latency if it is out of order there."""
    pairs = {(i.better, i.worse): i for axis in reversed(AXES) for i in grid_inconsistencies(grids[axis])}
    return tuple(pairs.values())


def _verdict(
    study: Study, data: Data, fields: PointsFields, axis: Axis, curves: Sequence[Curve], price: Tariff
) -> FrontierVerdict:
    """Who leads on one axis under one tariff, and the comparisons at those of the study's marks that have data."""
    grid = curve_grid(curves, price.tokens_per_usd_weight, data.hardware_order)
    marks = study.e2e_s if axis == "e2e" else study.interactivity_tok_s
    compared = (_compare(study, data, fields, axis, mark, price) for mark in marks) if curves else ()
    return FrontierVerdict(
        axis, price, tuple(segments(grid)), tuple(crossovers(grid)), tuple(c for c in compared if c.candidates)
    )


def _compare(study: Study, data: Data, fields: PointsFields, axis: Axis, mark: float, price: Tariff) -> CompareAnswer:
    question = CompareQuestion(
        **fields,
        e2e_s=mark if axis == "e2e" else None,
        interactivity=mark if axis == "interactivity" else None,
        tco=price.price_set,
        tier=price.tier,
        price_usd_per_gpu_h=study.price_usd_per_gpu_h,
        serving_load=study.serving_load,
    )
    return compare_serving(question, data)


def _frontier(data: Data, fields: PointsFields, axis: Axis) -> tuple[FrontierPoint, ...]:
    answer = frontiers(FrontierQuestion(**fields, axis=axis), data)
    return tuple(point for point in answer.points if point.ranked)


def _costs(study: Study, data: Data, fields: PointsFields, axis: Axis, price: Tariff) -> tuple[CostPoint, ...]:
    question = CostQuestion(
        **fields,
        axis=axis,
        tco=price.price_set,
        tiers=(price.tier,),
        price_usd_per_gpu_h=study.price_usd_per_gpu_h,
        serving_load=study.serving_load,
    )
    return costs(question, data).points


def _break_even(study: Study, grid: CurveGrid, axis: Axis) -> Iterator[tuple[BreakevenPoint, ...]]:
    """The break-even rent of every accelerator against the study's reference, thinned to about 60 latencies."""
    for name in grid.names:
        if name != study.reference:
            rent_usd = study.reference_rent_usd
            if curve := rent_curve(grid, axis, name, study.reference, rent_usd, BREAK_EVEN_SAMPLES):
                yield curve
