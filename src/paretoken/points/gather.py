"""Own points whose run failed its accuracy gate: they are read, and flagged, so that no frontier holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from paretoken.accuracy.gate import gate_of_run
from paretoken.accuracy.verdicts import FAIL
from paretoken.catalog.loader import Catalog
from paretoken.points import importers

RULE = "accuracy"


def gates_beside(points: Sequence[Path]) -> list[Path]:
    """The verdicts that hang on the runs whose points are given."""
    return [p.parent / "gate.json" for p in points if gate_of_run(p.parent)]


def gather(files: Iterable[Path | str], *, published: bool, catalog: Catalog) -> pl.DataFrame:
    """The points asked for. Those of a run that failed its gate are flagged as suspicious under the rule `accuracy`."""
    points = [Path(f) for f in files]
    failed = [p for p in points if (gate := gate_of_run(p.parent)) and gate.verdict == FAIL]
    if not failed:
        return importers.gather(points, published=published, catalog=catalog)
    rest = [p for p in points if p not in failed]
    wrong = importers.gather(failed, published=False, catalog=catalog).with_columns(suspicious=pl.lit(RULE))
    if not rest and not published:
        return wrong
    return pl.concat([importers.gather(rest, published=published, catalog=catalog), wrong])
