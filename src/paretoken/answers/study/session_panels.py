"""The panels of a study's workloads of sessions: predicted points, under plain serving alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from paretoken.answers.points import Data, PointsFields
from paretoken.answers.session_points import SessionCell, of_cells, session_cells
from paretoken.answers.study.config import SERVING_FILTERS, Study
from paretoken.answers.study.panels import panel_of
from paretoken.answers.study.result import Panel
from paretoken.errors import BadConfig, NoData
from paretoken.plan.parallel import Progress
from paretoken.prices.tariff import Tariff

PLAIN = "like-for-like"


def session_panels(
    study: Study, data: Data, prices: Sequence[Tariff], on_progress: Progress | None = None
) -> Iterator[Panel]:
    """A panel for each model, precision and workload of sessions that some accelerator of the study serves."""
    names = [name for name in study.workloads if name in data.catalog.session_workloads]
    for model, precision, name in product(study.models, study.precisions, names):
        cells = _cells(study, data, model, precision)
        try:
            of_sessions = of_cells(data, name, cells, own_catalog=bool(study.catalog), on_progress=on_progress)
        except (BadConfig, NoData):
            continue
        fields = PointsFields(
            model=model,
            precision=precision,
            workload=name,
            serving="single-node",
            speculative="none",
            accelerators=tuple(dict.fromkeys(cell.accelerator for cell in cells)),
            engines=tuple(dict.fromkeys(cell.engine for cell in cells)),
        )
        yield panel_of(study, of_sessions, fields, SERVING_FILTERS[PLAIN], prices)


def _cells(study: Study, data: Data, model: str, precision: str) -> tuple[SessionCell, ...]:
    """The cells with points of the model that the study takes."""
    try:
        cells = session_cells(data.points, data.catalog, model=model, precision=precision)
    except NoData:
        return ()
    return tuple(c for c in cells if c.accelerator in study.accelerators and c.engine in study.engines)
