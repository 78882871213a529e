"""Run a study: points in, panels with frontiers, prices and verdicts out."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from paretoken import __version__
from paretoken.answers.ecosystem import overview_of
from paretoken.answers.study.config import SERVING_FILTERS, ServingFilter, Study, with_ids
from paretoken.answers.study.economy import economy
from paretoken.answers.study.predicted import with_predictions
from paretoken.answers.study.result import AXES, BreakEven, Comparison, Panel, StudyResult, Verdict, break_even
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData
from paretoken.frontier import (
    Axis,
    Curve,
    CurveGrid,
    Selection,
    absences,
    better_before,
    candidates,
    crossovers,
    curve_grid,
    curves,
    no_data,
    segments,
    to_axis,
)
from paretoken.points import gather
from paretoken.points.derived import little_error
from paretoken.prices import Tariff, rank, tariffs

BREAK_EVEN_SAMPLES = 60


def run_study(study: Study, catalog: Catalog | None = None, today: date | None = None) -> StudyResult:
    """The result of a study. NoData if no operating point answers it."""
    catalog = catalog or load_catalog(*study.catalog)
    points = gather.gather(study.points, published=study.published, catalog=catalog)
    points = with_predictions(points, study.predict, catalog)
    study = with_ids(study, catalog, points)
    study = _resolved(study, points, catalog)
    prices = tariffs(catalog, study.tco, tuple(study.tiers))
    panels = _panels(study, catalog, points, prices)
    if not panels:
        raise NoData(
            f"study {study.name}: no operating point matches its models, precisions, workloads and accelerators; "
            "see 'paretoken catalog' for what is known"
        )
    day = today or datetime.now(UTC).date()
    flagged = points.filter(pl.col("suspicious").is_not_null())["suspicious"].value_counts(sort=True)
    return StudyResult(
        study,
        catalog,
        tuple(prices),
        tuple(panels),
        _gaps(study, panels, catalog),
        little_error(points),
        points.height,
        points.filter(origin="predicted").height,
        dict(flagged.iter_rows()),
        __version__,
        day.isoformat(),
        economy(study, catalog, points, day),
        overview_of(gates=[*study.gates, *gather.gates_beside(study.points)]),
    )


def _resolved(study: Study, points: pl.DataFrame, catalog: Catalog) -> Study:
    """The study with every empty choice filled in with what the points hold."""
    models = study.models or sorted(points["model"].unique())
    of_models = points.filter(pl.col("model").is_in(models))
    own = of_models.filter(pl.col("origin") == "measured").select("isl", "osl").unique().sort("isl", "osl")
    measured = [catalog.workload_at(isl, osl) for isl, osl in own.iter_rows()]
    held = {
        c: sorted(of_models[c].drop_nulls().unique())
        for c in ("precision", "accelerator", "engine", "origin", "source")
    }
    return study.model_copy(
        update={
            "models": models,
            "precisions": study.precisions or held["precision"],
            "workloads": study.workloads or list(dict.fromkeys([*catalog.workloads, *measured])),
            "accelerators": study.accelerators or sorted(held["accelerator"], key=catalog.accelerators.place),
            "engines": study.engines or held["engine"],
            "origins": study.origins or held["origin"],
            "sources": study.sources or held["source"],
        }
    )


def _questions(study: Study, points: pl.DataFrame, catalog: Catalog) -> list[tuple[Selection, ServingFilter]]:
    """Every model, precision, workload and scenario for which any point exists."""
    held = set(points.select("model", "precision", "isl", "osl").unique().iter_rows())
    return [
        (
            Selection(
                model,
                precision,
                w.isl,
                w.osl,
                scenario.serving,
                scenario.speculative,
                tuple(study.origins),
                tuple(study.accelerators),
                tuple(study.engines),
                tuple(study.sources),
                study.suspicious,
            ),
            scenario,
        )
        for model in study.models
        for precision in study.precisions
        for w in map(catalog.workload, study.workloads)
        for scenario in (SERVING_FILTERS[s] for s in study.scenarios)
        if (model, precision, w.isl, w.osl) in held
    ]


def _panels(study: Study, catalog: Catalog, points: pl.DataFrame, prices: list[Tariff]) -> list[Panel]:
    """Every panel with a curve; a scenario that adds no point to the one before it is left out."""
    panels: list[Panel] = []
    for question, scenario in _questions(study, points, catalog):
        panel = _panel(study, catalog, points, question, scenario, prices)
        if panel and not (panels and panels[-1].title == panel.title and panels[-1].points.equals(panel.points)):
            panels.append(panel)
    return panels


def _panel(
    study: Study,
    catalog: Catalog,
    points: pl.DataFrame,
    question: Selection,
    scenario: ServingFilter,
    prices: list[Tariff],
) -> Panel | None:
    rows = question.select(points)
    by_axis: dict[Axis, tuple[Curve, ...]] = {axis: tuple(curves(rows, axis)) for axis in AXES}
    if not any(by_axis.values()):
        return None
    fields = {axis: curve_grid(list(by_axis[axis])) for axis in AXES}
    of_question = points.filter(question.of_model() & question.of_serving())
    return Panel(
        question,
        catalog.models.title(question.model),
        catalog.workload(catalog.workload_at(question.isl, question.osl)).name,
        scenario,
        rows,
        of_question.filter(pl.col("suspicious").is_not_null()),
        by_axis,
        fields,
        tuple(v for axis in AXES for v in _verdicts(study, points, question, axis, by_axis[axis], prices)),
        tuple(b for axis in AXES for b in _break_even(study, fields[axis], axis)),
    )


def _gaps(study: Study, panels: list[Panel], catalog: Catalog) -> tuple[tuple[str, str], ...]:
    """What the catalog's workloads lack; lengths that only the user's own points have are no gap elsewhere."""
    have = {(p.question.model, catalog.workload_at(p.question.isl, p.question.osl)) for p in panels}
    asked = [w for w in study.workloads if w in catalog.workloads]
    return tuple((m, w) for m in study.models if m in catalog.models for w in asked if (m, w) not in have)


def _verdicts(
    study: Study,
    points: pl.DataFrame,
    question: Selection,
    axis: Axis,
    of_axis: tuple[Curve, ...],
    prices: list[Tariff],
) -> list[Verdict]:
    """The verdict of one axis under each tariff; what does not depend on money is found once."""
    asked = study.accelerators
    absent = absences(points, question, of_axis, axis, asked)
    marks = []
    for value in study.e2e_s if axis == "e2e" else study.interactivity_tok_s:
        latency_s = to_axis(value, axis)
        if found := candidates(of_axis, latency_s):
            marks.append((value, found, no_data(absent, of_axis, axis, latency_s, asked)))
    verdicts = []
    for price in prices:
        priced = curve_grid(list(of_axis), price.tokens_per_usd_weight)
        at_marks = tuple(
            Comparison(
                axis,
                v,
                price,
                rank(found, price, study.serving_load),
                why,
                better_before(of_axis, to_axis(v, axis), price.tokens_per_usd_weight),
            )
            for v, found, why in marks
        )
        verdicts.append(Verdict(axis, price, tuple(segments(priced)), tuple(crossovers(priced)), at_marks))
    return verdicts


def _break_even(study: Study, grid: CurveGrid, axis: Axis) -> list[BreakEven]:
    found = []
    for name in grid.names:
        if name == study.reference:
            continue
        whole = break_even(grid, axis, name, study.reference, study.reference_rent_usd)
        step = max(1, len(whole.latency_s) // BREAK_EVEN_SAMPLES)
        if whole.latency_s:
            found.append(whole.every(step))
    return found
