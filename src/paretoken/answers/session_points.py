"""Predicted points of a workload of sessions, beside the points that a question reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace

import polars as pl

from paretoken.answers.kept_points import KeptPoints, key_of
from paretoken.answers.points import Data, PointsQuestion
from paretoken.answers.session_set import SessionSet
from paretoken.catalog.loader import Catalog
from paretoken.catalog.names import agreed_precision
from paretoken.catalog.session_workload import SessionWorkload
from paretoken.errors import BadConfig, NoData
from paretoken.plan.parallel import Progress, map_all
from paretoken.points.published import prepare
from paretoken.points.schema import of_single_requests
from paretoken.points.selection import one_pool
from paretoken.predict.configure import checked, sizes_that_fit
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.published_settings import published_settings
from paretoken.predict.session_ladder import SampledWorkload, climb, sampled
from paretoken.predict.session_points import SessionPrediction, session_points

RECIPE_USERS = 64.0
"""Sessions are served with the settings of public recipes for this load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCell:
    """What sessions are predicted for: every size of one model, precision, accelerator and engine."""

    model: str
    precision: str
    accelerator: str
    engine: str


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    deployment: Deployment
    workload: SessionWorkload
    context_tokens: int | None
    catalog: Catalog | None  # None is the shipped one


def with_sessions(
    data: Data, question: PointsQuestion, on_progress: Progress | None = None, kept: KeptPoints | None = None
) -> Data:
    """The data with the predicted points of the question's workload of sessions; as it is for any other workload.

    The points are kept in `data`, and in `kept`, so that further questions find them.
    """
    key = data.catalog.session_workloads.find(question.workload) if question.workload else None
    if key is None:
        return data
    if question.isl or question.osl:
        raise BadConfig("give --workload, or --isl and --osl, not both")
    cells = session_cells(
        data.points,
        data.catalog,
        model=question.model,
        precision=question.precision,
        accelerators=question.accelerators,
        engines=question.engines,
    )
    return of_cells(data, key, cells, own_catalog=bool(question.catalog), on_progress=on_progress, kept=kept)


def of_cells(
    data: Data,
    key: str,
    cells: tuple[SessionCell, ...],
    *,
    own_catalog: bool = False,
    on_progress: Progress | None = None,
    kept: KeptPoints | None = None,
) -> Data:
    """The data with the predicted points of a workload of sessions on cells of one model and precision."""
    if (key, cells) not in data.of_sessions:
        made = session_set(key, cells, data.catalog, own_catalog=own_catalog, on_progress=on_progress, kept=kept)
        points = pl.concat([data.points, made.points], how="diagonal_relaxed")
        data.of_sessions[key, cells] = Data(data.catalog, points, made)
    return data.of_sessions[key, cells]


def session_set(
    key: str,
    cells: tuple[SessionCell, ...],
    catalog: Catalog,
    *,
    own_catalog: bool = False,
    processes: int | None = None,
    on_progress: Progress | None = None,
    kept: KeptPoints | None = None,
) -> SessionSet:
    """The points of the workload `key` on cells of one model and precision, simulated on all cores.

    Deployments whose points are in `kept` are not simulated; the points of others get there one by one.
    """
    if not cells:
        raise NoData(f"no accelerator to predict {key} on")
    first = cells[0]
    sample = sampled(catalog.session_workloads.entries[key], catalog.models[first.model].max_context)
    why_not: dict[str, str] = {}
    deployments = [d for cell in cells for d in _deployments(cell, sample, catalog, why_not)]
    if not deployments:
        reasons = "; ".join(f"{name}: {why}" for name, why in why_not.items())
        raise NoData(f"no deployment of {first.model} serves {key}: {reasons}")
    label = sample.label(key)
    own = catalog if own_catalog else None
    jobs = [_Job(d, sample.workload, sample.context_tokens, own) for d in deployments]
    points_of = _simulated(jobs, label, catalog, kept, processes, on_progress)
    served = {d.accelerator for d in deployments}
    return SessionSet(
        workload=key,
        label=label,
        model=first.model,
        precision=first.precision,
        isl=sample.lengths.isl,
        osl=sample.lengths.osl,
        tokens_per_session=sample.tokens_per_session,
        points=prepare(pl.concat([points_of[d] for d in deployments])),
        deployments=tuple(deployments),
        why_not={name: why for name, why in why_not.items() if name not in served},
    )


