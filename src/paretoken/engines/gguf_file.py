"""GGUF, the model file of llama.cpp: what it takes to write one.

Layout (version 3, little endian): magic, version, number of tensors, number of keys; the keys with typed values;
name, shape, type and offset of each tensor; then the tensors' bytes, each at a multiple of 32.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

ALIGNMENT = 32
BLOCK = 32
F32, Q4_0 = 0, 2
BYTES_PER_BLOCK = {F32: 4 * BLOCK, Q4_0: 2 + BLOCK // 2}
ZERO_LEVEL = 8
"""The 4-bit level that stands for 0: a value is (level - 8) · scale."""
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

Value = bool | int | float | str | list[int] | list[str]


class Slot(NamedTuple):
    """A tensor yet to be made: its numpy shape, of which the last is a multiple of 32, and its ggml type."""

    name: str
    shape: tuple[int, ...]
    type: int

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) // BLOCK * BYTES_PER_BLOCK[self.type]


def write_gguf(path: Path, keys: Mapping[str, Value], slots: list[Slot], blobs: Iterable[np.ndarray]) -> None:
    """Write a file; `blobs` gives the tensors' bytes in the order of `slots`, so that one at a time is in memory."""
    with path.open("wb") as out:
        out.write(struct.pack("<4sIQQ", b"GGUF", 3, len(slots), len(keys)))
        for key, value in keys.items():
            out.write(_text(key) + _typed(value))
        for slot, offset in zip(slots, _offsets(slots), strict=True):
            # GGUF counts dimensions from the one that lies closest in memory.
            shape = struct.pack(f"<I{len(slot.shape)}Q", len(slot.shape), *reversed(slot.shape))
            out.write(_text(slot.name) + shape + struct.pack("<IQ", slot.type, offset))
        _pad(out)
        for blob in blobs:
            out.write(blob.data)
            _pad(out)


def pack_q4_0(levels: np.ndarray, scale: float) -> np.ndarray:
    """Blocks of 32 four-bit levels as ggml stores them: a 16-bit scale, then element i beside element i + 16."""
    blocks = levels.reshape(-1, BLOCK)
    packed = np.empty(len(blocks), np.dtype([("scale", "<f2"), ("levels", "u1", BLOCK // 2)]))
    packed["scale"] = scale
    packed["levels"] = blocks[:, : BLOCK // 2] | blocks[:, BLOCK // 2 :] << 4
    return packed


def _offsets(slots: list[Slot]) -> Iterator[int]:
    at = 0
    for slot in slots:
        yield at
        at += slot.nbytes + -slot.nbytes % ALIGNMENT


def _pad(out: BinaryIO) -> None:
    out.write(bytes(-out.tell() % ALIGNMENT))


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: Value) -> bytes:
    """A value behind the number of its type; whole numbers are uint32, but int32 in arrays, as llama.cpp wants them."""
    match value:
        case bool():  # before int, which it also is
            return struct.pack("<I?", _BOOL, value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case str():
            return struct.pack("<I", _STRING) + _text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_text, value))
        case _:
            return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _INT32, len(value), *value)
