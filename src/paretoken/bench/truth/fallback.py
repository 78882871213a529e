"""The truth server in Python: the options and log of the compiled one, for some hundred streams, in every API."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson

from paretoken.bench.truth.forms import AnswerForm, Body, embedded, form_of, wanted_tokens

_HEAD = struct.Struct("<qI")
_CHUNK = struct.Struct("<qI")
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Options:
    """The options of the compiled server, by the same names."""

    port: int = 0
    ttft_ms: float = 50.0
    itl_ms: float = 20.0
    tokens_per_chunk: int = 1
    tick: int = 0
    jitter_ms: float = 0.0
    seed: int = 0
    tokens: int = 128
    log: str = ""


@dataclass(slots=True)
class FallbackServer:
    """One server: its options, its dice and its log."""

    options: Options
    log: BinaryIO | None = None
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    dice: random.Random = field(default_factory=random.Random)

    async def serve(self) -> None:
        """Listen until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        server = await asyncio.start_server(self.connection, "127.0.0.1", self.options.port, backlog=4096)
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
        await stop.wait()
        server.close()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                wall = time.time_ns()
                due = time.monotonic_ns() + round(self.options.ttft_ms * 1e6)
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                body = orjson.loads(await reader.readexactly(length)) if length else {}
                await self.answer(head.split(b" ")[1], body, writer, due, wall)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path: bytes, body: Body, writer: asyncio.StreamWriter, due: int, wall: int) -> None:
        form, name = form_of(path), f"cmpl-{next(self.numbers):016x}"
        if path.endswith(b"/embeddings"):
            await _until(due)
            self.write_log(wall, [(time.time_ns(), 0)])
            writer.write(_whole(embedded(body)))
            return
        if form is None:
            writer.write(_whole({"object": "list", "data": [{"id": "truth", "object": "model"}]}))
            return
        total = wanted_tokens(body, self.options.tokens)
        if not body.get("stream"):
            await _until(due + round((total - 1) * self.options.itl_ms * 1e6))
            self.write_log(wall, [(time.time_ns(), total)])
            writer.write(_whole(form.whole(name, total)))
            return
        sent = await self.stream(writer, name, form, total, due, body)
        writer.write(_chunk(form.end(name, total, body)) + b"0\r\n\r\n")
        self.write_log(wall, sent)

    async def stream(
        self, writer: asyncio.StreamWriter, name: str, form: AnswerForm, total: int, due: int, body: Body
    ) -> list[tuple[int, int]]:
        """Send the chunks as they fall due; when each was sent, and its tokens."""
        step, left = round(self.options.itl_ms * 1e6), total
        sent: list[tuple[int, int]] = []
        if self.options.tick:
            due = -(-due // step) * step
        head, start = _STREAM_HEAD, form.begin(name)
        while left:
            await _until(due)
            if writer.transport.is_closing():
                raise ConnectionResetError
            k = min(left, self.options.tokens_per_chunk)
            left -= k
            data = head + _chunk(start + form.tokens(name, k, total - left, left, body))
            sent.append((time.time_ns(), k))
            writer.write(data)
            head = start = b""
            jitter = self.options.jitter_ms * 1e6
            due += k * step + round(self.dice.uniform(-jitter, jitter))
        return sent

    def write_log(self, wall: int, sent: list[tuple[int, int]]) -> None:
        if self.log is not None:
            self.log.write(_HEAD.pack(wall, len(sent)) + b"".join(_CHUNK.pack(*s) for s in sent))
            self.log.flush()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(answer: Body) -> bytes:
    body = orjson.dumps(answer)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _until(due_ns: int) -> None:
    wait = (due_ns - time.monotonic_ns()) / 1e9
    if wait > 0:
        await asyncio.sleep(wait)


def main(arguments: list[str]) -> None:
    """Take `--name value` pairs, serve."""
    options = Options()
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        field_name = name.removeprefix("--").replace("-", "_")
        setattr(options, field_name, type(getattr(options, field_name))(value))
    server = FallbackServer(options, dice=random.Random(options.seed))  # noqa: S311
    if not options.log:
        asyncio.run(server.serve())
        return
    with open(options.log, "wb") as server.log:  # noqa: PTH123
        asyncio.run(server.serve())


if __name__ == "__main__":
    main(sys.argv[1:])
