"""A run as one archive that another site can verify. Equal runs give equal bytes: names are sorted, times fixed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from paretoken.bench.documents import json_bytes
from paretoken.bench.lock import is_locked
from paretoken.bench.receipt import RECEIPT, FileHash, sha256_of
from paretoken.bench.run_folder import LOCK, RunFolder
from paretoken.errors import BadConfig, BadFile, CannotWrite
from paretoken.plain_files import read_bytes, read_parquet
from paretoken.receipts.archive_form import (
    ENVIRONMENT,
    README,
    ROOT,
    SERVER_JOB,
    SERVER_MACHINE,
    open_zstd,
    suffix_of,
)
from paretoken.receipts.environment import environment, server_record
from paretoken.receipts.hashes import sealed_files
from paretoken.receipts.keys import key_in_json, key_in_table
from paretoken.receipts.sealed_files import is_plain, run_file
from paretoken.receipts.verify import RunVerification

_MODE = 0o644
_LEVEL = 6
"""Of compression: most of an archive is Parquet, which is compressed already."""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file of the run, packed only with the bytes that its receipt states."""

    place: Path
    sealed: FileHash


Content = bytes | SealedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """The archive of a run: its size and hash, and the hash of the receipt in it."""

    out: str
    bytes: int
    sha256: str
    receipt: str
    files: int


def publish(run: Path, result: RunVerification, out: Path, licence: str = "") -> PublishedRun:
    """Pack a verified run. BadConfig where it is not verified, or a process measures into it; BadFile where a file of
    it looks like it holds a key, or is not what was verified.
    """
    suffix = suffix_of(out)
    if is_locked(run / LOCK):
        raise BadConfig(f"a process is measuring into {run}; wait until it ends, then publish the run")
    if result.verdict != "verified" or result.hashes.receipt is None:
        raise BadConfig(f"{run} is not verified ({result.verdict}); see 'paretoken verify {run}'")
    members = dict(sorted(_members(run, result, result.hashes.receipt, licence).items()))
    for name, content in members.items():
        _check_no_key(name, content)
    partial = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _PACKERS[suffix](partial, members)
        partial.replace(out)
    except OSError as e:
        raise CannotWrite(
            f"{out} cannot be written: {e.strerror or e}; free some space, or choose another --out"
        ) from e
    finally:
        partial.unlink(missing_ok=True)
    return PublishedRun(
        out=str(out),
        bytes=out.stat().st_size,
        sha256=sha256_of(out),
        receipt=result.hashes.receipt,
        files=len(members),
    )


def _members(run: Path, result: RunVerification, receipt: str, licence: str) -> dict[str, Content]:
    """The files of the archive by name: those that the receipts of the run name, the others as bytes."""
    sealed = sealed_files(run, receipt)
    if odd := next((path for path in sealed if not is_plain(run, path)), None):
        raise BadFile(f"{run / odd} is missing or a link; copy the file into the run")
    folder = RunFolder(run)
    metadata, server = folder.metadata(), server_record(run)
    members: dict[str, Content] = {
        f"{ROOT}/{path}": SealedFile(run_file(run, path, run / RECEIPT), file) for path, file in sealed.items()
    }
    members[ENVIRONMENT] = json_bytes(environment(run, metadata, folder.levels()))
    members[README] = _readme(result, licence).encode()
    if server.job is not None:
        members[SERVER_JOB] = json_bytes(server.job)
    if server.machine is not None:
        members[SERVER_MACHINE] = json_bytes(server.machine)
    return members


def _readme(result: RunVerification, licence: str) -> str:
    return f"""A benchmark run of paretoken, packed by 'paretoken publish'.

{ROOT}/               the run: settings, request records, summaries, operating points, receipts
{ENVIRONMENT}   the client's machine and packages, and what the server reported
server/            of a campaign: how the server was started, and on what

Receipt: SHA-256 {result.hashes.receipt}
Licence: {licence or "not stated; ask whoever published the run"}

Verify it:     paretoken verify ARCHIVE
How to repeat: paretoken reproduce ARCHIVE

'verify' checks the hashes of all files of the run, and recomputes every figure from its records.
It does not show who measured, or that the records are genuine.
"""


def _check_no_key(name: str, content: Content) -> None:
    if name == README:
        return
    if isinstance(content, bytes):
        key = key_in_json(content)
    elif name.endswith(".parquet"):
        key = key_in_table(*read_parquet(content.place, str(content.place)))
    else:
        key = key_in_json(read_bytes(content.place))
    if key:
        raise BadFile(f"{name} holds what looks like a key ({key}); a published run must hold none: remove it")


def _pack_zip(out: Path, members: dict[str, Content]) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as zipped:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = (
                zipfile.ZIP_DEFLATED,
                3,
                (0o100000 | _MODE) << 16,
            )
            with _opened(content) as (source, size), zipped.open(info, "w", force_zip64=size >= 2**31) as target:
                _copy(source, target)


def _pack_gzip(out: Path, members: dict[str, Content]) -> None:
    with (
        out.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
    ):
        _pack_tar(packed, members)


def _pack_zstd(out: Path, members: dict[str, Content]) -> None:
    with open_zstd(out, "wb") as packed:
        _pack_tar(packed, members)


def _pack_tar(target: IO[bytes] | gzip.GzipFile, members: dict[str, Content]) -> None:
    # A member of 8 GiB or more has its size in binary, which needs no extended header.
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.GNU_FORMAT) as tarred:
        for name, content in members.items():
            with _opened(content) as (source, size):
                info = tarfile.TarInfo(name)
                info.size, info.mode = size, _MODE
                tarred.addfile(info, source)


@contextmanager
def _opened(content: Content) -> Iterator[tuple[IO[bytes], int]]:
    if isinstance(content, bytes):
        yield io.BytesIO(content), len(content)
        return
    with _HashedFile(content.place) as file:
        yield file, content.sealed.bytes
        if file.read(1) or file.digest.hexdigest() != content.sealed.sha256:
            raise BadFile(f"{content.place} changed after the run was verified; try again once nothing writes to it")


class _HashedFile(io.FileIO):
    """A file read once from its beginning; `digest` is of what was read."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.digest = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        content = super().read(size) or b""
        self.digest.update(content)
        return content


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while piece := source.read(1 << 20):
        target.write(piece)


_PACKERS: dict[str, Callable[[Path, dict[str, Content]], None]] = {
    ".tar.gz": _pack_gzip,
    ".zip": _pack_zip,
    ".tar.zst": _pack_zstd,
}
