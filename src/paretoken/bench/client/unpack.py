"""Answers that come packed although they were asked for plain: gzip and deflate, unpacked as the bytes arrive."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from paretoken.bench.client.http1 import MalformedError, excerpt

PIECE_BYTES = 65_536
"""Unpacked at a time, so that a small packed piece never becomes a large one in memory."""
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15  # window bits, as zlib names the forms


class Unpacker:
    """The plain bytes of a packed body. Raises MalformedError for another coding, bad data, or too much of it."""

    __slots__ = ("_coding", "_left", "_stream")

    def __init__(self, coding: bytes) -> None:
        if coding not in (b"gzip", b"x-gzip", b"deflate"):
            raise MalformedError(f"the answer is packed as {excerpt(coding)}, which was not requested")
        self._coding = coding
        self._stream = None if coding == b"deflate" else zlib.decompressobj(_GZIP)
        self._left = MAX_UNPACKED_BYTES

    @property
    def whole(self) -> bool:
        """Whether the packed data has come to its end."""
        return self._stream is not None and self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that these bytes hold."""
        if self._stream is None:  # deflate is meant to have zlib's head, and often has none
            self._stream = zlib.decompressobj(_ZLIB if data[0] & 0x0F == 8 else _RAW)
        piece = b""
        while data or len(piece) == PIECE_BYTES:  # a full piece may have more behind it
            if self._stream.eof:
                if data[:1] != b"\x1f":
                    return  # padding
                self._stream = zlib.decompressobj(_GZIP)  # one of several members
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise MalformedError(f"not {self._coding.decode()}: {error}") from None
            self._left -= len(piece)
            if self._left < 0:
                raise MalformedError(f"a packed answer of more than {MAX_UNPACKED_BYTES >> 20} MB")
            data = self._stream.unused_data or self._stream.unconsumed_tail
            if piece:
                yield piece
