"""Run a study: points in; for every panel the answers of compare, frontier and cost, and break-even rents, out."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from paretoken.answers.ecosystem import OverviewQuestion, overview
from paretoken.answers.points import Data
from paretoken.answers.study.config import Study, resolved, with_ids
from paretoken.answers.study.economy import economy
from paretoken.answers.study.panels import panels
from paretoken.answers.study.pooled import pooled_cells
from paretoken.answers.study.predicted import with_predictions
from paretoken.answers.study.result import Panel, StudyResult
from paretoken.answers.study.session_panels import session_panels
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData
from paretoken.plan.parallel import Progress
from paretoken.points.derived import little_error
from paretoken.points.load import gates_beside, load_points
from paretoken.points.origins import of_origins
from paretoken.prices.tariff import tariffs, with_prices
from paretoken.version import __version__


def run_study(
    study: Study, catalog: Catalog | None = None, today: date | None = None, on_progress: Progress | None = None
) -> StudyResult:
    """The result of a study. NoData if no operating point answers it.

    Points of workloads of sessions are predicted; `on_progress` gets deployments done, of how many of a panel.
    """
    catalog = catalog or load_catalog(*study.catalog)
    stored = load_points(
        study.points, published=study.published, bundles=study.bundles, as_of=study.as_of, catalog=catalog
    ).filter(of_origins(study.origins))
    points = with_predictions(stored, study.predict, catalog)
    study = resolved(with_ids(study, catalog, points), points, catalog)
    own = study.price_usd_per_gpu_h
    prices = tuple(with_prices(t, own) for t in tariffs(catalog, study.tco, tuple(study.tiers)))
    data = Data(catalog, points)
    drawn = (*panels(study, data, prices), *session_panels(study, data, prices, on_progress))
    if not drawn:
        raise NoData(
            f"study {study.name}: no operating point matches its models, precisions, workloads and accelerators; "
            "'paretoken catalog' lists the names"
        )
    day = today or datetime.now(UTC).date()
    flagged = points.filter(pl.col("suspicious").is_not_null())["suspicious"].value_counts(sort=True)
    return StudyResult(
        study=study,
        catalog=catalog,
        tariffs=prices,
        panels=drawn,
        gaps=_gaps(study, drawn, catalog),
        little_error=little_error(points),
        n_points=points.height,
        n_predicted=points.filter(origin="predicted").height,
        n_flagged=dict(flagged.iter_rows()),
        version=__version__,
        made_on=day.isoformat(),
        pooled=pooled_cells(stored, study.predict, catalog),
        economy=economy(study, data, study.as_of or day),
        ecosystem=overview(OverviewQuestion(gates=(*study.gates, *gates_beside(study.points)))),
    )


def _gaps(study: Study, drawn: tuple[Panel, ...], catalog: Catalog) -> tuple[tuple[str, str], ...]:
    """What the catalog's workloads lack; lengths found only in the user's own points do not count."""
    have = {(p.selection.model, catalog.workload_at(p.selection.isl, p.selection.osl)) for p in drawn}
    workloads = [w for w in study.workloads if w in catalog.workloads]
    return tuple((m, w) for m in study.models if m in catalog.models for w in workloads if (m, w) not in have)
