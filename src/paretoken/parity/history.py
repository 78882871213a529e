"""Coverage over time: one entry for each scanned release, ratios with the counts behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, NotRequired

import orjson
from pydantic import BeforeValidator, ConfigDict, with_config
from typing_extensions import TypedDict

from paretoken.errors import BadFile, CannotWrite, UnknownName, quoted
from paretoken.parity.measure import Coverage, measure_coverage
from paretoken.parity.rows import Json, Scan
from paretoken.plain_files import as_type, read_versioned

VERSION = 2
"""Version 1 has the counts of an area as an object, version 2 as a list in the order of `columns`."""
MOST = 10**9
"""No count is as large."""
SHIPPED = Path(__file__).parent / "data" / "history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageCounts:
    """The counts of one area of one release, and their ratios (None where NVIDIA has nothing there).

    `steps_…_unknown` are steps that nothing in the tree runs; no other count has them.
    """

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

    @property
    def name(self) -> str:
        """The release, or the start of the commit where the tree is of none."""
        return self.version or self.commit[:10]

    @property
    def moving(self) -> bool:
        """Whether the tree holds two layouts of CI at once; its first note has the counts of each."""
        return "+" in self.layout


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSource:
    """Where the trees of one engine came from, under which licence, and when its entries were computed."""

    engine: str
    source: str
    licence: str
    made: str


@dataclass(frozen=True, slots=True)
class History:
    """`made` is the date on which it was computed, `source` where the trees came from; `sources` by engine."""

    made: str
    source: str
    entries: tuple[HistoryEntry, ...]
    sources: tuple[EngineSource, ...] = ()

    def of(self, engine: str) -> History:
        """The entries of one engine; UnknownName if there is none."""
        if engine not in self.engines:
            raise UnknownName("engine", engine, list(self.engines))
        entries = tuple(e for e in self.entries if e.engine == engine)
        return replace(self, entries=entries, sources=tuple(s for s in self.sources if s.engine == engine))

    @property
    def engines(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(e.engine for e in self.entries))


@with_config(ConfigDict(extra="allow"))
class _RawEntry(TypedDict):
    """An entry before its counts are named."""

    total: Json
    subjects: list[Json]


class _HistoryFile(TypedDict):
    made: str
    source: str
    entries: list[_RawEntry]
    columns: NotRequired[tuple[str, ...]]
    sources: NotRequired[tuple[EngineSource, ...]]


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
    """Write a history as JSON, one line for each entry; ratios are left out, since the counts give them."""
    head = {"schema_version": VERSION, **asdict(replace(series, entries=())), "columns": _COLUMNS}
    del head["entries"]
    lines = b",\n".join(orjson.dumps(_document(e)) for e in series.entries)
    try:
        out.write_bytes(orjson.dumps(head)[:-1] + b',"entries":[\n' + lines + b"\n]}\n")
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}; give another file") from e


@cache
def shipped_history() -> History:
    """The history that comes with paretoken."""
    return read_history(SHIPPED)


def read_history(path: Path) -> History:
    """Read what `write_history` wrote."""
    remedy = "is not a history; give a file that 'paretoken parity history --out' wrote"
    raw = read_versioned(path, (1, VERSION), remedy)
    file = as_type(_HistoryFile, raw, path)
    columns, sources = file.get("columns", ()), file.get("sources", ())
    entries = tuple(_entry(e, columns, f"{path}: entries.{n}") for n, e in enumerate(file["entries"]))
    return History(file["made"], file["source"], entries, sources)


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


_RATIOS = {
    "any": ("files_both", "files_nvidia"),
    "gate": ("gate_files_both", "gate_files_nvidia"),
    "gating_parity": ("gate_steps_paired", "gate_steps_nvidia"),
    "functions": ("functions_both", "functions_nvidia"),
}
_COLUMNS = [f.name for f in fields(CoverageCounts) if f.name not in _RATIOS]


def _document(e: HistoryEntry) -> dict[str, Json]:
    total, *subjects = ([getattr(c, name) for name in _COLUMNS] for c in (e.total, *e.subjects))
    return {**asdict(replace(e, subjects=())), "total": total, "subjects": subjects}


def _read_counts(raw: Json, columns: Sequence[str], where: str) -> dict[str, Json]:
    named = dict(zip(columns, raw, strict=False)) if isinstance(raw, list) else raw
    if not isinstance(named, dict):
        raise BadFile(f"{where}: {quoted(named)} holds no counts; was it edited by hand?")
    stored = {name: value for name, value in named.items() if name not in _RATIOS}
    values = as_type(dict[str, Annotated[Json, BeforeValidator(_plain_count)]], stored, where)
    lacking = next((n for pair in _RATIOS.values() for n in pair if not isinstance(values.get(n), int)), None)
    if lacking:
        raise BadFile(f"{where}: {lacking} is missing; was it edited by hand?")
    ratios = {name: values[part] / values[whole] if values[whole] else None for name, (part, whole) in _RATIOS.items()}
    return values | ratios


def _day(text: str, where: str) -> None:
    """BadFile for what is no date of a release."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2010 <= day.year < 2100:
        raise BadFile(f"{where}.date: {quoted(text)} is not a date like 2026-11-30; was it edited by hand?")


def _plain_count(value: object) -> object:
    """A name, or a count of at most a billion."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
        return value
    raise ValueError(f"{quoted(value)} is not a count")


def _entry(raw: _RawEntry, columns: Sequence[str], where: str) -> HistoryEntry:
    nested = {
        "total": _read_counts(raw["total"], columns, f"{where}.total"),
        "subjects": [_read_counts(p, columns, f"{where}.subjects") for p in raw["subjects"]],
    }
    entry = as_type(HistoryEntry, {**raw, **nested}, where)
    _day(entry.date, where)
    return entry
