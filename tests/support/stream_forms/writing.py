"""How a form is written: its bytes with their times, and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

N, FIRST_MS, GAP_MS, PROMPT = 20, 100, 10, 11
LAST_MS = FIRST_MS + (N - 1) * GAP_MS
SSE = "text/event-stream"
Json = dict[str, object]
Pieces = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What must come of a form: output tokens as used, times in ms (None: absent), and words of a failure or note."""

    status: str = "ok"
    osl: int | None = N
    isl: int = PROMPT
    ttft_ms: float | None = FIRST_MS
    tpot_ms: float | None = GAP_MS
    hidden: int = 0
    usage: bool = True
    words: str = ""


TRUE = Truth()
UNCOUNTED = replace(TRUE, usage=False, isl=-1)
ONE_PIECE = replace(TRUE, ttft_ms=None, tpot_ms=None)


@dataclass(frozen=True, slots=True)
class Form:
    """Bytes of a body by the time they are sent, in ms after the request, and its content type."""

    pieces: Pieces
    truth: Truth = TRUE
    content_type: str = SSE


def usage(output: object = N, prompt: object = PROMPT, total: object = PROMPT + N, **more: object) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": total, **more}


def thought(n: int) -> Json:
    return {"completion_tokens_details": {"reasoning_tokens": n}}


def chunk(delta: object, finish: object = None, **more: object) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def text_chunk(text: object, finish: object = None, **more: object) -> Json:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], **more}


def event(document: object) -> bytes:
    if isinstance(document, bytes):
        return document
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def line(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode() + b"\n"


ROLE, FIN = chunk({"role": "assistant", "content": ""}), chunk({}, "stop")
USAGE: Json = {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage()}
DONE = b"data: [DONE]\n\n"
END = (FIN, USAGE, DONE)


def tok(i: int, **more: object) -> Json:
    return chunk({"content": f" w{i}"}, **more)


def script(
    tokens: Sequence[object] = (),
    end: Sequence[object] = END,
    before: Sequence[object] = (ROLE,),
    first: int = FIRST_MS,
    write: Callable[[object], bytes] = event,
) -> Pieces:
    tokens = tokens or [tok(i) for i in range(N)]
    last = first + (len(tokens) - 1) * GAP_MS
    return [
        *[(20, write(b)) for b in before],
        *[(first + i * GAP_MS, write(t)) for i, t in enumerate(tokens)],
        *[(last + 1, write(e)) for e in end],
    ]


def deltas(*names: str, value: Callable[[str], object] = str, rest: Json | None = None, n: int = 10) -> list[Json]:
    """A token in each of the fields, `n` times, then text up to the full length."""
    fields = [{**{name: value(f" r{i}") for name in names}, **(rest or {})} for i in range(n)]
    return [*map(chunk, fields), *[tok(i) for i in range(n, N)]]


def rewritten(change: Callable[[bytes], bytes], pieces: Pieces | None = None) -> Pieces:
    return [(at, change(data)) for at, data in pieces or script()]


def with_usage(at: Callable[[int], object], **places: object) -> list[Json]:
    return [tok(i, usage=at(i), **places) for i in range(N)]


def whole(**more: object) -> Json:
    text = "".join(f" w{i}" for i in range(N))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage(), **more}
