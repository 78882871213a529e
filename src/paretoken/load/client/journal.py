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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    "worker", "user", "endpoint", "session", "turn", "due_ns", "sent_ns", "headers_ns", "first_ns",
    "last_ns", "end_ns", "http_status", "planned_input", "planned_output", "input_tokens",
    "output_tokens", "cached_tokens", "reasoning_tokens", "coalesced",
)  # fmt: skip
_TEXTS = ("status", "detail", "finish_reason")


class JournalWriter:
    """Appends records; each `append` is one write, complete or (after a kill) not there at all."""

    def __init__(self, path: Path, meta: dict[str, Any]) -> None:
        text = json.dumps(meta).encode()
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            os.write(self._fd, _HEADER.pack(MAGIC, JOURNAL_VERSION, len(text)) + text)
        except OSError as error:
            raise CannotWrite(f"{path}: {error.strerror}") from None

    def append(self, numbers: Sequence[int], texts: Sequence[str], times: array, tokens: array) -> None:
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
        while frame:
            frame = frame[os.write(self._fd, frame) :]

    def close(self) -> None:
        os.close(self._fd)


def _little(values: array) -> bytes:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


def journal_meta(path: Path) -> dict[str, Any]:
    """What the header of a journal says. Raises BadFile."""
    return _open(path)[0]


def read_journal(path: Path) -> pl.DataFrame:
    """Every complete record of one journal, in the order of finishing, `index` counted in that order.

    A torn or damaged tail is left out. Raises BadFile where the file is no journal.
    """
    return merge_journals([path], reindex=False)


def merge_journals(paths: Sequence[Path], reindex: bool = True) -> pl.DataFrame:
    """The records of several workers as one table, re-indexed by due time: concatenation, nothing else."""
    import numpy as np
    import polars as pl

    from paretoken.records.requests import conform_requests

    columns: dict[str, list] = {name: [] for name in (*_NUMBERS, *_TEXTS, "chunk_ns", "chunk_tokens")}
    for path in paths:
        if path.exists() and not path.stat().st_size:
            continue  # killed before its first byte
        for numbers, texts, times, tokens in _records(path, np):
            for name, value in zip(_NUMBERS, numbers, strict=True):
                columns[name].append(value)
            for name, value in zip(_TEXTS, texts, strict=True):
                columns[name].append(value)
            columns["chunk_ns"].append(times)
            columns["chunk_tokens"].append(tokens)
    lists = {
        "chunk_ns": pl.Series("chunk_ns", columns.pop("chunk_ns"), dtype=pl.List(pl.Int64)),
        "chunk_tokens": pl.Series("chunk_tokens", columns.pop("chunk_tokens"), dtype=pl.List(pl.Int32)),
    }
    frame = pl.DataFrame(columns | lists, strict=False)
    if reindex:
        frame = frame.sort("due_ns", "worker", maintain_order=True)
    return conform_requests(frame.with_row_index("index"))


def _records(path: Path, np: Any) -> Iterator[tuple]:
    for payload in frames(path):
        numbers = _FIXED.unpack_from(payload)
        *lengths, chunks, flags = _SIZES.unpack_from(payload, _FIXED.size)
        at = _FIXED.size + _SIZES.size
        texts = []
        for length in lengths:
            texts.append(payload[at : at + length].decode("utf-8", "replace"))
            at += length
        times = np.frombuffer(payload, "<i8", chunks, at)
        if flags & _ALL_ONE:
            tokens = np.ones(chunks, np.int32)
        else:
            tokens = np.frombuffer(payload, "<i4", chunks, at + 8 * chunks)
        yield numbers, texts, times, tokens


def frames(path: Path) -> Iterator[bytes]:
    """Payloads of the whole frames of a journal, up to the first that is cut or damaged."""
    _, data, at = _open(path)
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield payload
        at += _FRAME.size + length


def _open(path: Path) -> tuple[dict[str, Any], bytes, int]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None
    if len(data) < _HEADER.size or data[:4] != MAGIC:
        raise BadFile(f"{path}: no paretoken request journal")
    _, version, length = _HEADER.unpack_from(data)
    if version > JOURNAL_VERSION:
        raise BadFile(f"{path}: journal version {version}, this paretoken reads up to {JOURNAL_VERSION}; update it")
    at = _HEADER.size + length
    try:
        return json.loads(data[_HEADER.size : at]), data, at
    except ValueError:
        raise BadFile(f"{path}: the journal's header is damaged") from None
