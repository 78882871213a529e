"""Rows of a CSV of configurations that are disaggregated: those that state anything of their pools.

`tp`, `ep` and `dp_attention` are of a decode worker, `prefill_tp` and so on of a prefill worker. A pool has
`prefill_gpus` or `decode_gpus`; if a column is empty, its workers have the GPUs that TP, or EP, need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, shown
from paretoken.plural import counted
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.csvfile import POOL_COLUMNS, CaseReader, FigureRow, figures_by_catalog
from paretoken.predict.pools.engines import pool_engine
from paretoken.predict.pools.layout import MOST_WORKERS, PooledCase, Pools, decoding, pooled_case, prefilling
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.results import pool_result_rows

Row = Mapping[str, str]


def is_pooled(row: Row) -> bool:
    """Whether a row is disaggregated."""
    return _states_pools(row) or (row.get("disaggregated") or "").strip().lower() in ("true", "1", "yes")


def _states_pools(row: Row) -> bool:
    return any((row.get(name) or "").strip() for name in POOL_COLUMNS)


def predict_pool_rows(rows: Sequence[Row], *, calibration: Calibration, catalog: Catalog) -> list[FigureRow]:
    """The figures and the status of every row: ok, or one sentence that says why its figures are None."""
    reader = CaseReader(catalog)
    return figures_by_catalog(
        rows,
        reader,
        lambda row, of: _case(row, reader, of),
        lambda cases, of: pool_result_rows(predict_pools(cases, calibration=calibration, catalog=of)),
    )


def _case(row: Row, reader: CaseReader, catalog: Catalog) -> PooledCase:
    """The case of a row, whose workers are read as two rows of one pool."""
    if not _states_pools(row):
        raise BadConfig(f"disaggregated is true, but no column states the pools; add {', '.join(POOL_COLUMNS[:5])}")
    accelerators = row["accelerator"].split("+")
    chosen = pool_engine(row["engine"], accelerators, catalog)
    sides = [_worker(row, pool, chosen.core) for pool in ("prefill", "decode")]
    sides[0]["accelerator"], sides[1]["accelerator"] = accelerators[0], accelerators[-1]
    prefill, decode = (reader.case(side) for side in sides)
    pools = Pools(
        engine=chosen.engine,
        prefill=prefilling(prefill.deployment),
        decode=decoding(decode.deployment),
        prefill_workers=_count(row, "prefill_workers"),
        decode_workers=_count(row, "decode_workers"),
    )
    if (stated := row["n_gpus"].strip()) and _count(row, "n_gpus") != pools.gpus:
        raise BadConfig(
            f"n_gpus is {shown(stated)}, but the pools of {pools.layout} have {pools.prefill_gpus} and "
            f"{counted(pools.decode_gpus, 'GPU')}; correct one of them, or leave n_gpus empty"
        )
    return pooled_case(pools, decode.lengths, decode.concurrency, catalog=catalog)


def _worker(row: Row, pool: str, core: str) -> dict[str, str]:
    """One worker of a pool as a row of its own."""
    prefix = "prefill_" if pool == "prefill" else ""
    tp, ep, ranks = (row.get(f"{prefix}{name}") or "" for name in ("tp", "ep", "dp_attention"))
    gpus = max(_count({"tp": tp}, "tp"), _count({"ep": ep}, "ep"))
    if stated := (row.get(f"{pool}_gpus") or "").strip():
        workers, of_pool = _count(row, f"{pool}_workers"), _count(row, f"{pool}_gpus")
        if of_pool % workers:
            raise BadConfig(f"{pool}_gpus is {shown(stated)}, which its {workers} workers cannot share evenly")
        gpus = of_pool // workers
    return {**row, "engine": core, "n_gpus": str(gpus), "tp": tp, "ep": ep, "dp_attention": ranks}


def _count(row: Row, name: str) -> int:
    """A whole number of at least 1; an empty or missing cell is 1."""
    text = (row.get(name) or "").strip()
    try:
        value = float(text or 1)
        if value != int(value) or not 1 <= value <= MOST_WORKERS:
            raise ValueError(text)
    except (ValueError, OverflowError) as e:
        raise BadConfig(f"column {name} holds {shown(text)!r}; write a whole number from 1 to {MOST_WORKERS:,}") from e
    return int(value)
