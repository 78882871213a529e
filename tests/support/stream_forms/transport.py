"""Content types, line ends, keep-alives, ends."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.stream_forms.writing import (
    DONE,
    END,
    FIN,
    LAST_MS,
    ONE_PIECE,
    ROLE,
    SSE,
    USAGE,
    Form,
    N,
    Truth,
    chunk,
    event,
    line,
    rewritten,
    script,
    text_chunk,
    tok,
    whole,
)


def forms() -> dict[str, Form]:
    """Content types, line ends, keep-alives, ends."""
    one = replace(ONE_PIECE, usage=True)
    body = json.dumps(whole()).encode()
    lines = script(write=line, end=(FIN, USAGE))
    texts = script([text_chunk(f" w{i}") for i in range(N)], (text_chunk("", "length"), USAGE), (), write=line)
    typed = {
        "sse_charset": "text/event-stream; charset=utf-8",
        "sse_as_json": "application/json",
        "sse_as_plain": "text/plain; charset=utf-8",
        "sse_as_octets": "application/octet-stream",
        "sse_as_ndjson": "application/x-ndjson",
        "sse_as_html": "text/html",
        "sse_untyped": "",
        "sse_upper_case": "Text/Event-Stream",
    }
    forms = {name: Form(script(), content_type=kind) for name, kind in typed.items()}
    named = {"typed": "application/x-ndjson", "as_json": "application/json", "as_plain": "text/plain", "untyped": ""}
    forms |= {f"ndjson_{name}": Form(lines, content_type=kind) for name, kind in {**named, "as_sse": SSE}.items()}
    forms |= {
        "plain": Form(script()),
        "ndjson_text_completions": Form(texts, content_type="application/json"),
        "ndjson_crlf": Form(rewritten(lambda b: b.replace(b"\n", b"\r\n"), lines), content_type="application/jsonl"),
        "sse_comment_first_untyped": Form([(5, b": hello\n\n"), *script()], content_type=""),
        "blank_lines_then_json": Form([(20, b"\n"), (40, b"\n\n"), (LAST_MS, body)], one, "application/json"),
        "json_body": Form([(LAST_MS, body)], one, "application/json"),
        "json_body_newline": Form([(LAST_MS, body + b"\n")], one, "application/json"),
        "json_body_pretty": Form([(LAST_MS, json.dumps(whole(), indent=2).encode())], one, "application/json"),
        "json_body_bom": Form([(LAST_MS, b"\xef\xbb\xbf" + body)], one, "application/json"),
        "json_body_as_sse": Form([(LAST_MS, body)], one),
        "json_body_pretty_as_sse": Form([(LAST_MS, json.dumps(whole(), indent=2).encode())], one),
        "json_body_as_ndjson": Form([(LAST_MS, body + b"\n")], one, "application/x-ndjson"),
        "json_body_untyped": Form([(LAST_MS, body)], one, ""),
        "uncounted_in_one_piece": Form(
            [(LAST_MS, json.dumps({**whole(), "usage": None}).encode())],
            Truth(osl=None, isl=-1, ttft_ms=None, tpot_ms=None, usage=False),
            "application/json",
        ),
        "uncounted_in_one_event": Form(
            [(LAST_MS, event(chunk({"content": " word" * N}, "stop"))), (LAST_MS, DONE)],
            Truth(osl=None, isl=-1, ttft_ms=None, tpot_ms=None, usage=False),
        ),
        "message_in_one_event": Form([(LAST_MS, event(whole())), (LAST_MS, DONE)], one),
        "one_event_of_all_tokens": Form(script([chunk({"content": " w" * N})], first=LAST_MS), one),
        "all_events_at_once": Form([(LAST_MS, b"".join(data for _, data in script()))], one),
        "crlf": Form(rewritten(lambda b: b.replace(b"\n", b"\r\n"))),
        "cr": Form(rewritten(lambda b: b.replace(b"\n", b"\r"))),
        "mixed_line_ends": Form(rewritten(lambda b: b.replace(b"\n\n", b"\r\n\n"))),
        "bom": Form([(0, b"\xef\xbb\xbf"), *script()]),
        "bom_untyped": Form([(0, b"\xef\xbb\xbf" + event(ROLE)), *script()], content_type=""),
        "no_space": Form(rewritten(lambda b: b.replace(b"data: ", b"data:"))),
        "two_spaces": Form(rewritten(lambda b: b.replace(b"data: ", b"data:  "))),
        "single_newlines": Form(rewritten(lambda b: b.replace(b"\n\n", b"\n"))),
        "three_newlines": Form(rewritten(lambda b: b.replace(b"\n\n", b"\n\n\n"))),
        "leading_newline": Form([(at, b"\n" + data.removesuffix(b"\n")) for at, data in script()]),
        "ids_and_retry": Form([(0, b"retry: 3000\n\n"), *[(at, b"id: 7\n" + d) for at, d in script()]]),
        "id_after_data": Form(rewritten(lambda b: b[:-1] + b"id: 7\n\n")),
        "named_events": Form(rewritten(lambda b: b"event: message\n" + b)),
        "named_after_data": Form(rewritten(lambda b: b[:-1] + b"event: chunk\n\n")),
        "data_over_several_lines": Form(rewritten(_spread)),
        "ping_and_event_in_one": Form(rewritten(lambda b: b"data: ping\n" + b)),
        "empty_data": Form([(10, b"data: \n\n"), *script()]),
        "empty_data_no_space": Form([(10, b"data:\n\n"), (15, b"data\n\n"), *script()]),
        "blank_data": Form([(10, b"data:    \n\n"), *script()]),
        "empty_object": Form([(10, b"data: {}\n\n"), *script()]),
        "empty_list": Form([(10, b"data: []\n\n"), *script()]),
        "null_data": Form([(10, b"data: null\n\n"), *script()]),
        "word_ping": Form([(10, b"data: ping\n\n"), (12, b"data: keep-alive\n\n"), *script()]),
        "words_while_waiting": Form([(10, b"data: processing\n\n"), (12, b"data: queued: 3 ahead\n\n"), *script()]),
        "queue_message": Form([(10, event({"message": "queued", "position": 3})), *script()]),
        "queue_status": Form(
            [(10, event({"object": "status", "status": "queued", "message": "Waiting in queue"})), *script()]
        ),
        "queue_code": Form([(10, event({"code": 102, "message": "Processing"})), *script()]),
        "comments": Form([(at, b": ping\n\n" + data + b":\n\n") for at, data in script()]),
        "comment_in_event": Form(rewritten(lambda b: b": OPENROUTER PROCESSING\n" + b)),
        "event_ping": Form([(10, b"event: ping\n\n"), (12, b'event: ping\ndata: {"type": "ping"}\n\n'), *script()]),
        "event_ping_with_words": Form([(10, b"event: ping\ndata: 2026-11-29 12:00:00\n\n"), *script()]),
        "event_heartbeat": Form([(10, b"event: heartbeat\ndata: 1\n\n"), *script()]),
        "done_blank": Form(script(end=(FIN, USAGE, b"data: [DONE] \n\n"))),
        "done_no_space": Form(script(end=(FIN, USAGE, b"data:[DONE]\n\n"))),
        "done_quoted": Form(script(end=(FIN, USAGE, b'data: "[DONE]"\n\n'))),
        "done_lower_case": Form(script(end=(FIN, USAGE, b"data: [done]\n\n"))),
        "done_unclosed": Form(script(end=(FIN, USAGE, b"data: [DONE]"))),
        "done_one_newline": Form(script(end=(FIN, USAGE, b"data: [DONE]\n"))),
        "done_event": Form(script(end=(FIN, USAGE, b"event: done\ndata: bye\n\n"))),
        "done_twice": Form(script(end=(*END, DONE))),
        "done_bare": Form(script(write=line, end=(FIN, USAGE, b"[DONE]\n")), content_type="application/x-ndjson"),
        "no_done": Form(script(end=(FIN, USAGE))),
        "no_finish_reason": Form(script(end=(USAGE, DONE))),
        "usage_ends_it": Form(script(end=(USAGE,))),
        "events_after_done": Form(script(end=(*END, b": bye\n\n", tok(99), b"data: rubbish\n\n"))),
        "usage_after_done": Form(script(end=(FIN, DONE, USAGE))),
        "unclosed_last_event": Form(script(end=(FIN, event(USAGE)[:-2]))),
    }  # fmt: skip
    return forms


def _spread(data: bytes) -> bytes:
    """An event with its JSON over several data lines."""
    if data == DONE:
        return data
    text = json.dumps(json.loads(data[6:]), indent=1).encode()
    return b"".join(b"data: " + part + b"\n" for part in text.split(b"\n")) + b"\n"
