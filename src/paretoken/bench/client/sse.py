"""Streamed bodies: bytes in, the payload of each complete event out, whatever the content type says.

Server-sent events and JSON lines are read alike, one line at a time. A `data` line that holds a whole JSON object
is an event as soon as the line ends, since some servers send no blank line after it; a line that begins with `{` is
a JSON line. So every event bears the time at which its last byte came, however the reads were cut.
"""

from __future__ import annotations

import orjson

from paretoken.bench.client.http1 import MalformedError, excerpt

MAX_EVENT_BYTES = 1024 * 1024
DONE = b"[DONE]"
BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"error:", b"retry:", b"id:", b":")
_LINE_TYPES = (b"ndjson", b"jsonl", b"json-lines", b"jsonlines", b"json-seq", b"stream+json")
_WHOLE = ("message", "response", "list")
"""What answers in one piece call themselves in APIs without choices."""
_PINGS = (b"ping", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive")
_ENDS = (b"done", b"end", b"close", b"complete")

_NAMED = (b"error", *_PINGS, *_ENDS)
"""Names that say what the data of an event is."""


class EventStream:
    """Splits a body into events; `start` is what came of its first line before the stream was recognised."""

    __slots__ = ("_data", "_document", "_fresh", "_half", "_name", "_partial", "_size")

    def __init__(self, start: bytes = b"") -> None:
        self._partial = [start] if start else []  # pieces of a line whose end has not come
        self._data: list[bytes] = []  # data lines of the event that has begun
        self._name = b""  # of the event that has begun
        self._size = len(start)  # bytes of all three
        self._half = False  # the last byte was a CR, whose LF may follow
        self._fresh = True  # no line yet
        self._document = False  # one JSON document over several lines

    @property
    def clean(self) -> bool:
        """Whether the next byte begins an event."""
        return not (self._size or self._half)

    def feed(self, body: bytes) -> list[bytes]:
        """Payloads of the events that these bytes complete; comments, pings and empty events give none."""
        carriage = b"\r" in body
        if not (carriage or self._size or self._half) and body[-2:] == b"\n\n" and body[:6] == b"data: ":
            if body.find(b"\n") == len(body) - 2:
                return [body[6:-2]]
            events = body[6:-2].split(b"\n\ndata: ")
            if body.count(b"\n") == 2 * len(events):
                return events
        if not (carriage or self._size or self._half) and body[:7] == b"event: " and body[-2:] == b"\n\n":
            name, _, rest = body[7:-2].partition(b"\ndata: ")
            if rest[:1] == b"{" and b"\n" not in rest and name.strip() not in _NAMED:
                return [rest]
        if self._half and body:
            body, self._half = body.removeprefix(b"\n"), False
        if carriage:
            self._half = body.endswith(b"\r")
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in body or self._document:
            self._keep(self._partial, body)
            return []
        *lines, rest = body.split(b"\n")
        if self._partial:
            self._size -= sum(map(len, self._partial))
            lines[0] = b"".join((*self._partial, lines[0]))
            self._partial = []
        out: list[bytes] = []
        for i, line in enumerate(lines):
            self._line(line, out, lines[i + 1] == b"" if i + 1 < len(lines) else False)
        self._keep(self._partial, rest)
        return out

    def flush(self) -> list[bytes]:
        """The payload of a last event that nothing closed, at the end of the body."""
        out: list[bytes] = []
        last, self._partial = b"".join(self._partial), []
        if self._document:
            self._data.append(last)  # line ends within it are white space
        elif last:
            self._line(last, out, False)
        self._document = False
        self._close(out)
        return out

    def _keep(self, pieces: list[bytes], piece: bytes) -> None:
        if not piece:
            return
        pieces.append(piece)
        self._size += len(piece)
        if self._size > MAX_EVENT_BYTES:
            start = b"".join((*self._data, *self._partial))
            raise MalformedError(f"no end of event within {MAX_EVENT_BYTES} bytes: {excerpt(start)}")

    def _line(self, line: bytes, out: list[bytes], last: bool) -> None:
        """One complete line; `last` where a blank one is known to follow."""
        if self._fresh:
            line, self._fresh = line.removeprefix(BOM), False
        if self._document:
            self._keep(self._data, line)
        elif not line:
            self._close(out)
        elif line[:1] in b"{[":
            self._document = not (line.strip() == DONE or _is_json(line))
            self._keep(self._data, line)
            if not self._document:
                self._close(out)
        else:
            name, _, value = line.partition(b":")
            self._field(name, value.removeprefix(b" "))
            if name == b"data" and not last and len(self._data) == 1 and _is_whole(self._data[0]):
                self._close(out)

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._keep(self._data, value)
        elif name == b"error":
            self._name = b"error"
            self._keep(self._data, value)
        elif name == b"event":
            self._name = value.strip()
            self._size += len(self._name)

    def _close(self, out: list[bytes]) -> None:
        """The event ends here."""
        data, name = b"\n".join(self._data), self._name
        several = len(self._data) > 1
        self._data, self._size, self._name = [], 0, b""
        if name == b"error":
            if data:
                out.append(data if data.startswith(b'{"error"') else b'{"error":' + _as_json(data) + b"}")
        elif not data.strip() or name in _PINGS:
            return
        elif name in _ENDS and data[:1] != b"{":
            out.append(DONE)
        elif several and not _is_json(data):
            out += [line for line in data.split(b"\n") if line]
        else:
            out.append(data)


class Opening:
    """The first bytes of a body whose content type does not say that it is a stream of events."""

    __slots__ = ("_lines", "_open", "_start")

    def __init__(self) -> None:
        self._start: list[bytes] = []
        self._lines = False  # begins like JSON: its first line tells
        self._open = True

    def stream(self, content_type: bytes, body: bytes) -> bytes | None:
        """The bytes before these, if they show together that this is a stream of events; None until they do."""
        if b"event-stream" in content_type:
            return b""
        if not self._open:
            return None
        if not self._start:
            body = body.lstrip()
        if not self._lines:
            head = (b"".join(self._start) + body[:16]).removeprefix(BOM).lstrip()
            if any(head.startswith(field) for field in _FIELDS):
                return b"".join(self._start)
            self._lines = head.startswith(b"{")
            if not self._lines:
                self._open = any(field.startswith(head) for field in (*_FIELDS, BOM))
        if self._lines and (b"\n" in body or any(kind in content_type for kind in _LINE_TYPES)):
            self._open = False
            start = b"".join(self._start)
            return start if _is_chunk(start.removeprefix(BOM) + body.partition(b"\n")[0], content_type) else None
        if body and self._open:
            self._start.append(body)
        return None


def _is_chunk(line: bytes, content_type: bytes) -> bool:
    """Whether the first line of a body is an event of its own rather than (the start of) the whole answer."""
    if any(kind in content_type for kind in _LINE_TYPES):
        return True
    try:
        document = orjson.loads(line)
    except ValueError:
        return False
    if isinstance(document, dict) and (document.get("object") in _WHOLE or document.get("type") in _WHOLE):
        return False
    choices = document.get("choices") if isinstance(document, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        return True
    return "delta" in first or not (first.get("finish_reason") or "message" in first)


def _is_whole(data: bytes) -> bool:
    """Whether one data line is an event in itself: a JSON object or the end mark."""
    data = data.strip()
    return data == DONE or (data[:1] == b"{" and data[-1:] == b"}" and _is_json(data))


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True


def _as_json(words: bytes) -> bytes:
    """The bytes as a JSON value: as they are, or as a string."""
    return words if _is_json(words) else orjson.dumps(words.decode("utf-8", "replace"))
