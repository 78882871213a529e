"""The bytes of an answer, kept beside the figures so that its words can be handed back in a later turn.

Reads are kept as they came and are parsed some at a time, so that keeping them costs the stamp path nothing.
"""

from __future__ import annotations

import orjson

from paretoken.bench.client.answer_json import Json
from paretoken.bench.client.body import MAX_BODY_BYTES, AnswerBody
from paretoken.bench.client.http1 import MalformedError, Response
from paretoken.bench.client.spoken import SpokenMessage
from paretoken.bench.client.sse import BOM

PARSED_AT_ONCE_BYTES = 65_536
"""Bytes that wait at most before they are parsed: few enough that the loop is not kept long."""


class KeptAnswer:
    """Takes the reads of one answer; `message` is what the assistant said in them."""

    __slots__ = ("_body", "_bytes", "_lost", "_planned", "_reads", "_response", "_spoken", "_waiting")

    def __init__(self, planned: int) -> None:
        self._planned = planned
        self._response, self._spoken = Response(), SpokenMessage()
        self._body: AnswerBody | None = None
        self._reads: list[bytes] = []
        self._waiting = self._bytes = 0
        self._lost = False

    def take(self, reads: list[bytes]) -> None:
        """Keep these reads of the connection."""
        self._reads += reads
        self._waiting += sum(map(len, reads))
        if self._waiting > PARSED_AT_ONCE_BYTES:
            self._parse()

    def message(self) -> Json | None:
        """The message of the whole answer; None where its bytes cannot be read or are too many to be kept."""
        self._parse()
        if self._lost or self._body is None:
            return None
        if self._body.events is not None:
            for payload in self._body.events.flush():
                self._document(payload)
        elif self._body.unstreamed:
            self._document(bytes(self._body.unstreamed))
        return self._spoken.message

    def _parse(self) -> None:
        reads, self._reads, self._waiting = self._reads, [], 0
        if self._lost:
            return
        try:
            for data in reads:
                self._read(data)
        except MalformedError:
            self._lost = True

    def _read(self, data: bytes) -> None:
        piece = self._response.feed(data)
        if not piece:
            return
        if self._body is None:
            self._body = AnswerBody(self._response, self._planned)
        for payload in self._body.feed(piece):
            self._bytes += len(payload)
            if self._bytes > MAX_BODY_BYTES:
                raise MalformedError("an answer too long to be kept")
            self._document(payload)

    def _document(self, payload: bytes) -> None:
        try:
            document = orjson.loads(payload.removeprefix(BOM))
        except ValueError:
            return  # an end mark, or words that keep the connection alive
        if isinstance(document, dict):
            self._spoken.take(document)
