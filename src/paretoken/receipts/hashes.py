"""The hashes of a run's receipts against its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from paretoken.bench.receipt import RECEIPT, FileHash, LevelReceipt, RunReceipt, hash_of, own_hash, sha256_of
from paretoken.errors import BadFile
from paretoken.plain_files import read_bytes
from paretoken.receipts.sealed_files import is_plain, run_file, run_paths


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """A file that is not what a receipt says. `actual` is its hash, or its size where that differs already;
    empty where it is missing or a link."""

    path: str
    fault: Literal["changed", "missing", "link", "not listed"]
    recorded: str = ""
    actual: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HashCheck:
    """What the receipts of a run say. `receipt` is the hash of the run's own, None without one.

    `files` and `bytes` are what was hashed; `without` are levels that have no receipt.
    """

    receipt: str | None = None
    written: str = ""
    tools: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    faults: tuple[FileFault, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every file has a hash, and is what it says."""
        return self.receipt is not None and not self.faults and not self.without

    def concerns(self, level: str) -> bool:
        """Whether a file of a level is at fault."""
        return any(fault.path.startswith(f"levels/{level}/") for fault in self.faults)


def check_hashes(run: Path, finished: Iterable[str]) -> HashCheck:
    """The hashes of a run whose finished levels have these names; BadFile for a receipt that cannot be read."""
    levels = list(finished)
    if not (run / RECEIPT).is_file():
        return HashCheck(without=tuple(levels))
    content = read_bytes(run / RECEIPT)
    stated, actual = own_hash(content, run / RECEIPT)
    receipt = RunReceipt.read(run / RECEIPT)
    without = tuple(name for name in receipt.without if name in levels)
    faults = [FileFault(path=RECEIPT, fault="changed", recorded=stated, actual=actual)] if stated != actual else []
    listed = [*receipt.files, *receipt.levels]
    faults += _faults(run, listed, run / RECEIPT)
    unread = {fault.path for fault in faults}
    tools: dict[str, None] = {}
    for sealed in (sealed for sealed in receipt.levels if sealed.path not in unread):
        of_level = LevelReceipt.read(run / sealed.path)
        tools[of_level.writer.tool] = None
        inside = files_of_level(sealed, of_level)
        faults += _faults(run, inside, run / sealed.path)
        listed += inside
    faults += _not_listed(run, listed, [*unread, *(f"levels/{name}/{RECEIPT}" for name in without)])
    return HashCheck(
        receipt=actual,
        written=receipt.written,
        tools=tuple(tools),
        files=len(listed) + 1,
        bytes=len(content) + sum(file.bytes for file in listed),
        faults=tuple(faults),
        without=without,
    )


def sealed_files(run: Path, receipt: str) -> dict[str, FileHash]:
    """Every file that the receipts of a run name, and its own receipt, by path; BadFile where that has another hash."""
    content = read_bytes(run / RECEIPT)
    if own_hash(content, run / RECEIPT) != (receipt, receipt):
        raise BadFile(f"{run / RECEIPT} changed after the run was verified; try again once nothing writes to the run")
    of_run = RunReceipt.from_json(orjson.loads(content), run / RECEIPT)
    files = [hash_of(RECEIPT, content), *of_run.files, *of_run.levels]
    for sealed in of_run.levels:
        files += files_of_level(sealed, LevelReceipt.read(run_file(run, sealed.path, run / RECEIPT)))
    return {file.path: file for file in files}


def files_of_level(sealed: FileHash, receipt: LevelReceipt) -> list[FileHash]:
    """The files of a level by their paths within the run; `sealed` is its receipt there."""
    level = Path(sealed.path).parent.as_posix()
    return [FileHash(f"{level}/{file.path}", file.sha256, file.bytes) for file in receipt.files]


def level_receipt(run: Path, level: str) -> LevelReceipt | None:
    """The receipt of a level, None where it has none or an unreadable one."""
    file = run / "levels" / level / RECEIPT
    try:
        return LevelReceipt.read(file) if file.is_file() else None
    except BadFile:
        return None


def _faults(run: Path, listed: Iterable[FileHash], where: Path) -> Iterator[FileFault]:
    for file in listed:
        place = run_file(run, file.path, where)
        if not place.exists():
            yield FileFault(path=file.path, fault="missing", recorded=file.sha256)
        elif not is_plain(run, file.path):
            yield FileFault(path=file.path, fault="link", recorded=file.sha256)
        elif (size := place.stat().st_size) != file.bytes:
            yield FileFault(path=file.path, fault="changed", recorded=file.sha256, actual=f"{size:,} bytes")
        elif (actual := sha256_of(place)) != file.sha256:
            yield FileFault(path=file.path, fault="changed", recorded=file.sha256, actual=actual)


def _not_listed(run: Path, listed: Iterable[FileHash], unread: Iterable[str]) -> Iterator[FileFault]:
    """The files that a run has and no receipt lists, but for those of levels whose receipt is not there or not read."""
    paths = {RECEIPT, *(file.path for file in listed)}
    levels = {Path(path).parent for path in unread if Path(path).name == RECEIPT and path != RECEIPT}
    for path in run_paths(run):
        if path not in paths and Path(path).parent not in levels:
            yield FileFault(path=path, fault="not listed")
