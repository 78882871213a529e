"""A server that answers in the forms of `stream_forms`, each under its name: `http://127.0.0.1:PORT/NAME/v1`.

It runs as a process of its own, so that forked workers inherit none of its sockets.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODELS = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()


@contextmanager
def stream_server() -> Iterator[str]:
    """The base of the URLs of a running server."""
    child = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await answer(reader, writer):
            pass
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    from tests.support.stream_forms import FORMS

    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start = time.perf_counter()
    method, path, _ = head.split("\r\n")[0].split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in head.split("\r\n")[1:])}
    await reader.readexactly(int(headers.get("content-length", 0)))
    if method == "GET":
        known = path.endswith("/models")
        body = MODELS if known else b"{}"
        status = b"200 OK" if known else b"404 Not Found"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        return True
    form = FORMS[path.strip("/").split("/")[0]]
    kind = f"Content-Type: {form.content_type}\r\n" if form.content_type else ""
    writer.write(f"HTTP/1.1 200 OK\r\n{kind}Transfer-Encoding: chunked\r\n\r\n".encode())
    for at_ms, data in form.pieces:
        await asyncio.sleep(max(0.0, start + at_ms / 1000 - time.perf_counter()))
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    asyncio.run(main())
