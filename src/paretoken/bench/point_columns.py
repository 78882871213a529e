"""The columns of operating points that a run knows before its load: what is served, by what, and the workload."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from paretoken.bench.config import BenchConfig
from paretoken.bench.probe import ProbedServer
from paretoken.bench.workload.lengths import Length, RequestLengths
from paretoken.catalog.names import precision_of
from paretoken.emulated import EMULATED, unmarked
from paretoken.sessions.graph import SessionTrace
from paretoken.sessions.label import trace_label, workload_label

if TYPE_CHECKING:
    from paretoken.catalog.loader import Catalog
    from paretoken.catalog.session_workload import SessionWorkload


def point_columns(
    config: BenchConfig,
    catalog: Catalog,
    servers: Sequence[ProbedServer],
    model: str,
    shape: RequestLengths,
    configuration: Mapping[str, object],
) -> dict[str, object]:
    """The columns of the operating points that the run itself knows."""
    server = servers[0]
    model_name = config.catalog_model or unmarked(model)
    engine = config.engine or (config.dialect or server.dialect)
    columns: dict[str, object] = {
        "origin": EMULATED if any(s.emulated for s in servers) else "measured",
        "accelerator": catalog.accelerators.id_of(config.accelerator)
        if config.accelerator in catalog.accelerators
        else config.accelerator,
        "model": catalog.models.id_of(model_name) if model_name in catalog.models else model_name,
        "model_variant": model,
        "precision": config.precision or precision_of(config.catalog_model or model),
        "engine": catalog.engines.id_of(engine) if engine in catalog.engines else engine,
        "engine_version": server.version,
        "tp": config.tp,
        "date": time.strftime("%Y-%m-%d"),
        "disaggregated": False,
        "multinode": False,
        **configuration,
    }
    of_sessions = config.workload and catalog.session_workload(config.workload) is not None
    if not config.trace and not of_sessions:
        columns |= {"isl": _nominal(shape.isl)} | ({} if config.api == "embeddings" else {"osl": _nominal(shape.osl)})
    return {k: v for k, v in columns.items() if v is not None}


def sessions_label(
    config: BenchConfig,
    catalog: Catalog,
    workload: SessionWorkload | None,
    server: ProbedServer,
    sessions: SessionTrace | None,
) -> str | None:
    """The name and hash of the sessions in operating points; None where the run has none."""
    if sessions is None or workload is None:
        return None if sessions is None else trace_label(sessions)
    key = catalog.any_workload_id(config.workload or "")
    return workload_label(
        key,
        workload,
        server.max_context,
        sessions.longest_tokens,
        sessions=config.sessions,
        seed=config.session_seed,
    )


def _nominal(length: Length) -> int:
    """The nominal length: of a uniform ratio its upper end, as InferenceX names it; else the mean."""
    nominal: int | None = getattr(length, "nominal", None)
    return nominal or round(length.mean)
