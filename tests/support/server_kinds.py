"""Servers as users meet them, each under its name: `http://127.0.0.1:PORT/NAME`, followed by the paths of its API.

Answers are streamed at a steady pace unless the kind says otherwise. It runs as a process of its own, so that forked
workers inherit none of its sockets.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

KEY = "sk-of-the-tests-0123456789"
COMPLETIONS, CHAT = "/completions", "/chat/completions"
LOGIN = b"<!doctype html><html><head><title>Sign in</title></head><body>Sign in</body></html>"


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """What one kind serves. `base` holds its API; `missing` is the status of a path that is not there.

    `listing` is a list of models, a status, or a page; `key` is a header and what it must hold. `http` is how an
    answer ends: by chunks, or with the connection. `slots` requests are computed at once, later ones
    wait in their order.
    """

    base: str = "/v1"
    apis: tuple[str, ...] = (COMPLETIONS, CHAT)
    missing: int = 404
    listing: tuple[str, ...] | int | bytes = ("m",)
    owner: str = "x"
    key: tuple[str, str] | None = None
    key_status: int = 401
    query: str = ""
    refuses: tuple[str, ...] = ()
    stream: str = "paced"  # or "one piece" or "none"
    usage: bool = True
    done: bool = True
    comments: bool = False
    http: str = "chunked"  # or "1.0" or "close"
    redirect: str = ""
    length: float = 1.0  # of the requested output
    ttft_s: float = 0.020
    tpot_s: float = 0.005
    slots: int = 512
    places: asyncio.Semaphore = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", asyncio.Semaphore(self.slots))


KINDS: Mapping[str, ServerKind] = {
    "plain": ServerKind(),
    "chat-only": ServerKind(apis=(CHAT,)),
    "chat-only-405": ServerKind(apis=(CHAT,), missing=405),
    "chat-only-501": ServerKind(apis=(CHAT,), missing=501),
    "completions-only": ServerKind(apis=(COMPLETIONS,)),
    "prefixed": ServerKind(base="/team/llm/v1"),
    "bare": ServerKind(base=""),
    "azure": ServerKind(
        base="/openai/deployments/d", apis=(CHAT,), listing=404, key=("api-key", KEY), query="api-version=2024-10-21"
    ),
    "no-list": ServerKind(listing=404),
    "no-list-chat-only": ServerKind(listing=404, apis=(CHAT,)),
    "list-is-a-page": ServerKind(listing=LOGIN),
    "several-models": ServerKind(listing=("small", "large")),
    "no-models": ServerKind(listing=()),
    "no-ids": ServerKind(owner="vllm", refuses=("prompt",)),
    "bearer": ServerKind(key=("authorization", f"Bearer {KEY}")),
    "bearer-403": ServerKind(key=("authorization", f"Bearer {KEY}"), key_status=403),
    "api-key": ServerKind(key=("api-key", KEY)),
    "login-redirect": ServerKind(redirect="https://login.example.com/authorize?state=1"),
    "login-redirect-same-host": ServerKind(redirect="/login"),
    "web-page": ServerKind(listing=LOGIN, apis=()),
    "http-1.0": ServerKind(http="1.0"),
    "close": ServerKind(http="close"),
    "comments": ServerKind(comments=True),
    "no-done": ServerKind(done=False),
    "no-usage": ServerKind(usage=False),
    "no-usage-no-done": ServerKind(usage=False, done=False),
    "one-piece": ServerKind(stream="one piece"),
    "one-piece-no-usage": ServerKind(stream="one piece", usage=False),
    "not-streamed": ServerKind(stream="none"),
    "short": ServerKind(length=0.3),
    "queue": ServerKind(slots=4),
    "slow": ServerKind(tpot_s=0.080),
    "slow-first": ServerKind(ttft_s=3.0),
}


@contextmanager
def server_kinds(certificate: Path | None = None) -> Iterator[str]:
    """The base of the URLs of a running server; with TLS where a PEM of key and certificate is given."""
    command = [sys.executable, __file__, *([str(certificate)] if certificate else [])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{int(child.stdout.readline())}"
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
    """Answer one request; whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, target, _ = head.split("\r\n")[0].split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in head.split("\r\n")[1:])}
    body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
    name, _, rest = target.lstrip("/").partition("/")
    path, _, query = f"/{rest}".partition("?")
    kind = KINDS.get(name, ServerKind(listing=404, apis=()))
    if method == "POST" and (plain := refusal(kind, path, query, headers, body)) is None:
        return await generate(kind, path, body, writer)
    status, more, text = plain if method == "POST" and plain else page(kind, path, query, headers)
    writer.write(
        b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b"
        % (status, "".join(f"{k}: {v}\r\n" for k, v in more.items()).encode(), len(text), text)
    )
    await writer.drain()
    return True


Page = tuple[int, dict[str, str], bytes]