def _simulated(
    jobs: Sequence[_Job],
    label: str,
    catalog: Catalog,
    kept: KeptPoints | None,
    processes: int | None,
    on_progress: Progress | None,
) -> dict[Deployment, pl.DataFrame]:
    """The points of each deployment: those kept, or simulated; deployments of many GPUs, which take longest, first."""
    keys = {job: _key(job, label) for job in jobs} if kept else {}
    points_of = {job.deployment: p for job in keys if kept and (p := kept.read(keys[job])) is not None}
    missing = sorted((job for job in jobs if job.deployment not in points_of), key=lambda job: -job.deployment.gpus)

    def take(index: int, predictions: list[SessionPrediction]) -> None:
        job = missing[index]
        points_of[job.deployment] = points = session_points(predictions, label, catalog)
        if kept:
            kept.write(keys[job], points)

    if on_progress and missing:
        on_progress(0, len(missing))
    map_all(_climbed, missing, processes=processes, progress=on_progress, on_result=take)
    return points_of


def _key(job: _Job, label: str) -> str:
    return key_of((label, job.context_tokens, *astuple(job.deployment)), job.catalog)


def _climbed(job: _Job) -> list[SessionPrediction]:
    """The ladder of one deployment; a process of its own may run it."""
    return [*climb(job.deployment, sampled(job.workload, job.context_tokens), catalog=job.catalog)]


def _deployments(
    cell: SessionCell, sample: SampledWorkload, catalog: Catalog, why_not: dict[str, str]
) -> Iterator[Deployment]:
    """Every size that has room for the longest call, served as public recipes serve the model."""
    one = Deployment(
        accelerator=cell.accelerator, model=cell.model, precision=cell.precision, engine=cell.engine, gpus=1, tp=1
    )
    lengths = Lengths(max(sample.longest_tokens - 1, 1), 1)
    try:
        sized = sizes_that_fit(
            replace(one, settings=published_settings(one, sample.lengths, RECIPE_USERS)), catalog, lengths=lengths
        )
        for d in sized:
            usual = published_settings(d, sample.lengths, RECIPE_USERS)
            yield checked(replace(d, settings=usual), catalog)
    except BadConfig as e:
        why_not[cell.accelerator] = str(e)


def session_cells(
    points: pl.DataFrame,
    catalog: Catalog,
    *,
    model: str,
    precision: str | None,
    accelerators: tuple[str, ...] = (),
    engines: tuple[str, ...] = (),
) -> tuple[SessionCell, ...]:
    """The accelerators and engines that have points of the model, for these names or all; NoData without any.

    An accelerator that is named but has no points of the model gets those engines that have some and run on it.
    """
    model_id = catalog.models.id_of(model)
    rows = points.filter(pl.col("model") == model_id, of_single_requests(), one_pool().fill_null(False))
    precision = _precision(rows, catalog, model, precision)
    rows = rows.filter(pl.col("precision") == precision)
    pairs = rows.select("accelerator", "engine").unique().sort("accelerator", "engine").rows()
    of_model = sorted({engine for _, engine in pairs} or {"vllm"})
    chosen = [catalog.accelerators.id_of(name) for name in accelerators]
    pairs += [(a, e) for a in chosen if a not in {name for name, _ in pairs} for e in of_model]
    only = {catalog.engines.id_of(name) for name in engines}
    cells = [
        SessionCell(model=model_id, precision=precision, accelerator=a, engine=e)
        for a, e in sorted(pairs, key=lambda pair: (catalog.accelerators.place(pair[0]), pair[1]))
        if (not chosen or a in chosen) and (not only or e in only) and _runs(a, e, catalog)
    ]
    if not cells:
        raise NoData(
            f"no accelerator and engine to predict {model_id} {precision} on; name both with --accelerator and --engine"
        )
    return tuple(cells)


def _runs(accelerator: str, engine: str, catalog: Catalog) -> bool:
    """Whether the catalog has both, the engine serves in one pool, and it runs on the vendor's accelerators."""
    if accelerator not in catalog.accelerators.entries or engine not in catalog.engines.entries:
        return False
    entry = catalog.engines.entries[engine]
    return not entry.disaggregated and catalog.accelerators.entries[accelerator].vendor in entry.vendors


def _precision(rows: pl.DataFrame, catalog: Catalog, model: str, precision: str | None) -> str:
    """The precision of the question, or the only one that the points have; else the model's own."""
    stated = agreed_precision(model, precision)
    precisions = sorted(p for p in rows["precision"].unique() if p is not None)
    if stated or len(precisions) == 1:
        return stated or str(precisions[0])
    if precisions:
        raise BadConfig(f"{rows['model'][0]} has points in {', '.join(precisions)}; choose one with --precision")
    return catalog.models[model].native_precision
