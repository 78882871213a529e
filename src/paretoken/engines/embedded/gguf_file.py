"""GGUF, the model file of llama.cpp: what it takes to write one.

Layout (version 3, little endian): magic, version, number of tensors, number of keys; the keys with typed values;
name, shape, type and offset of each tensor; then the tensors' bytes, each at a multiple of 32.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

ALIGNMENT = 32
_F32 = 0
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

Value = bool | int | float | str | list[int] | list[str]


Shapes = Mapping[str, tuple[int, ...]]


def write_gguf(
    path: Path, keys: Mapping[str, Value], shapes: Shapes, arrays: Iterable[npt.NDArray[np.float32]]
) -> None:
    """Write a file of float32 tensors; `arrays` gives them in the order of `shapes`, with one in memory at a time."""
    with path.open("wb") as out:
        out.write(struct.pack("<4sIQQ", b"GGUF", 3, len(shapes), len(keys)))
        for key, value in keys.items():
            out.write(_text(key) + _typed(value))
        for (name, shape), offset in zip(shapes.items(), _offsets(shapes), strict=True):
            # GGUF counts dimensions from the one that lies closest in memory.
            dims = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
            out.write(_text(name) + dims + struct.pack("<IQ", _F32, offset))
        _pad(out)
        for array in arrays:
            out.write(np.ascontiguousarray(array, "<f4").data)
            _pad(out)


def _offsets(shapes: Shapes) -> Iterator[int]:
    at = 0
    for shape in shapes.values():
        yield at
        nbytes = 4 * math.prod(shape)
        at += nbytes + -nbytes % ALIGNMENT


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
            return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(_text(str(text)) for text in value)
        case _:
            return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _INT32, len(value), *value)
