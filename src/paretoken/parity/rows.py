"""The file of a scan: a snapshot line, one line for each step of CI, one for each test file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import orjson
from pydantic import Field

from paretoken.errors import BadFile, CannotWrite, quoted
from paretoken.plain_files import as_type, read_bytes

Json: TypeAlias = Any
"""What a stranger's document holds; it is checked where it is read."""
Count = Annotated[int, Field(ge=0, le=10**6)]
VERSION = 1
NVIDIA, AMD = "nvidia", "amd"
VENDORS = (NVIDIA, AMD)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of CI: which files it tests on which device, and what its failure does.

    `trigger` is gate (on every change), optin, nightly, weekly, or unknown where nothing in the tree runs the step;
    `blocking` is hard, soft or unknown. `gpus` counts devices, which are slices of one where `gpu_model` says so.
    `key` and `source_file` are shared by the steps of both vendors that mirror each other. `est_s` is the project's
    own estimate, None where it gives none.
    """

    engine: str
    snapshot_commit: str
    snapshot_date: str
    source_file: str
    key: str
    label: str
    area: str
    vendor: str
    device_label: str
    gpu_model: str
    gpus: Count
    shards: Count
    est_s: float | None
    trigger: str
    blocking: str
    disabled_reason: str | None
    files: tuple[str, ...]
    unresolved: tuple[str, ...]

    @property
    def live(self) -> bool:
        return self.disabled_reason is None

    @property
    def runs(self) -> bool:
        """Whether something in the tree runs it."""
        return self.live and self.trigger != "unknown"

    @property
    def gates(self) -> bool:
        """Whether a failure keeps a change from being merged."""
        return self.live and self.trigger == "gate" and self.blocking == "hard"

    @property
    def slice(self) -> bool:
        return "slice" in self.gpu_model

    @property
    def pair(self) -> tuple[str, str]:
        """What a step and its mirror share."""
        return self.source_file, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCount:
    """The test functions of one file: all, and those not certainly skipped on each vendor, and on either.

    `unknown_…` of those that remain have a skip condition that cannot be decided without running it.
    """

    path: str
    functions: Count
    nvidia: Count
    amd: Count
    both: Count
    unknown_nvidia: Count
    unknown_amd: Count
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSnapshot:
    """What was scanned, and under which rules."""

    engine: str
    version: str
    commit: str
    date: str
    layout: str
    policy: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    schema_version: int = VERSION


@dataclass(frozen=True, slots=True)
class Scan:
    """One source tree: its steps of CI and the test files that they run."""

    snapshot: ScanSnapshot
    rows: tuple[StepRow, ...]
    files: tuple[FileCount, ...]

    def of(self, vendor: str) -> list[StepRow]:
        return [r for r in self.rows if r.vendor == vendor]


Record: TypeAlias = ScanSnapshot | StepRow | FileCount
_KINDS: dict[str, type[Record]] = {"snapshot": ScanSnapshot, "row": StepRow, "file": FileCount}


def write_scan(scan: Scan, out: Path) -> None:
    """Write the scan as JSON lines, each with its `record`."""
    records: list[tuple[str, Record]] = [("snapshot", scan.snapshot)]
    records += [*(("row", r) for r in scan.rows), *(("file", f) for f in scan.files)]
    lines = (orjson.dumps({"record": kind, **asdict(value)}) for kind, value in records)
    try:
        out.write_bytes(b"\n".join(lines) + b"\n")
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}; give another file") from e


def read_scan(path: Path) -> Scan:
    """Read what `write_scan` wrote; BadFile names the first line that is not valid."""
    lines = enumerate(read_bytes(path).splitlines(), start=1)
    records = [_record(line, f"{path}: line {number}") for number, line in lines if line.strip()]
    snapshots = [r for r in records if isinstance(r, ScanSnapshot)]
    if len(snapshots) != 1:
        raise BadFile(f"{path} is not a scan; give a file that `paretoken parity scan` wrote")
    rows = tuple(r for r in records if isinstance(r, StepRow))
    return Scan(snapshots[0], rows, tuple(r for r in records if isinstance(r, FileCount)))


def _record(line: bytes, where: str) -> Record:
    try:
        raw: dict[str, Json] = orjson.loads(line)
        kind = raw.pop("record")
        of = _KINDS[kind]
    except (orjson.JSONDecodeError, KeyError, AttributeError, TypeError) as e:
        raise BadFile(f"{where} is not a line that `paretoken parity scan` writes") from e
    if kind == "snapshot" and raw.get("schema_version") != VERSION:
        raise BadFile(f"{where} has schema version {quoted(raw.get('schema_version'))}; this paretoken reads {VERSION}")
    names = {f.name for f in fields(of)}
    if stray := sorted(set(raw) ^ names):
        raise BadFile(f"{where} lacks or adds {', '.join(stray)[:200]}; scan the tree again")
    return as_type(of, raw, where, "scan the tree again")
