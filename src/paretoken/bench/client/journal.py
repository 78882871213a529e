"""The request journal: one append-only file per worker, one frame per finished request.

    file   = magic, u16 version, u16 length of meta, meta (JSON), frame…
    frame  = u32 length, u32 CRC-32 of the payload, payload
    payload = the numbers of `_FIXED`, u16 lengths of three texts, u32 chunks, u8 flags,
              texts, chunk times (i64 each), chunk tokens (i32 each; left out where all are 1)

Little endian. A frame goes to the kernel in one write as its request ends, so a killed process loses only
the requests in flight; a reader stops at the first frame that is cut or does not match its checksum.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from paretoken.errors import BadFile, CannotWrite

if TYPE_CHECKING:
    import polars as pl

JOURNAL_VERSION = 1
MAGIC = b"PTKJ"
SUFFIX = ".journal"

_HEADER = struct.Struct("<4sHH")
_FRAME = struct.Struct("<II")
_FIXED = struct.Struct("<iiiqi6q8i")
_SIZES = struct.Struct("<HHHIB")
_ALL_ONE = 1
_NUMBERS = (
    "worker",
    "user",
    "endpoint",
    "session",
    "turn",
    "due_ns",
    "sent_ns",
    "headers_ns",
    "first_ns",
    "last_ns",
    "end_ns",
    "http_status",
    "planned_input",
    "planned_output",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "coalesced",
)
_TEXTS = ("status", "detail", "finish_reason")
_LISTS = ("chunk_ns", "chunk_tokens")
BATCH = 1024
"""Records read at a time."""


class JournalRecord(NamedTuple):
    """One finished request: the values of `_NUMBERS` and of `_TEXTS`, then when its chunks came and their tokens."""

    numbers: tuple[int, ...]
    texts: tuple[str, ...]
    chunk_ns: array[int]
    chunk_tokens: array[int]


class JournalWriter:
    """Appends records; each `append` is one write, complete or (after a kill) not there at all."""

    def __init__(self, path: Path, meta: Mapping[str, int]) -> None:
        text = json.dumps(dict(meta)).encode()
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            os.write(self._fd, _HEADER.pack(MAGIC, JOURNAL_VERSION, len(text)) + text)
        except OSError as error:
            raise CannotWrite(f"{path}: {error.strerror}") from None

    def append(self, numbers: Sequence[int], texts: Sequence[str], times: array[int], tokens: array[int]) -> None:
        """Write one record: `_NUMBERS`, `_TEXTS`, chunk times and chunk tokens."""
        parts = [text.encode("utf-8", "replace")[:60_000] for text in texts]
        plain = tokens.count(1) == len(tokens)
        payload = b"".join(
            (
                _FIXED.pack(*numbers),
                _SIZES.pack(*map(len, parts), len(times), _ALL_ONE if plain else 0),
                *parts,
                _little(times),
                b"" if plain else _little(tokens),
            )
        )
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            while frame:
                frame = frame[os.write(self._fd, frame) :]
        except OSError as error:
            raise CannotWrite(f"{self._path}: {error.strerror}; every request until then is kept in it") from None

    def close(self) -> None:
        os.close(self._fd)


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


def read_journal(path: Path) -> pl.DataFrame:
    """Every complete record of one journal, in the order of finishing, `index` counted in that order.

    A torn or damaged tail is left out. Raises BadFile if the file is not a journal.
    """
    return merge_journals([path], reindex=False)


def merge_journals(paths: Sequence[Path], reindex: bool = True) -> pl.DataFrame:
    """The records of several workers as one table, re-indexed by due time: concatenation, nothing else.

    Records are found first and then read in their final order, some at a time, so that none is in memory twice.
    """
    import numpy as np
    import polars as pl

    from paretoken.points.requests import conform_requests, empty_requests

    entries = array("q")
    for number, path in enumerate(paths):
        for place in _places(path):
            entries.extend((number, *place))
    places = np.array(entries).reshape(-1, 5)
    if reindex:
        places = places[np.lexsort((places[:, 4], places[:, 3]))]
    batches = [_batch(paths, places[k : k + BATCH].tolist()) for k in range(0, len(places), BATCH)]
    frame = pl.concat(batches) if batches else empty_requests().drop("index")
    return conform_requests(frame.with_row_index("index"))


def records_after(path: Path, offset: int) -> Iterator[tuple[pl.DataFrame, int]]:
    """The whole records of a journal behind a place of it, some at a time, each time with the place behind them.

    0 is the place before the first record. The journal may still grow, or be gone.
    """
    batch: list[tuple[int, int, int, int, int]] = []
    for place in _places(path, offset):
        batch.append((0, *place))
        if len(batch) == BATCH:
            yield _batch([path], batch), batch[-1][1] + batch[-1][2]
            batch = []
    if batch:
        yield _batch([path], batch), batch[-1][1] + batch[-1][2]


def journal_meta(path: Path) -> dict[str, int]:
    """What the header of a journal says. Raises BadFile."""
    with _opened(path) as file:
        return _head(file, path)


def _places(path: Path, offset: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """Offset and size of the payload of each whole frame, its due time and worker, up to the first damaged one.

    Frames before `offset`, the end of a frame, are left out.
    """
    with _opened(path) as file:
        whole = os.fstat(file.fileno()).st_size
        if not whole:
            return  # killed before its first byte
        _head(file, path)
        if offset:
            file.seek(offset)
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            size, checksum = _FRAME.unpack(head)
            payload = file.read(size) if size <= whole - file.tell() else b""
            if len(payload) < size or zlib.crc32(payload) != checksum or not _whole(payload):
                return
            numbers = dict(zip(_NUMBERS, _FIXED.unpack_from(payload), strict=True))
            yield file.tell() - size, size, numbers["due_ns"], numbers["worker"]


def _whole(payload: bytes) -> bool:
    """Whether a payload is exactly as long as its own lengths say."""
    if len(payload) < _FIXED.size + _SIZES.size:
        return False
    *lengths, chunks, flags = _SIZES.unpack_from(payload, _FIXED.size)
    each = 8 if flags & _ALL_ONE else 12
    return bool(len(payload) == _FIXED.size + _SIZES.size + sum(lengths) + chunks * each)


def _batch(paths: Sequence[Path], places: Sequence[Sequence[int]]) -> pl.DataFrame:
    """Some records as a table without an index."""
    import polars as pl

    from paretoken.points.requests import REQUEST_SCHEMA

    names = (*_NUMBERS, *_TEXTS, *_LISTS)
    with ExitStack() as stack:
        files = {n: stack.enter_context(_opened(paths[n])).fileno() for n in {place[0] for place in places}}
        records = [_record(os.pread(files[n], size, at)) for n, at, size, _, _ in places]
    values = dict(zip(names, zip(*records, strict=True), strict=True))
    lists = [pl.Series(n, list(values[n])).cast(REQUEST_SCHEMA[n]) for n in _LISTS]
    return pl.DataFrame([pl.Series(n, values[n], REQUEST_SCHEMA[n]) for n in names[: -len(lists)]] + lists)


def _record(payload: bytes) -> tuple[object, ...]:
    """The values of one record: `_NUMBERS`, `_TEXTS`, `_LISTS`."""
    import numpy as np

    *lengths, chunks, flags = _SIZES.unpack_from(payload, _FIXED.size)
    at = _FIXED.size + _SIZES.size
    texts = []
    for length in lengths:
        texts.append(payload[at : at + length].decode("utf-8", "replace"))
        at += length
    times = np.frombuffer(payload, "<i8", chunks, at)
    tokens = np.ones(chunks, np.int32) if flags & _ALL_ONE else np.frombuffer(payload, "<i4", chunks, at + 8 * chunks)
    return *_FIXED.unpack_from(payload), *texts, times, tokens


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None


def _head(file: BinaryIO, path: Path) -> dict[str, int]:
    """What the header says; the file is then positioned at its first frame. Raises BadFile."""
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or head[:4] != MAGIC:
        raise BadFile(f"{path}: not a paretoken request journal")
    _, version, length = _HEADER.unpack(head)
    if version > JOURNAL_VERSION:
        raise BadFile(f"{path}: journal version {version}, this paretoken reads up to {JOURNAL_VERSION}; update it")
    try:
        meta: dict[str, int] = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise BadFile(f"{path}: the journal's header is damaged") from None
    return meta
