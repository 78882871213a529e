"""Answers that come packed although they were asked for plain: gzip and deflate, unpacked as the bytes arrive."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from paretoken.bench.client.http1 import MalformedError, excerpt

PIECE_BYTES = 65_536
"""Unpacked at a time, so that a small packed piece never becomes a large one in memory."""
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_RATIO, FREE_BYTES = 200, 1024 * 1024
"""Largest ratio of plain to packed size, for an answer with more plain bytes than the second."""
_GZIP, _ZLIB, _RAW = 31, 15, -15  # window bits, as zlib names the forms


class Unpacker:
    """The plain bytes of a packed body. Raises MalformedError for another coding, bad data, or too much of it."""

    __slots__ = ("_coding", "_packed", "_plain", "_stream")

    def __init__(self, coding: bytes) -> None:
        if coding not in (b"gzip", b"x-gzip", b"deflate"):
            raise MalformedError(f"the answer is packed as {excerpt(coding)}, which was not requested")
        self._coding = coding
        self._stream = None if coding == b"deflate" else zlib.decompressobj(_GZIP)
        self._packed = self._plain = 0  # bytes so far

    @property
    def whole(self) -> bool:
        """Whether the packed data has come to its end."""
        return self._stream is not None and self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that these bytes hold."""
        if self._stream is None:  # deflate is meant to have zlib's head, and often has none
            self._stream = zlib.decompressobj(_ZLIB if data[0] & 0x0F == 8 else _RAW)
        piece = b""
        self._packed += len(data)
        while data or len(piece) == PIECE_BYTES:  # a full piece may have more behind it
            if self._stream.eof:
                if data[:1] != b"\x1f":
                    return  # padding
                self._stream = zlib.decompressobj(_GZIP)  # one of several members
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise MalformedError(f"not {self._coding.decode()}: {error}") from None
            data = self._stream.unused_data or self._stream.unconsumed_tail
            self._plain += len(piece)
            if self._plain > MAX_UNPACKED_BYTES:
                raise MalformedError(f"a packed answer of more than {MAX_UNPACKED_BYTES >> 20} MB")
            if self._plain > FREE_BYTES and self._plain > MAX_RATIO * (self._packed - len(data)):
                raise MalformedError(f"a packed answer of more than {MAX_RATIO} times its packed size")
            if piece:
                yield piece
