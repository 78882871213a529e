"""Coverage over time: one entry for each scanned release, ratios with the counts behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import orjson

from paretoken.errors import BadFile, CannotWrite
from paretoken.parity.measure import Coverage, measure_coverage
from paretoken.parity.rows import Json, Scan

VERSION = 1
SHIPPED = Path(__file__).parent / "data" / "history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageCounts:
    """The counts of one area of one release, and their ratios (None where NVIDIA has nothing there)."""

    area: str
    steps_nvidia: int
    steps_amd: int
    gate_steps_nvidia: int
    gate_steps_amd: int
    gate_steps_amd_unknown: int
    gate_steps_paired: int
    files_nvidia: int
    files_amd: int
    files_both: int
    gate_files_nvidia: int
    gate_files_both: int
    functions_nvidia: int
    functions_both: int
    functions_unknown: int
    amd_only: int
    disabled: int
    gpus_nvidia: int
    gpus_amd: int
    slices_nvidia: int
    slices_amd: int
    any: float | None
    gate: float | None
    gating_parity: float | None
    functions: float | None
    steps_nvidia_unknown: int = 0
    steps_amd_unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One release of one engine; `total` is the whole tree, `subjects` the same by what the tests are about."""

    engine: str
    version: str
    commit: str
    date: str
    layout: str
    policy: tuple[str, ...]
    notes: tuple[str, ...]
    total: CoverageCounts
    subjects: tuple[CoverageCounts, ...]
    disabled: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """`made` is the date on which it was computed, `source` where the trees came from."""

    made: str
    source: str
    entries: tuple[HistoryEntry, ...]


def entry(scan: Scan) -> HistoryEntry:
    """The entry of a scan. `disabled` has (vendor, label, reason) of each step that is commented out."""
    *subjects, total = measure_coverage(scan, "subject")
    s = scan.snapshot
    return HistoryEntry(
        engine=s.engine,
        version=s.version,
        commit=s.commit,
        date=s.date,
        layout=s.layout,
        policy=s.policy,
        notes=s.notes,
        total=_counts(total),
        subjects=tuple(map(_counts, subjects)),
        disabled=total.disabled,
    )


def history(scans: Iterable[Scan], *, made: str, source: str) -> History:
    """The entries of scans in order of engine and date."""
    return History(made, source, tuple(sorted(map(entry, scans), key=lambda e: (e.engine, e.date, e.version))))


def write_history(series: History, out: Path) -> None:
    """Write a history as JSON."""
    document = {"schema_version": VERSION, **asdict(series)}
    try:
        out.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}; give another file") from e


@cache
def shipped_history() -> History:
    """The history that comes with paretoken."""
    return read_history(SHIPPED)


def read_history(path: Path) -> History:
    """Read what `write_history` wrote."""
    try:
        raw = orjson.loads(path.read_bytes())
        if raw["schema_version"] != VERSION:
            raise BadFile(f"{path} has schema version {raw['schema_version']}; this paretoken reads {VERSION}")
        return History(raw["made"], raw["source"], tuple(map(_entry, raw["entries"])))
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    except (orjson.JSONDecodeError, KeyError, TypeError) as e:
        raise BadFile(f"{path} is not a history; give a file that `paretoken parity history --out` wrote") from e


def _counts(c: Coverage) -> CoverageCounts:
    sums: dict[str, int] = {
        "amd_only": len(c.amd_only),
        "disabled": len(c.disabled),
        "gpus_nvidia": c.slots_nvidia.whole,
        "gpus_amd": c.slots_amd.whole,
        "slices_nvidia": c.slots_nvidia.slices,
        "slices_amd": c.slots_amd.slices,
    }
    values: dict[str, Json] = {
        f.name: sums[f.name] if f.name in sums else getattr(c, f.name) for f in fields(CoverageCounts)
    }
    return CoverageCounts(**values)


def _entry(raw: Json) -> HistoryEntry:
    nested = {
        "total": CoverageCounts(**raw["total"]),
        "subjects": tuple(CoverageCounts(**p) for p in raw["subjects"]),
        "policy": tuple(raw["policy"]),
        "notes": tuple(raw["notes"]),
        "disabled": tuple(map(tuple, raw["disabled"])),
    }
    return HistoryEntry(**{**raw, **nested})
