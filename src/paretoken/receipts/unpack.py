"""An archive of a published run, unpacked: only files that a run has, none of them a link, all within bounds.

Sizes are counted as bytes arrive, not read from a header, so that a small archive cannot fill the disk.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from paretoken.errors import BadFile, CannotWrite, quoted
from paretoken.plural import counted
from paretoken.receipts.archive_form import BESIDE, ROOT, open_zstd
from paretoken.receipts.sealed_files import is_run_file

MOST_FILES = 20_000
MOST_BYTES = 16 * 2**30
MOST_RATIO = 200
LEAST_BYTES = 64 * 2**20
"""What any archive may unpack to, however small it is."""
MOST_READ = 4 * 2**20
"""Of a zip at once; the list of MOST_FILES files of a run is shorter."""
_BLOCK, _PIECE = 512, 1 << 18
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, struct.error)
_NOT_READABLE = (NotImplementedError, RuntimeError)
"""What zipfile raises for a compression that it lacks and for encryption."""


class _Budget:
    """The bytes that an archive may still unpack to."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.left = min(MOST_BYTES, max(LEAST_BYTES, MOST_RATIO * archive.stat().st_size))
        self.files = 0

    def file(self) -> None:
        self.files += 1
        if self.files > MOST_FILES:
            raise BadFile(f"{self.archive} holds more than {counted(MOST_FILES, 'file')}; refused")

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise BadFile(f"{self.archive} unpacks to far more than its size; refused")


def unpack_run(archive: Path, folder: Path) -> Path:
    """The run of an archive, unpacked below a new folder. BadFile for what `publish` did not write."""
    try:
        with archive.open("rb") as file:
            head = file.read(4)
        read = _zip_members if head == _ZIP else _tar_members
        for path, content in read(archive, head, _Budget(archive)):
            _write(folder / path, content)
    except (*_DAMAGED, *_NOT_READABLE) as e:
        raise BadFile(f"{archive} is a damaged, truncated or encrypted archive; copy it again") from e
    except (OSError, ValueError) as e:
        raise BadFile(f"{archive} cannot be read: {getattr(e, 'strerror', None) or 'it is no archive'}") from e
    if not (folder / ROOT / "run.json").is_file():
        raise BadFile(f"{archive} holds no run; choose a file written by 'paretoken publish'")
    return folder / ROOT


def _write(place: Path, content: Iterator[bytes]) -> None:
    if place.exists():
        raise BadFile(f"the archive holds {quoted(place.name)} twice; refused")
    with _writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        file = place.open("wb", buffering=0)
    with file:
        for piece in content:  # what reading raises is of the archive, not of the disk
            with _writing(place):
                _write_all(file, piece)


def _write_all(file: io.FileIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise CannotWrite(f"{place.parent} cannot be written: {e.strerror or e}; free some space") from e


def _checked(name: str, archive: Path) -> str:
    """The name of a member; BadFile for one that `publish` does not write."""
    inner = name.removeprefix(f"{ROOT}/")
    if name not in BESIDE and (inner == name or not is_run_file(inner)):
        raise BadFile(f"{archive} holds {quoted(name)}, which is no file of a published run; refused")
    return name


class _BoundedFile(io.FileIO):
    """A file of which nobody reads more than MOST_READ bytes at once: a zip states itself how large its list is."""

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes; BadFile where more than MOST_READ are asked for."""
        most = MOST_READ + 1 if size is None or size < 0 else size
        content = super().read(most) if most <= MOST_READ + 1 else None
        if content is None or len(content) > MOST_READ:
            raise BadFile(f"{self.name} has a list of files that is far too long; refused")
        return content


def _zip_members(archive: Path, head: bytes, budget: _Budget) -> Iterator[tuple[str, Iterator[bytes]]]:
    with _BoundedFile(archive) as file, zipfile.ZipFile(file) as zipped:
        for info in zipped.infolist():
            budget.file()
            if info.is_dir() or (info.external_attr >> 28) not in (0, 8):
                raise BadFile(f"{archive} holds {quoted(info.filename)}, a folder, link or device; refused")
            if info.compress_type not in _COMPRESSIONS:  # others claim memory before the first byte
                raise BadFile(f"{archive} holds {quoted(info.filename)} in another compression than Deflate; refused")
            with zipped.open(info) as member:
                yield _checked(info.filename, archive), _pieces(member, budget)


def _tar_members(archive: Path, head: bytes, budget: _Budget) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The members of a tar, read header by header: an extended header, which may be of any size, is refused."""
    with _opened(archive, head) as stream:
        while any(block := _exactly(stream, _BLOCK)):
            budget.file()
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.size < 0:
                raise BadFile(f"{archive} holds {quoted(member.name)}, a folder, link or device; refused")
            content = _sized(stream, member.size, budget)
            yield _checked(member.name, archive), content
            for _ in content:  # what the reader left
                pass
            _exactly(stream, -member.size % _BLOCK)
        for _ in _pieces(stream, budget):  # to its end, where the checksum is
            pass


@contextmanager
def _opened(archive: Path, head: bytes) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if head[:2] == _GZIP:
        with gzip.open(archive) as unpacked:
            yield unpacked
    elif head == _ZSTD:
        with open_zstd(archive) as stream:
            yield stream
    else:
        with archive.open("rb") as stream:
            yield stream


def _exactly(stream: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise tarfile.ReadError("the archive ends early")
    return content


def _sized(stream: IO[bytes] | gzip.GzipFile, size: int, budget: _Budget) -> Iterator[bytes]:
    while size:
        piece = _exactly(stream, min(size, _PIECE))
        size -= len(piece)
        budget.take(len(piece))
        yield piece


def _pieces(stream: IO[bytes] | gzip.GzipFile, budget: _Budget) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        budget.take(len(piece))
        yield piece
