"""The tables of an archive as files in a folder: members are read by their last name and never written elsewhere."""

from __future__ import annotations

import gzip
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from paretoken.errors import BadFile, CannotWrite
from paretoken.points import download
from paretoken.points.importers.inferencex_dump import RUNS, TABLES

WANTED = frozenset(f"{table}.json" for table in (*TABLES, RUNS))
"""The members that are read; an archive of one other file is that file."""
_BLOCK = 1 << 18
Member = tuple[str, Callable[[], IO[bytes]]]
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)
_NOT_READABLE = (NotImplementedError, RuntimeError)
"""What zipfile raises for a compression that it lacks and for encryption."""


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar, compressed or not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        # A zip or gzip that is cut off is still one by its first bytes, and its error says so.
        packed = file.read(4).startswith((b"PK\x03\x04", b"\x1f\x8b"))
    return packed or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def unpack(archive: Path, folder: Path) -> Path:
    """What is to be imported: the folder with the tables of a dump, or the one file of the archive."""
    try:
        with _members(archive) as members:
            chosen = _chosen(members, archive)
            _write(chosen, folder, archive)
    except (*_DAMAGED, *_NOT_READABLE, OSError, ValueError, struct.error) as e:
        raise BadFile(f"{archive} is a damaged, truncated or encrypted archive; download it again") from e
    return folder if set(chosen) & WANTED else folder / next(iter(chosen))


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    """Every plain file of an archive, with a function that opens it; links and devices are left out."""
    if not tarfile.is_tarfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield [(i.filename, partial(zipped.open, i)) for i in zipped.infolist() if not i.is_dir()]
        return
    with tarfile.open(archive) as tarred:
        yield [(m.name, partial(_content, tarred, m)) for m in _files(tarred, archive)]


def _files(tarred: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """The plain files; the end of each is checked before it is unpacked on the way to the next."""
    for member in tarred:
        if member.offset_data + member.size > download.MAX_BYTES:
            raise download.too_large(f"{archive}, unpacked,")
        if member.isreg():
            yield member


def _content(tarred: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tarred.extractfile(member)
    if file is None:
        raise tarfile.ReadError("a member without content")
    return file


def _chosen(members: list[Member], archive: Path) -> dict[str, Callable[[], IO[bytes]]]:
    """The members to read by their last name, each once."""
    named = [(_last_name(name), read) for name, read in members]
    tables = [(name, read) for name, read in named if name in WANTED]
    if not tables and len(named) != 1:
        raise BadFile(f"{archive} holds {len(named)} files, none of them {' or '.join(sorted(WANTED)[:2])}")
    chosen = dict(tables or named)
    if len(chosen) != len(tables or named):
        twice = next(name for name, _ in tables if sum(name == other for other, _ in tables) > 1)
        raise BadFile(f"{archive} holds {twice} more than once; pack one dump")
    return chosen


def _last_name(member: str) -> str:
    """The last part of a member's path, as a name that stays in its folder on any system."""
    name = PurePosixPath(member.replace("\\", "/")).name
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "file"


def _write(chosen: dict[str, Callable[[], IO[bytes]]], folder: Path, archive: Path) -> None:
    done = 0
    for name, read in chosen.items():
        with read() as member:
            try:
                with (folder / name).open("wb") as file:
                    while block := member.read(_BLOCK):
                        done += len(block)
                        if done > download.MAX_BYTES:
                            raise download.too_large(f"{archive}, unpacked,")
                        file.write(block)
            except gzip.BadGzipFile:
                raise
            except OSError as e:
                raise CannotWrite(f"{folder} cannot be written: {e.strerror or e}; nothing was installed") from e
