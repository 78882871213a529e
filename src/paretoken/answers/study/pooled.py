"""The disaggregated frontiers that a study predicts, beside aggregated ones and the study's own points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product

import polars as pl

from paretoken.answers.pool_frontiers import PoolFrontiers, search_frontiers
from paretoken.answers.pool_rivals import Serving, measured_frontiers
from paretoken.answers.pool_search import PoolSearchQuestion, search_disaggregated
from paretoken.answers.prediction import PredictionData
from paretoken.answers.study.config import Predicted
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.pools.engines import pool_engine


@dataclass(frozen=True, kw_only=True)
class PooledCell:
    """One model on one accelerator under one workload; `frontiers` is None where `why_not` says why."""

    model: str
    precision: str
    workload: str
    isl: int
    osl: int
    accelerator: str
    engine: str | None
    frontiers: PoolFrontiers | None
    why_not: str | None = None


def pooled_cells(points: pl.DataFrame, config: Predicted | None, catalog: Catalog) -> tuple[PooledCell, ...]:
    """A search for each cell of the matrix and each engine that disaggregates there; none unless the study asks."""
    if config is None or config.disaggregated_gpus is None:
        return ()
    data = PredictionData(catalog, shipped_calibration())
    return tuple(_cells(points, config, config.disaggregated_gpus, data))


def pooled_table(cells: tuple[PooledCell, ...]) -> list[dict[str, object]]:
    """The rows of disaggregated.csv: every point of every frontier, predicted or not."""
    return [
        {**_cell_columns(cell), "serving": serving, **_figures(row)}
        for cell in cells
        if cell.frontiers
        for serving, row in _rows(cell.frontiers)
    ]


def _rows(f: PoolFrontiers) -> Iterator[tuple[Serving, dict[str, object]]]:
    yield from (("disaggregated", asdict(r)) for r in f.predicted)
    yield from (("aggregated", asdict(r)) for r in f.aggregated)
    yield from ((r.serving, asdict(r)) for r in f.measured)


_FIGURES = (
    "layout",
    "n_gpus",
    "engine",
    "origin",
    "source",
    "date",
    "concurrency",
    "interactivity_tok_s",
    "total_tput_per_gpu_tok_s",
    "total_tput_per_gpu_tok_s_lo",
    "total_tput_per_gpu_tok_s_hi",
)


def _figures(row: dict[str, object]) -> dict[str, object]:
    new = row.get("new_to_calibration")
    ttft_ms = row.get("median_ttft_ms", row.get("central_ttft_ms"))
    return {name: row.get(name) for name in _FIGURES} | {
        "central_ttft_ms": ttft_ms,
        "new_to_calibration": ", ".join(new) if isinstance(new, list) else None,
    }


def _cell_columns(cell: PooledCell) -> dict[str, object]:
    names = ("model", "precision", "workload", "isl", "osl", "accelerator")
    return {name: getattr(cell, name) for name in names}


def _cells(points: pl.DataFrame, config: Predicted, gpus: int, data: PredictionData) -> Iterator[PooledCell]:
    catalog = data.catalog
    accelerators = [catalog.accelerators.id_of(a) for a in config.accelerators]
    for (model, precision), name, accelerator in product(config.models, config.workloads, accelerators):
        lengths = catalog.workload(name)
        w = catalog.workload(catalog.workload_at(lengths.isl, lengths.osl))
        engines, refusals = _engines(config.engines, accelerator, catalog)
        cell = PooledCell(
            model=catalog.models.id_of(model),
            precision=precision,
            workload=w.name,
            isl=w.isl,
            osl=w.osl,
            accelerator=accelerator,
            engine=None,
            frontiers=None,
            why_not=next(iter(refusals), None),
        )
        if not engines:
            yield cell
        for engine in engines:
            yield _searched(replace(cell, engine=engine, why_not=None), config, gpus, points, data)


def _engines(names: list[str], accelerator: str, catalog: Catalog) -> tuple[list[str], list[str]]:
    """The disaggregated engines of these names on the accelerator, each once; and why others are none."""
    engines, refusals = [], []
    for name in names:
        try:
            engines.append(pool_engine(name, [accelerator], catalog).engine)
        except BadConfig as e:
            refusals.append(str(e))
    return list(dict.fromkeys(engines)), refusals


def _searched(cell: PooledCell, config: Predicted, gpus: int, points: pl.DataFrame, data: PredictionData) -> PooledCell:
    """The cell with its frontiers, or why there are none; BadConfig for limits that are wrong in every cell."""
    question = PoolSearchQuestion(
        accelerator=cell.accelerator,
        model=cell.model,
        precision=cell.precision,
        engine=cell.engine or "",
        isl=cell.isl,
        osl=cell.osl,
        length_range_ratio=config.length_range_ratio,
        gpus=gpus,
        slo=config.disaggregated_slo,
    )
    question.limits()
    try:
        frontiers = search_frontiers(question, search_disaggregated(question, data))
    except (BadConfig, NoData) as e:
        return replace(cell, why_not=str(e))
    _, one = question.worker([cell.accelerator], data.catalog)
    return replace(cell, frontiers=replace(frontiers, measured=measured_frontiers(one, question.lengths, points)))
