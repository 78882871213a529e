"""Operating points from files of any known format, and from the package itself.

Own points whose run failed its accuracy gate are read, and flagged, so that no frontier holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

import polars as pl

from paretoken.accuracy.gate_file import gate_of_run
from paretoken.accuracy.verdicts import FAIL
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import FILE, BadConfig, BadRows, NoData, ParetokenError, RowError
from paretoken.points.as_of import nothing_until, rows_until
from paretoken.points.bundles import SHIPPED, Bundle, chosen, rows_of
from paretoken.points.check import contradictions
from paretoken.points.files import own_reader, point_files, read_bytes
from paretoken.points.ladders import as_ladders
from paretoken.points.naming import Values, checked_values, filled
from paretoken.points.published import prepare, published_points
from paretoken.points.receipt_marks import with_receipts

FAILED_GATE = "accuracy"
"""The rule under which the points of a run that failed its gate are flagged."""


def load_points(
    files: Iterable[Path | str] = (),
    *,
    published: bool = True,
    bundles: Iterable[str] = (),
    as_of: date | None = None,
    catalog: Catalog | None = None,
) -> pl.DataFrame:
    """The points of the bundles, if `published`, and those of the files, with derived columns; NoData if neither.

    `bundles` names the bundles; without it all are read, the shipped and the installed ones. Only rows of runs
    that had ended by `as_of` are kept.
    """
    catalog, paths, named = catalog or load_catalog(), point_files(Path(f) for f in files), tuple(bundles)
    if named and not published:
        raise BadConfig("--bundle names bundles and --no-published leaves all of them out; give one of the two")
    used = tuple(chosen(named)) if published else ()
    failed = [p for p in paths if (gate := gate_of_run(p.parent)) and gate.verdict == FAIL]
    passed = [p for p in paths if p not in failed]
    own = [import_files(passed, catalog=catalog)[0]] if passed else []
    if failed:
        own.append(import_files(failed, catalog=catalog)[0].with_columns(suspicious=pl.lit(FAILED_GATE)))
    if not used and not own:
        raise NoData("no points selected; leave out --no-published, or add --points FILE")
    bundled = [bundled_points(used, as_of)] if used else []
    points = pl.concat([*bundled, *(rows_until(table, as_of) for table in own)])
    if as_of and points.is_empty():
        raise nothing_until(as_of, [rows_of(used), *own] if used else own)
    return points


@lru_cache(maxsize=4)
def bundled_points(bundles: tuple[Bundle, ...], as_of: date | None = None) -> pl.DataFrame:
    """The rows of bundles, the newest first, prepared as one table of what was there on a day."""
    if as_of is None and [b.name for b in bundles] == [SHIPPED]:
        return published_points()
    return prepare(rows_until(rows_of(bundles), as_of))


def gates_beside(points: Sequence[Path]) -> list[Path]:
    """The verdicts of the accuracy gate that lie in the runs whose points are values."""
    return [p.parent / "gate.json" for p in point_files(points) if gate_of_run(p.parent)]


def import_files(
    paths: Iterable[Path | str], *, catalog: Catalog, values: Values | None = None, keep_going: bool = False
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of several files and run folders in one prepared table, and the errors of all of them.

    With `keep_going` a file that cannot be read is an error like a row; only where no point of any file is left it
    raises.
    """
    tables: list[pl.DataFrame] = []
    errors: list[RowError] = []
    for path in paths:
        try:
            points, faults = import_file(path, catalog=catalog, values=values or {}, keep_going=keep_going)
        except ParetokenError as e:
            if not keep_going:
                raise
            errors.append(RowError(str(path), 0, FILE, "", str(e)))
            continue
        tables.append(points)
        errors += faults
    if errors and not any(table.height for table in tables):
        raise BadRows(errors, remedy="no operating point is left")
    return prepare(as_ladders(pl.concat(tables))), errors


def import_file(
    path: Path | str, *, catalog: Catalog, values: Mapping[str, str | int | float | None], keep_going: bool = False
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of a result file of any known format, and an error for each entry left out.

    A folder of `paretoken bench` or `paretoken campaign` is read as its points. `values` fills columns that the file
    does not state and must not contradict it. Without `keep_going` any bad entry raises BadRows. A name that the
    catalog lacks stays as it is, unless it looks like a slip in a known one: UnknownName.
    """
    checked = checked_values(values, catalog)
    read = [_import(file, catalog, checked, keep_going) for file in point_files([Path(path)])]
    return pl.concat(points for points, _ in read), [error for _, errors in read for error in errors]


def _import(file: Path, catalog: Catalog, values: Values, keep_going: bool) -> tuple[pl.DataFrame, list[RowError]]:
    data = b"" if file.is_dir() else read_bytes(file)
    own = own_reader(data)
    if own is None:
        from paretoken.points.importers import read_foreign  # a module for each format, which only a foreign file needs

        return read_foreign(file, data, catalog, values, keep_going=keep_going)
    points, errors = own(data, str(file), keep_going)
    points = filled(with_receipts(points), str(file), catalog, values)
    if wrong := contradictions(points, str(file)):
        raise BadRows(wrong)
    return points, errors