def page(kind: ServerKind, path: str, query: str, headers: dict[str, str]) -> Page:
    """The answer to a GET."""
    if kind.redirect:
        return 302, {"Location": kind.redirect}, b""
    if path != f"{kind.base}/models":
        return error(kind.missing, "Not Found")
    if kind.query and query != kind.query:
        return error(404, "Resource not found")
    if kind.key and headers.get(kind.key[0]) != kind.key[1]:
        return error(kind.key_status, "no access")
    if isinstance(kind.listing, int):
        return error(kind.listing, "Not Found")
    if isinstance(kind.listing, bytes):
        return 200, {"Content-Type": "text/html"}, kind.listing
    models = [{"id": m, "object": "model", "owned_by": kind.owner} for m in kind.listing]
    return 200, {"Content-Type": "application/json"}, json.dumps({"object": "list", "data": models}).encode()


def refusal(kind: ServerKind, path: str, query: str, headers: dict[str, str], body: dict) -> Page | None:
    """Why a POST is not served, or None."""
    if kind.redirect:
        return 302, {"Location": kind.redirect}, b""
    if not any(path == kind.base + api for api in kind.apis):
        return error(kind.missing, "Not Found")
    if kind.query and query != kind.query:
        return error(404, "Resource not found")
    if kind.key and headers.get(kind.key[0]) != kind.key[1]:
        return error(kind.key_status, "no access")
    if "prompt" in kind.refuses and isinstance(body.get("prompt"), list):
        return error(400, "prompt must be a string")
    return None


def error(status: int, message: str) -> Page:
    return status, {"Content-Type": "application/json"}, json.dumps({"error": {"message": message}}).encode()


async def generate(kind: ServerKind, path: str, body: dict, writer: asyncio.StreamWriter) -> bool:
    """The answer to a POST, by the manners of its kind."""
    most = int(body.get("max_tokens") or body.get("max_completion_tokens") or 16)
    tokens = max(1, round(most * kind.length))
    chat = path.endswith(CHAT)
    async with kind.places:
        if not body.get("stream") or kind.stream == "none":
            await asyncio.sleep(kind.ttft_s + kind.tpot_s * (tokens - 1))
            whole = json.dumps(document(kind, body, tokens, chat)).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(whole) + whole)
        else:
            await streamed(kind, body, tokens, chat, writer)
        await writer.drain()
    return kind.http == "chunked" or not body.get("stream")


async def streamed(kind: ServerKind, body: dict, tokens: int, chat: bool, writer: asyncio.StreamWriter) -> None:
    chunked = kind.http == "chunked"
    version = "1.0" if kind.http == "1.0" else "1.1"
    how = "Transfer-Encoding: chunked" if chunked else "Connection: close"
    head = f"HTTP/{version} 200 OK\r\nContent-Type: text/event-stream\r\n{how}\r\n\r\n".encode()
    pieces = [event(kind, i, tokens, chat) for i in range(tokens)]
    pieces[-1] += ending(kind, body, tokens)
    if kind.stream == "one piece":
        await asyncio.sleep(kind.ttft_s + kind.tpot_s * (tokens - 1))
        pieces = [b"".join(pieces)]
    writer.write(head)
    start = asyncio.get_running_loop().time()
    for i, piece in enumerate(pieces):
        if kind.stream == "paced":
            due = start + kind.ttft_s + i * kind.tpot_s
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        writer.write(b"0\r\n\r\n")


def event(kind: ServerKind, i: int, tokens: int, chat: bool) -> bytes:
    """The event of token `i`, with a comment before it where the kind sends some."""
    text = {"delta": {"content": " a"}} if chat else {"text": " a"}
    choice = {"index": 0, **text, "finish_reason": "length" if i == tokens - 1 else None}
    name = "chat.completion.chunk" if chat else "text_completion"
    data = b"data: " + json.dumps({"id": "x", "object": name, "model": "m", "choices": [choice]}).encode() + b"\n\n"
    return (b": keep-alive\n\n" if kind.comments else b"") + data


def ending(kind: ServerKind, body: dict, tokens: int) -> bytes:
    last = b""
    if kind.usage and (body.get("stream_options") or {}).get("include_usage"):
        last += b"data: " + json.dumps({"id": "x", "choices": [], "usage": usage(body, tokens)}).encode() + b"\n\n"
    return last + (b"data: [DONE]\n\n" if kind.done else b"")


def usage(body: dict, tokens: int) -> dict[str, int]:
    prompt = body.get("prompt", body.get("messages"))
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        prompt = " ".join(str(m.get("content", "")) for m in prompt)
    count = round(1.25 * len(prompt.split())) if isinstance(prompt, str) else len(prompt or ())
    return {"prompt_tokens": count, "completion_tokens": tokens, "total_tokens": count + tokens}


def document(kind: ServerKind, body: dict, tokens: int, chat: bool) -> dict:
    text = " a" * tokens
    inside = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    whole = {"id": "x", "object": "chat.completion" if chat else "text_completion", "model": "m"}
    choices = [{"index": 0, **inside, "finish_reason": "length"}]
    return whole | {"choices": choices} | ({"usage": usage(body, tokens)} if kind.usage else {})


async def main() -> None:
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main())
