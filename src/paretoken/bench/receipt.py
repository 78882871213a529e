"""Receipts: the SHA-256 of every file that the figures of a run come from, and what wrote them.

    RUN/levels/0001/receipt.json   the files of a level, and what its figures need beside its records
    RUN/receipt.json               the files of the run and the receipts of its levels

The receipt of a level is written as the level ends and is not written again, so that a file that changes later does
not match it. The receipt of the run follows each level. It ends with its own hash, over all its other bytes: whoever
knows that hash can tell any change of the run. A receipt is not signed; it does not show who measured.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from paretoken.bench.documents import RunFile, json_bytes, write_bytes
from paretoken.bench.metadata import RunMetadata, ServerIdentity
from paretoken.bench.receipt_writer import ReceiptWriter, receipt_writer
from paretoken.errors import BadFile
from paretoken.plain_files import read_bytes
from paretoken.secret_names import without_secrets

RECEIPT = "receipt.json"
OF_LEVEL = ("requests.parquet", "summary.json", "telemetry.parquet", "telemetry.json")
GATE = "gate.json"
"""The verdict of the accuracy gate, which may be attached after the run."""
OF_RUN = ("run.json", "sessions.parquet", "points.parquet", "summary.json", GATE)
_OWN_HASH, _END = b'"sha256": "', b'"\n}'


@dataclass(frozen=True, slots=True)
class FileHash:
    """A file by its path within the run."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureInputs:
    """What the figures of a level need and neither its records nor its summary hold; see `stats.summary`."""

    implied_hit_rate: float = 0.0
    beyond_context: int = 0
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReceipt(RunFile):
    """The receipt of one load level."""

    SCHEMA: ClassVar[str] = "paretoken.level_receipt"
    CALLED: ClassVar[str] = "the receipt of a load level"

    written: str = ""
    files: tuple[FileHash, ...] = ()
    inputs: FigureInputs | None = None
    writer: ReceiptWriter = field(default_factory=ReceiptWriter)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReceipt(RunFile):
    """The receipt of a run. `without` are finished levels of an earlier version, which have no receipt.

    `sha256` is over the file with this one value empty.
    """

    SCHEMA: ClassVar[str] = "paretoken.receipt"
    CALLED: ClassVar[str] = "the receipt of a run"

    started: str = ""
    written: str = ""
    command: str = ""
    servers: tuple[ServerIdentity, ...] = ()
    files: tuple[FileHash, ...] = ()
    levels: tuple[FileHash, ...] = ()
    without: tuple[str, ...] = ()
    sha256: str = ""


def write_level_receipt(level: Path, inputs: FigureInputs | None, unwritten: Mapping[str, bytes]) -> None:
    """Write the receipt of a level; `unwritten` are files of it that follow, by name."""
    files = [hash_of(name, content) for name, content in unwritten.items()]
    files += file_hashes(level, [name for name in OF_LEVEL if name not in unwritten])
    receipt = LevelReceipt(written=_now(), files=tuple(files), inputs=inputs, writer=receipt_writer())
    write_bytes(level / RECEIPT, json_bytes(receipt))


def add_to_receipt(level: Path, names: Sequence[str]) -> None:
    """Add files of a level that were written after its receipt; the hashes of the others stay."""
    if not (level / RECEIPT).is_file():
        return
    receipt = LevelReceipt.read(level / RECEIPT)
    others = [file for file in receipt.files if file.path not in names]
    write_bytes(level / RECEIPT, json_bytes(replace(receipt, files=(*others, *file_hashes(level, names)))))


def write_run_receipt(run: Path, metadata: RunMetadata, levels: Sequence[str]) -> None:
    """Write the receipt of a run from its files and the receipts of its finished levels, named by their folders."""
    receipts = [f"levels/{name}/{RECEIPT}" for name in levels]
    sealed = file_hashes(run, receipts)
    paths = {file.path for file in sealed}
    receipt = RunReceipt(
        started=metadata.run.started,
        written=_now(),
        command=without_secrets(metadata.run.command),
        servers=metadata.run.servers,
        files=tuple(file_hashes(run, OF_RUN)),
        levels=tuple(sealed),
        without=tuple(name for name, path in zip(levels, receipts, strict=True) if path not in paths),
    )
    _write_with_own_hash(run / RECEIPT, receipt)


def add_to_run_receipt(run: Path, names: Sequence[str]) -> None:
    """Add files of a run that were written after its receipt; the hashes of the others stay.

    A receipt that does not have its own hash stays as it is, so that its change stays visible.
    """
    file = run / RECEIPT
    if not file.is_file():
        return
    stated, actual = own_hash(read_bytes(file), file)
    if stated != actual:
        return
    receipt = RunReceipt.read(file)
    others = tuple(sealed for sealed in receipt.files if sealed.path not in names)
    _write_with_own_hash(file, replace(receipt, files=(*others, *file_hashes(run, names)), sha256=""))


def _write_with_own_hash(file: Path, receipt: RunReceipt) -> None:
    content = json_bytes(receipt)
    digest = hashlib.sha256(content).hexdigest()
    write_bytes(file, content.removesuffix(_END) + digest.encode() + _END)


def own_hash(content: bytes, where: object) -> tuple[str, str]:
    """The hash that the bytes of a run's receipt state as their own, and the one that they have."""
    place = content.rfind(_OWN_HASH)
    if place < 0 or not content.endswith(_END):
        raise BadFile(f"{where} does not end with its own hash; was it edited by hand?")
    begin = place + len(_OWN_HASH)
    stated, bare = content[begin : -len(_END)], content[:begin] + _END
    return stated.decode("ascii", errors="replace"), hashlib.sha256(bare).hexdigest()


def file_hashes(folder: Path, names: Sequence[str]) -> list[FileHash]:
    """The hashes of the files of those names that exist."""
    return [
        FileHash(name, sha256_of(folder / name), (folder / name).stat().st_size)
        for name in names
        if (folder / name).is_file()
    ]


def hash_of(name: str, content: bytes) -> FileHash:
    """The hash of bytes that are to become a file."""
    return FileHash(name, hashlib.sha256(content).hexdigest(), len(content))


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
