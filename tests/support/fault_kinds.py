"""What a server can do wrong, kind by kind, and what the client must call it.

`fault_kinds_server.py` plays them. A kind is either raw bytes of an HTTP answer (`RAW`, the same for every request),
something that a connection does (`ACTS`), or the events of a stream (`EVENTS`), which become one JSON body if the
request asks for no stream. Each names the statuses that are right: for a stream, and for
an answer in one piece where that differs.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from zlib import compressobj

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKENS = 4
Doc = dict | list | str | int | float | None | bytes


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(document: Doc) -> bytes:
    """One event; bytes are taken as they are, everything else as JSON."""
    return b"data: " + (document if isinstance(document, bytes) else json.dumps(document).encode()) + b"\n\n"


def token(text: object = "a", finish: object = None, **more: object) -> dict:
    return {"choices": [{"index": 0, "text": text, "delta": {"content": text}, "finish_reason": finish}], **more}


def usage(**counts: object) -> dict:
    return {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": TOKENS, "total_tokens": 8} | counts}


GOOD = [*[token() for _ in range(TOKENS - 1)], token(finish="stop")]
DONE = b"[DONE]"
LONE = b'{"choices": [{"text": "\\ud800", "delta": {"content": "\\ud800"}}]}'


def whole(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    lines = b"".join(h + b"\r\n" for h in headers)
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), lines, body)


def streamed(events: list[Doc], end: bytes = b"0\r\n\r\n") -> bytes:
    return STREAM_HEAD + b"".join(chunk(event(e)) for e in events) + end


@dataclass(frozen=True)
class Kind:
    """The statuses that are right, `whole` for an answer in one piece; None there means the same."""

    right: tuple[str, ...]
    whole: tuple[str, ...] | None = None

    def of(self, mode: str) -> tuple[str, ...]:
        return self.whole if mode == "whole" and self.whole is not None else self.right


OK, BAD, EMPTY = ("ok",), ("malformed",), ("empty",)
CUT, RESET, LATE = ("truncated",), ("reset",), ("timeout",)
IN_BAND = ("in_band_error",)
RIGHT = streamed([*GOOD, usage(), DONE])
JSON = [b"Content-Type: application/json"]


def refusal(status: bytes, *headers: bytes, body: bytes = b'{"error":{"message":"no"}}') -> bytes:
    return whole(body, status, *headers)


RAW: dict[str, tuple[bytes, Kind]] = {
    # statuses
    "400": (refusal(b"400 Bad Request"), Kind(("http_4xx",))),
    "401": (refusal(b"401 Unauthorized"), Kind(("http_4xx",))),
    "403-html": (refusal(b"403 Forbidden", body=b"<html><b>no</b></html>"), Kind(("http_4xx",))),
    "404-empty": (refusal(b"404 Not Found", body=b""), Kind(("http_4xx",))),
    "413": (refusal(b"413 Too Large"), Kind(("http_4xx",))),
    "422-fastapi": (refusal(b"422 x", body=b'{"detail":[{"msg":"bad"}]}'), Kind(("http_4xx",))),
    "429": (refusal(b"429 Busy"), Kind(("http_429",))),
    "429-retry-0": (refusal(b"429 Busy", b"Retry-After: 0"), Kind(("http_429",))),
    "429-retry-inf": (refusal(b"429 Busy", b"Retry-After: inf"), Kind(("http_429",))),
    "429-retry-huge": (refusal(b"429 Busy", b"Retry-After: 1e300"), Kind(("http_429",))),
    "429-retry-nan": (refusal(b"429 Busy", b"Retry-After: nan"), Kind(("http_429",))),
    "429-retry-negative": (refusal(b"429 Busy", b"Retry-After: -5"), Kind(("http_429",))),
    "429-retry-date": (refusal(b"429 Busy", b"Retry-After: Fri, 01 Jan 1999 00:00:00 GMT"), Kind(("http_429",))),
    "429-retry-bad-date": (refusal(b"429 Busy", b"Retry-After: Fri, 99 Foo"), Kind(("http_429",))),
    "500": (refusal(b"500 x"), Kind(("http_5xx",))),
    "500-escapes": (refusal(b"500 x", body=b"\x1b]0;owned\x07\x1b[2J"), Kind(("http_5xx",))),
    "500-angles": (refusal(b"500 x", body=b"<" * 65_536), Kind(("http_5xx",))),
    "500-long": (refusal(b"500 x", body=b"x" * 8_000_000), Kind(("http_5xx",))),
    "500-latin": (refusal(b"500 x", body=b"\xff\xfe\x00"), Kind(("http_5xx",))),
    "502-html": (refusal(b"502 Bad Gateway", body=b"<html><h1>nginx</h1></html>"), Kind(("http_5xx",))),
    "503": (refusal(b"503 x", b"Retry-After: 1"), Kind(("http_5xx",))),
    "301": (refusal(b"301 x", b"Location: http://127.0.0.1:9/v1"), Kind(("http_3xx",))),
    "302-no-location": (refusal(b"302 x"), Kind(("http_3xx",))),
    "307": (refusal(b"307 x", b"Location: /other"), Kind(("http_3xx",))),
    "308": (refusal(b"308 x", b"Location: https://example.invalid/v1"), Kind(("http_3xx",))),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", Kind(EMPTY)),
    "200-empty": (whole(b""), Kind(EMPTY)),
    "100-first": (b"HTTP/1.1 100 Continue\r\n\r\n" + RIGHT, Kind(OK)),
    "100-often": (b"HTTP/1.1 100 Continue\r\n\r\n" * 1024 + RIGHT, Kind((*OK, *BAD))),
    "103": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + RIGHT, Kind(OK)),
    # heads
    "http-0.9": (b"hello\n", Kind((*BAD, *RESET))),
    "http-2": (bytes.fromhex("00000604000000000000040010000000000807") + b"\0" * 15, Kind(BAD)),
    "tls-alert": (bytes.fromhex("15030100020228"), Kind(BAD)),
    "banner": (b"SSH-2.0-OpenSSH_9.6\r\n", Kind(BAD)),
    "status-999": (b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", Kind(BAD)),
    "status-words": (b"HTTP/1.1 OK 200\r\n\r\n", Kind(BAD)),
    "no-colon": (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", Kind(BAD)),
    "header-70k": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", Kind(BAD)),
    "headers-10k": (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20_000 + b"\r\n", Kind(BAD)),
    "length-negative": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Kind(BAD)),
    "length-words": (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Kind(BAD)),
    "length-5000-digits": (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", Kind(BAD)),
    "length-twice": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", Kind(BAD)),
    "length-and-chunks": (RIGHT.replace(b"\r\nTransfer", b"\r\nContent-Length: 5\r\nTransfer", 1), Kind((*OK, *BAD))),
    "length-short": (whole(b"x" * 100).replace(b"100\r\n", b"10\r\n", 1), Kind(BAD)),
    # chunks
    "chunk-size-words": (STREAM_HEAD + b"zz\r\nab\r\n", Kind(BAD)),
    "chunk-size-negative": (STREAM_HEAD + b"-5\r\nab\r\n", Kind(BAD)),
    "chunk-size-huge": (STREAM_HEAD + b"f" * 40 + b"\r\nab\r\n", Kind(BAD)),
    "chunk-no-end": (STREAM_HEAD + b"2\r\nabcd\r\n", Kind(BAD)),
    "chunk-extension-long": (STREAM_HEAD + b"2;" + b"x" * 5000 + b"\r\nab\r\n0\r\n\r\n", Kind((*BAD, *EMPTY))),
    "chunk-extension": (RIGHT.replace(b"\r\ndata", b";a=b\r\ndata"), Kind(OK)),
    "trailers": (RIGHT[:-2] + b"X-Trailer: 1\r\n\r\n", Kind(OK)),
    "one-chunk": (STREAM_HEAD + chunk(b"".join(map(event, [*GOOD, DONE]))) + b"0\r\n\r\n", Kind(OK)),
    "surplus": (RIGHT + b"surplus", Kind(OK)),
    "two-answers": (RIGHT * 2, Kind(OK)),
    # encodings
    "gzip": (whole(gzip.compress(b"".join(map(event, [*GOOD, DONE]))), b"200 OK", b"Content-Encoding: gzip"), Kind(OK)),
    "gzip-corrupt": (whole(b"\x1f\x8b\x08\x00garbage", b"200 OK", b"Content-Encoding: gzip"), Kind((*BAD, *CUT))),
    "gzip-cut": (
        whole(gzip.compress(b"x" * 9999)[:20], b"200 OK", b"Content-Encoding: gzip"),
        Kind((*BAD, *EMPTY, *CUT)),
    ),
    "brotli": (whole(b"\x0b\x02\x80", b"200 OK", b"Content-Encoding: br"), Kind(BAD)),
    # bodies
    "html-200": (whole(b"<html>login</html>", b"200 OK", b"Content-Type: text/html"), Kind(BAD)),
    "text-200": (whole(b"upstream connect error", b"200 OK", b"Content-Type: text/plain"), Kind(BAD)),
    "json-list": (whole(b"[1,2]", b"200 OK", *JSON), Kind(BAD)),
    "json-number": (whole(b"5", b"200 OK", *JSON), Kind(BAD)),
    "json-deep": (whole(b"[" * 100_000, b"200 OK", *JSON), Kind(BAD)),
    "json-cut": (whole(b'{"choices": [{"te', b"200 OK", *JSON), Kind(BAD)),
    "json-error": (whole(b'{"error": {"message": "overloaded"}}', b"200 OK", *JSON), Kind(IN_BAND)),
    "json-detail": (whole(b'{"detail": "overloaded"}', b"200 OK", *JSON), Kind(IN_BAND)),
    "json-empty-object": (whole(b"{}", b"200 OK", *JSON), Kind((*EMPTY, *BAD))),
}

EVENTS: dict[str, tuple[list[Doc], Kind]] = {
    "right": ([*GOOD, usage(), DONE], Kind(OK)),
    "no-done": ([*GOOD, usage()], Kind(OK)),
    "no-finish": ([token()] * 4, Kind(CUT, OK)),
    "only-done": ([DONE], Kind(EMPTY)),
    "role-only": (
        [{"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": "stop"}]}, DONE],
        Kind(EMPTY),
    ),
    "finish-abort": ([token(), token(finish="abort"), DONE], Kind(IN_BAND)),
    "finish-error": ([token(), token(finish="error"), DONE], Kind(IN_BAND)),
    "finish-number": ([token(), token(finish=5), DONE], Kind((*OK, *BAD))),
    "error-object": ([token(), {"error": {"message": "cuda"}}, DONE], Kind(IN_BAND)),
    "error-text": ([token(), {"error": "cuda"}, DONE], Kind(IN_BAND)),
    "error-first": ([{"error": {"message": "busy", "code": 503}}], Kind(IN_BAND)),
    "error-detail": ([{"detail": "busy"}, DONE], Kind(IN_BAND)),
    "error-kind": ([{"object": "error", "message": "too long"}], Kind(IN_BAND)),
    "json-broken": ([token(), b'{"choices": [{"te', DONE], Kind(BAD)),
    "json-broken-later": ([token(), token(), b"oops", DONE], Kind(BAD)),
    "event-list": ([token(), [1, 2], DONE], Kind((*BAD, *IN_BAND), BAD)),
    "event-number": ([token(), 5, DONE], Kind(BAD)),
    "event-deep": ([b"[" * 50_000, DONE], Kind(BAD)),
    "nan": ([token(), b'{"choices": NaN}', DONE], Kind(BAD)),
    "latin-1": ([b'{"choices": [{"text": "\xff"}]}', DONE], Kind(BAD)),
    "lone-surrogate": (
        [LONE, *GOOD, DONE],
        Kind((*OK, *BAD)),
    ),
    "choices-object": ([{"choices": {"a": 1}}, DONE], Kind(BAD)),
    "choices-text": ([{"choices": "abc"}, DONE], Kind(BAD)),
    "choices-of-numbers": ([{"choices": [1, 2]}, DONE], Kind(BAD)),
    "choices-of-null": ([{"choices": [None]}, DONE], Kind(BAD)),
    "delta-text": ([{"choices": [{"delta": "abc", "message": "abc"}]}, DONE], Kind(BAD)),
    "text-number": ([{"choices": [{"text": 5, "delta": {"content": 5}, "message": {"content": 5}}]}, DONE], Kind(BAD)),
    "logprobs-number": (
        [{"choices": [{"text": "a", "delta": {"content": "a"}, "logprobs": 5}]}, *GOOD, DONE],
        Kind((*OK, *BAD)),
    ),
    "token-ids-text": (
        [token(), {"choices": [{"text": "a", "delta": {"content": "a"}, "token_ids": 7}]}, *GOOD, DONE],
        Kind((*OK, *BAD)),
    ),
    "tool-calls-text": (
        [{"choices": [{"delta": {"tool_calls": "x"}, "message": {"tool_calls": "x"}}]}, DONE],
        Kind(BAD),
    ),
    "usage-text": ([*GOOD, {"choices": [], "usage": "many"}, DONE], Kind((*OK, *BAD))),
    "usage-list": ([*GOOD, {"choices": [], "usage": [1]}, DONE], Kind((*OK, *BAD))),
    "usage-u32": ([*GOOD, usage(prompt_tokens=2**32 - 1), DONE], Kind(OK)),
    "usage-u64": ([*GOOD, usage(completion_tokens=2**63), DONE], Kind(OK)),
    "usage-negative": ([*GOOD, usage(prompt_tokens=-(2**63), completion_tokens=-1), DONE], Kind(OK)),
    "usage-text-count": ([*GOOD, usage(completion_tokens="four"), DONE], Kind(OK)),
    "usage-details-text": ([*GOOD, usage(completion_tokens_details="x", prompt_tokens_details=[1]), DONE], Kind(OK)),
    "event-after-done": ([*GOOD, DONE, token("late")], Kind(OK)),
    "many-choices": (
        [{"choices": [{"index": i, "text": "a", "delta": {"content": "a"}} for i in range(500)]}, *GOOD, DONE],
        Kind((*OK, *BAD)),
    ),
}


class Gone(Exception):
    """The act has ended the connection."""


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Gone


def hang_up(sock: socket.socket) -> None:
    raise Gone


def sends(data: bytes, then: Callable[[socket.socket], None] = hang_up) -> Callable[[socket.socket], None]:
    def act(sock: socket.socket) -> None:
        sock.sendall(data)
        then(sock)

    return act


def stays_silent(sock: socket.socket) -> None:
    time.sleep(30)


def drips(data: bytes, every_s: float = 0.2) -> Callable[[socket.socket], None]:
    def act(sock: socket.socket) -> None:
        while True:
            sock.sendall(data)
            time.sleep(every_s)

    return act


def pours(data: bytes) -> Callable[[socket.socket], None]:
    """As much as the client takes, up to 400 MB."""

    def act(sock: socket.socket) -> None:
        for _ in range(400_000_000 // len(data)):
            sock.sendall(data)
        raise Gone

    return act


def bomb(sock: socket.socket) -> None:
    """A gigabyte of spaces, packed."""
    packer = compressobj(wbits=31)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1024):
        if packed := packer.compress(b" " * 2**20):
            sock.sendall(chunk(packed))
    raise Gone


PART = STREAM_HEAD + chunk(event(token()))
SPACES = b" " * 65_536
ACTS: dict[str, tuple[Callable[[socket.socket], None], Kind]] = {
    "close-at-once": (hang_up, Kind(RESET)),
    "reset-at-once": (reset, Kind(RESET)),
    "close-in-status": (sends(b"HTTP/1.1 2"), Kind((*RESET, *BAD))),
    "close-in-head": (sends(b"HTTP/1.1 200 OK\r\nContent-Ty"), Kind(RESET)),
    "close-after-head": (sends(STREAM_HEAD), Kind(CUT)),
    "reset-after-head": (sends(STREAM_HEAD, reset), Kind(RESET)),
    "close-in-stream": (sends(PART), Kind(CUT)),
    "reset-in-stream": (sends(PART, reset), Kind(RESET)),
    "close-in-chunk": (sends(PART + b"ff\r\ndata: {"), Kind(CUT)),
    "close-in-length": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"), Kind(CUT)),
    "close-in-500": (sends(b"HTTP/1.1 500 x\r\nContent-Length: 999\r\n\r\noops"), Kind(("http_5xx",))),
    "half-close": (
        sends(PART, lambda sock: (sock.shutdown(socket.SHUT_WR), time.sleep(1), hang_up(sock))[0]),
        Kind(CUT),
    ),
    "silent": (stays_silent, Kind(LATE)),
    "silent-in-head": (sends(b"HTTP/1.1 200 OK\r\n", stays_silent), Kind(LATE)),
    "silent-after-head": (sends(STREAM_HEAD, stays_silent), Kind(LATE)),
    "silent-in-stream": (sends(PART, stays_silent), Kind(LATE)),
    "slow-head": (sends(b"HTTP/1.1 200 OK\r\nX: ", drips(b"a")), Kind(LATE)),
    "interim-forever": (drips(b"HTTP/1.1 100 Continue\r\n\r\n"), Kind((*LATE, *BAD))),
    "comments-forever": (sends(STREAM_HEAD, drips(chunk(b": ping\n\n"))), Kind(LATE)),
    "empty-data-forever": (sends(STREAM_HEAD, drips(chunk(b"data:\n\n"))), Kind(LATE)),
    "role-forever": (
        sends(STREAM_HEAD, drips(chunk(event({"choices": [{"delta": {"role": "assistant"}}]})))),
        Kind(LATE),
    ),
    "body-drips": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", drips(b" ")), Kind(LATE)),
    "error-drips": (sends(b"HTTP/1.1 500 x\r\nContent-Length: 999999\r\n\r\n", drips(b"x")), Kind((*LATE, "http_5xx"))),
    "tokens-forever": (sends(STREAM_HEAD, drips(chunk(event(token())), 0.001)), Kind((*BAD, *LATE))),
    "body-400-mb": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n", pours(SPACES)), Kind((*BAD, *LATE))),
    "chunks-400-mb": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pours(chunk(SPACES))),
        Kind((*BAD, *LATE)),
    ),
    "event-endless": (sends(STREAM_HEAD + chunk(b"data: "), pours(chunk(b"a" * 65_536))), Kind((*BAD, *LATE))),
    "line-endless": (sends(b"HTTP/1.1 200 OK\r\nX: ", pours(b"a" * 65_536)), Kind((*BAD, *LATE))),
    "until-close-endless": (sends(b"HTTP/1.1 200 OK\r\n\r\n", pours(SPACES)), Kind((*BAD, *LATE))),
    "error-endless": (sends(b"HTTP/1.1 500 x\r\n\r\n", pours(b"x" * 65_536)), Kind(("http_5xx", *BAD, *LATE))),
    "bytes-one-by-one": (sends(b"", lambda sock: one_by_one(sock, whole(b"<" * 2_000, b"500 x"))), Kind(("http_5xx",))),
    "gzip-bomb": (bomb, Kind((*BAD, *LATE))),
}


def one_by_one(sock: socket.socket, data: bytes) -> None:
    for i in range(len(data)):
        sock.sendall(data[i : i + 1])
    raise Gone


KINDS: dict[str, Kind] = {name: kind for group in (RAW, EVENTS, ACTS) for name, (_, kind) in group.items()}
