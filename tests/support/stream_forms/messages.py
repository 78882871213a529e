"""Streams of Anthropic's Messages: named events, blocks, counts at the start and at the end."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.stream_forms.writing import (
    FIRST_MS,
    ONE_PIECE,
    PROMPT,
    TRUE,
    Form,
    Json,
    N,
    Pieces,
    line,
    rewritten,
    script,
)

CREATED, READ = 5, 3
"""Prompt tokens written to the cache and read from it, which `input_tokens` leaves out."""


def named(document: object) -> bytes:
    if isinstance(document, bytes):
        return document
    assert isinstance(document, dict)
    return b"event: %b\ndata: %b\n\n" % (document["type"].encode(), json.dumps(document).encode())


def start(**counts: object) -> Json:
    usage = {"input_tokens": PROMPT, "output_tokens": 1, **counts}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage}
    return {"type": "message_start", "message": message}


def block(index: int, **fields: object) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, **fields: object) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def text(i: int) -> Json:
    return delta(0, type="text_delta", text=f" w{i}")


def stopped(reason: str = "end_turn", output: object = N, **counts: object) -> Json:
    usage = {"output_tokens": output, **counts}
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


CLOSE: Json = {"type": "content_block_stop", "index": 0}
STOP: Json = {"type": "message_stop"}
PING: Json = {"type": "ping"}
BEFORE = (start(), block(0, type="text", text=""), PING)
END = (CLOSE, stopped(), STOP)
OVERLOADED: Json = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def stream(
    tokens: list[Json] | None = None, end: tuple[object, ...] = END, before: tuple[object, ...] = BEFORE
) -> Pieces:
    return script(tokens or [text(i) for i in range(N)], end, before, write=named)


def thinking() -> Pieces:
    """Ten tokens of thought, a signature, ten of text."""
    thoughts = [delta(0, type="thinking_delta", thinking=f" t{i}") for i in range(10)]
    texts = [delta(1, type="text_delta", text=f" w{i}") for i in range(10)]
    pieces = script([*thoughts, *texts], END, (start(), block(0, type="thinking", thinking="")), write=named)
    between = [delta(0, type="signature_delta", signature="c2ln"), CLOSE, block(1, type="text", text="")]
    at = FIRST_MS + 95
    return sorted([*pieces, *[(at, named(e)) for e in between]], key=lambda piece: piece[0])


def tools() -> Pieces:
    """Two calls in parallel: each a name and nine pieces of arguments."""
    tokens: list[Json] = []
    for index in range(2):
        tokens.append(block(index, type="tool_use", id=f"t{index}", name="read", input={}))
        tokens += [
            delta(index, type="input_json_delta", partial_json=part) for part in ('{"path":"', *"abcdef", '"', "}")
        ]
    return stream(tokens, (CLOSE, stopped("tool_use"), STOP), (start(),))


def whole(**fields: object) -> Json:
    usage = {"input_tokens": PROMPT, "output_tokens": N}
    content = [{"type": "text", "text": "".join(f" w{i}" for i in range(N))}]
    return {"id": "m", "type": "message", "role": "assistant", "content": content, "usage": usage, **fields}


def forms() -> dict[str, Form]:
    beside = {"cache_creation_input_tokens": CREATED, "cache_read_input_tokens": READ}
    cached = (start(input_tokens=PROMPT - CREATED - READ, **beside), *BEFORE[1:])
    failed = replace(TRUE, status="in_band_error", words="Overloaded")
    return {
        "messages": Form(stream()),
        "messages, CRLF": Form(rewritten(lambda data: data.replace(b"\n", b"\r\n"), stream())),
        "messages, comments": Form(rewritten(lambda data: b": keep-alive\n\n" + data, stream())),
        "messages, without event names": Form(
            rewritten(lambda data: data[data.index(b"data:") :], stream()),
        ),
        "messages, cached prompt": Form(stream(before=cached)),
        "messages, counts of the prompt again at the end": Form(
            stream(before=cached, end=(CLOSE, stopped(input_tokens=PROMPT - CREATED - READ), STOP))
        ),
        "messages, counts of the prompt at the end only": Form(
            stream(
                before=({"type": "message_start", "message": {"role": "assistant"}}, *BEFORE[1:]),
                end=(CLOSE, stopped(input_tokens=PROMPT), STOP),
            )
        ),
        "messages, thinking": Form(thinking()),
        "messages, tools in parallel": Form(tools()),
        "messages, a stop reason without counts": Form(
            stream(end=(CLOSE, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP)),
            replace(TRUE, usage=False),
        ),
        "messages, [DONE] at the end": Form(stream(end=(*END, b"data: [DONE]\n\n"))),
        "messages, an event of tomorrow": Form(stream(before=(*BEFORE, {"type": "content_block_magic", "index": 7}))),
        "messages, cut": Form(stream(end=()), replace(TRUE, status="truncated")),
        "messages, an error": Form(stream(end=(OVERLOADED,)), failed),
        "messages, an error at once": Form([(20, named(OVERLOADED))], failed),
        "messages, no text": Form(
            [(20, named(BEFORE[0])), (30, named(stopped(output=0))), (31, named(STOP))],
            replace(TRUE, status="empty", words="end_turn"),
        ),
        "messages, whole": Form([(FIRST_MS, line(whole(stop_reason="end_turn")))], ONE_PIECE, "application/json"),
        "messages, whole with tools": Form(
            [
                (
                    FIRST_MS,
                    line(whole(content=[{"type": "tool_use", "id": "t", "name": "read", "input": {"p": 1}}])),
                )
            ],
            ONE_PIECE,
            "application/json",
        ),
        "messages, text that is a number": Form(
            [(20, named(BEFORE[0])), (100, named(delta(0, type="text_delta", text=7)))],
            replace(TRUE, status="malformed", words="text is a number"),
        ),
        "messages, a delta that is a list": Form(
            [(20, named(BEFORE[0])), (100, named({"type": "content_block_delta", "delta": [1]}))],
            replace(TRUE, status="malformed", words="delta is a list"),
        ),
    }
