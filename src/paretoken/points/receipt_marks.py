"""Marks of verified points: which figures `paretoken verify` recomputed from request records on this machine.

A mark is a file of the user's own data folder, named after the hash of the run's receipt. It holds a fingerprint of
the figures of each verified point. A point that is read carries the receipt's hash where its figures have one of these
fingerprints, whatever file it is read from, and whatever that file itself says: a changed figure loses the mark, and a
file of someone else brings none. The figures were recomputed when the mark was written; a read compares them.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import orjson
import polars as pl

from paretoken.errors import BadFile, CannotWrite
from paretoken.plain_files import as_type, read_json
from paretoken.points.bundles import data_folder
from paretoken.points.schema import CONFIGURATION, STORED
from paretoken.user_folders import is_private_file, private_folder

MOST_MARKS = 10_000
"""Marks that are read."""
_NAME = re.compile(r"[0-9a-f]{64}\.json")
UNSTATED = "unknown"
LABELS = tuple(name for name in CONFIGURATION if name != "n_gpus")
"""What a user states of a point; a label that the run left open may be filled in later."""
_BESIDE = ("source", "source_ref", "licence", "date", "notes", "receipt", "engine_version", "model_variant")
_OF_CAMPAIGN = ("avg_power_w", "joules_per_output_token")
"""Figures from elsewhere than the records."""
FIGURES = tuple(c.name for c in STORED if c.name not in (*LABELS, *_BESIDE, *_OF_CAMPAIGN))
"""What a fingerprint is of: the load, the lengths, the GPU count and every figure."""
Label = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPoint:
    """A verified point: the fingerprint of its figures, and its labels that are stated."""

    figures: str
    labels: dict[str, Label]

    def is_of(self, point: Mapping[str, object]) -> bool:
        """Whether a point with these figures contradicts no label."""
        return all(point.get(name) in (None, UNSTATED, label) for name, label in self.labels.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptMark:
    """One verified run. `receipt` is the hash of its receipt, `verified` when and `by` with which version."""

    receipt: str
    verified: str
    by: str
    run: str
    points: tuple[MarkedPoint, ...]


def marks_folder() -> Path:
    """The folder of the marks; it need not exist."""
    return data_folder() / "receipts"


def write_mark(receipt: str, points: Iterable[Mapping[str, object]], *, run: str, by: str) -> Path:
    """Mark points of a verified run; the file of the mark."""
    marked = tuple(MarkedPoint(figures=fingerprint(point), labels=_labels(point)) for point in points)
    mark = ReceiptMark(receipt=receipt, verified=time.strftime("%Y-%m-%dT%H:%M:%S%z"), by=by, run=run, points=marked)
    folder = marks_folder()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        private_folder(folder)
        partial = folder / f".{receipt}.part"
        partial.write_bytes(orjson.dumps(asdict(mark), option=orjson.OPT_INDENT_2))
        partial.replace(folder / f"{receipt}.json")
    except OSError as e:
        raise CannotWrite(f"{folder} cannot be written: {e.strerror or e}; set PARETOKEN_DATA to another folder") from e
    return folder / f"{receipt}.json"


def with_receipts(points: pl.DataFrame) -> pl.DataFrame:
    """Stored points with `receipt` where their figures were verified on this machine, and null elsewhere."""
    marked = _marked(marks_folder(), _changed())
    if not marked:
        return points.with_columns(pl.lit(None, pl.String).alias("receipt"))
    hashes = [_receipt(row, marked.get(fingerprint(row), ())) for row in points.iter_rows(named=True)]
    return points.with_columns(pl.Series("receipt", hashes, pl.String))


def fingerprint(point: Mapping[str, object]) -> str:
    """The SHA-256 of a point's figures, as typed by the schema."""
    return hashlib.sha256(orjson.dumps([_typed(c.kind, point.get(c.name)) for c in _COLUMNS])).hexdigest()


_COLUMNS = tuple(c for c in STORED if c.name in FIGURES)


def _typed(kind: str, value: object) -> object:
    return float(value) if kind == "float" and isinstance(value, int) and not isinstance(value, bool) else value


def _labels(point: Mapping[str, object]) -> dict[str, Label]:
    values = ((name, point.get(name)) for name in LABELS)
    return {name: value for name, value in values if isinstance(value, (str, int, float)) and value != UNSTATED}


def _receipt(point: Mapping[str, object], marks: Sequence[tuple[MarkedPoint, str]]) -> str | None:
    return next((receipt for mark, receipt in marks if mark.is_of(point)), None)


def _changed() -> int:
    """When the folder of the marks last changed, 0 without one."""
    with suppress(OSError):
        return marks_folder().stat().st_mtime_ns
    return 0


@lru_cache(maxsize=2)
def _marked(folder: Path, _changed_ns: int) -> dict[str, list[tuple[MarkedPoint, str]]]:
    """The verified points with the hashes of their receipts, by fingerprint."""
    if not folder.is_dir():
        return {}
    files = sorted(f for f in folder.iterdir() if _NAME.fullmatch(f.name) and is_private_file(f))
    marked: dict[str, list[tuple[MarkedPoint, str]]] = {}
    for file in files[:MOST_MARKS]:
        with suppress(BadFile):  # a damaged mark marks nothing
            mark = as_type(ReceiptMark, read_json(file), file)
            for point in mark.points:
                marked.setdefault(point.figures, []).append((point, mark.receipt))
    return marked
