"""Forms in which OpenAI-compatible servers stream an answer, each with what a client must make of it.

Unless a form says otherwise its truth is 20 output tokens for 11 of the prompt, the first 100 ms after the request and
one every 10 ms, so TTFT is 100 ms, TPOT 10 ms and E2E 290 ms.
"""

# ruff: noqa: E501 - a table

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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


def failing(words: str, *events: object, status: str = "in_band_error", after: int = 0, **more: object) -> Form:
    """An answer that ends in a failure, after some tokens."""
    tokens = [(FIRST_MS + i * GAP_MS, event(tok(i))) for i in range(after)]
    at = FIRST_MS + after * GAP_MS
    truth = Truth(status=status, osl=None, ttft_ms=None, tpot_ms=None, words=words)
    return Form([(20, event(ROLE)), *tokens, *[(at, event(e)) for e in events]], truth, **more)


def plain(words: str, body: bytes, status: str = "in_band_error", content_type: str = "application/json") -> Form:
    truth = Truth(status=status, osl=None, ttft_ms=None, tpot_ms=None, words=words)
    return Form([(FIRST_MS, body)], truth, content_type)


def _transport() -> dict[str, Form]:
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


def _content() -> dict[str, Form]:
    """Where the text of a token is."""

    def parts(kind: str, name: str) -> Callable[[str], object]:
        return lambda text: [{"type": kind, name: text}]

    def call(i: int) -> Json:
        head = {"id": "1", "type": "function"} if i == 0 else {}
        return {
            "tool_calls": [{"index": 0, **head, "function": {"arguments": f'"a{i}'} | ({"name": "f"} if not i else {})}]
        }

    early = script(before=())
    return {
        "role_null": Form(script(before=(chunk({"role": "assistant", "content": None}),))),
        "role_alone": Form(script(before=(chunk({"role": "assistant"}),))),
        "role_twice": Form(script(before=(ROLE, ROLE))),
        "role_absent": Form(early),
        "role_in_every_chunk": Form(script([chunk({"role": "assistant", "content": f" w{i}"}) for i in range(N)])),
        "nulls_in_every_chunk": Form(
            script(
                [
                    chunk({"content": f" w{i}", "reasoning_content": None, "tool_calls": None, "refusal": None, "audio": None})
                    for i in range(N)
                ]
            )
        ),
        "empty_lists_in_every_chunk": Form(script([chunk({"content": f" w{i}", "tool_calls": [], "annotations": []}) for i in range(N)])),
        "finish_with_content": Form(script([*[tok(i) for i in range(N - 1)], chunk({"content": " w"}, "length")], (USAGE, DONE))),
        "finish_null_delta": Form(script(end=(chunk(None, "stop"), USAGE, DONE))),
        "finish_empty_content": Form(script(end=(chunk({"content": ""}, "stop"), USAGE, DONE))),
        "finish_as_object": Form(script(end=(chunk({}, {"type": "length", "length": 20}), USAGE, DONE))),
        "empty_chunks_between": Form(script([t for i in range(N) for t in [tok(i)]], before=(ROLE, chunk({}), chunk({"content": ""})))),
        "content_filter_short": Form(script([tok(i) for i in range(6)], (chunk({}, "content_filter"), {**USAGE, "usage": usage(6, total=17)}, DONE)), replace(TRUE, osl=6)),
        "azure_filter_results": Form(script(before=({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}]}, ROLE))),
        "message_at_the_end": Form(script(end=({**whole(), "object": "chat.completion.chunk"}, DONE))),
        "delta_and_message": Form(
            script([{"choices": [{"index": 0, "delta": {"content": f" w{i}"}, "message": {"content": " w" * (i + 1)}, "finish_reason": None}]} for i in range(N)])
        ),
        "messages_only": Form(
            script([{"choices": [{"index": 0, "message": {"role": "assistant", "content": f" w{i}"}, "finish_reason": None}]} for i in range(N)], before=())
        ),
        "text_completions": Form(script([text_chunk(f" w{i}") for i in range(N)], (text_chunk("", "length"), USAGE, DONE), ())),
        "content_parts": Form(script(deltas("content", value=parts("text", "text")))),
        "content_parts_output_text": Form(script(deltas("content", value=parts("output_text", "text")))),
        "content_strings": Form(script(deltas("content", value=lambda t: [t]))),
        "content_thinking_parts": Form(
            script(deltas("content", value=lambda t: [{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]))
        ),
        "content_nested_parts": Form(script(deltas("content", value=lambda t: {"parts": [t]}))),
        "content_object": Form(script(deltas("content", value=lambda t: {"type": "text", "text": t}))),
        "content_image_part": Form(script(before=(chunk({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}),))),
        "refusal": Form(script(deltas("refusal"))),
        "audio_transcript": Form(script(deltas("audio", value=lambda t: {"id": "a", "transcript": t}))),
        "tool_calls": Form(script([chunk(call(i)) for i in range(N)], (chunk({}, "tool_calls"), USAGE, DONE))),
        "tool_calls_as_objects": Form(script([chunk({"tool_calls": [{"function": {"name": "f", "arguments": {"a": i}}}]}) for i in range(N)])),
        "custom_tool_calls": Form(script([chunk({"tool_calls": [{"type": "custom", "custom": {"name": "", "input": f"x{i}"}}]}) for i in range(N)])),
        "function_call": Form(script([chunk({"function_call": {"arguments": f"x{i}"}}) for i in range(N)], (chunk({}, "function_call"), USAGE, DONE))),
        "escapes_and_unicode": Form(script([chunk({"content": c}) for c in ('"', "\\", "é", "\n", "😀") * 4])),
        "token_ids": Form(script([{"choices": [{"index": 0, "text": "", "token_ids": [i], "finish_reason": None}]} for i in range(N)], before=())),
        "logprobs": Form(script([{"choices": [{"index": 0, "delta": {"content": " w"}, "logprobs": {"content": [{"token": " w"}]}, "finish_reason": None}]} for _ in range(N)])),
        "several_tokens_a_chunk": Form(
            script([chunk({"content": " www" * 4}) for _ in range(5)]), replace(TRUE, tpot_ms=40 / 19)
        ),
        "characters": Form(
            [(20, event(ROLE)), *[(FIRST_MS + 5 * k, event(chunk({"content": "x"}))) for k in range(39)], *[(LAST_MS + 1, event(e)) for e in END]]
        ),
    }  # fmt: skip


def _reasoning() -> dict[str, Form]:
    """Reasoning in every field, and reasoning that is not sent."""
    told = (FIN, {**USAGE, "usage": usage(**thought(10))}, DONE)
    fields = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_content", "thoughts", "thought")
    forms = {f"in_{name}": Form(script(deltas(name), told)) for name in fields}
    details: dict[str, Callable[[str], object]] = {
        "reasoning_details": lambda t: [{"type": "reasoning.text", "text": t, "index": 0}],
        "reasoning_summary": lambda t: [{"type": "reasoning.summary", "summary": t}],
    }
    forms |= {
        name: Form(script(deltas("reasoning_details", value=v, rest={"content": ""}), told))
        for name, v in details.items()
    }
    hidden = replace(TRUE, ttft_ms=200, hidden=10)
    late = [tok(i) for i in range(10)]
    xai = (FIN, {**USAGE, "usage": usage(10, **thought(10))}, DONE)
    growing = [tok(i, usage=usage(11 + i, total=22 + i, **thought(10))) for i in range(10)]
    forms |= {
        "reasoning_and_details": Form(
            script(deltas("reasoning", rest={"reasoning_details": [{"type": "reasoning.text", "text": " r"}]}), told)
        ),
        "thinking_blocks": Form(
            script(deltas("thinking_blocks", value=lambda t: [{"type": "thinking", "thinking": t, "signature": "s"}]), told)
        ),
        "reasoning_object": Form(script(deltas("reasoning", value=lambda t: {"content": t}), told)),
        "reasoning_flags": Form(
            script([chunk({"content": f" w{i}", "thinking": False, "reasoning_effort": "low", "thinking_time": 3}) for i in range(N)])
        ),
        "think_tags": Form(script([chunk({"content": "<think>"}), *[tok(i) for i in range(N - 1)]], told)),
        "think_tags_in_chunks": Form(
            script([chunk({"content": "<think> ab"}), *[chunk({"content": " abcdefghi"}) for _ in range(9)]], told),
            replace(TRUE, tpot_ms=90 / 19),
        ),
        "usage_without_reasoning": Form(script(deltas("reasoning_content"), xai)),
        "usage_without_reasoning_or_total": Form(
            script([*deltas("reasoning_content", n=12)], (FIN, {**USAGE, "usage": usage(8, total=None, **thought(12))}, DONE))
        ),
        "hidden": Form(script(late, told, first=200), hidden),
        "hidden_flat": Form(script(late, (FIN, {**USAGE, "usage": usage(reasoning_tokens=10)}, DONE), first=200), hidden),
        "hidden_outside_output": Form(script(late, xai, first=200), hidden),
        "total_beyond_the_chunks": Form(script(late, (FIN, {**USAGE, "usage": usage(10)}, DONE), first=200), replace(hidden, osl=10, hidden=0)),
        "reasoning_in_total_only": Form(script(deltas("reasoning_content"), (FIN, {**USAGE, "usage": usage(10)}, DONE))),
        "hidden_usage_in_every_chunk": Form(script(growing, (FIN, {**USAGE, "usage": usage(**thought(10))}, DONE), first=200), hidden),
        "hidden_encrypted": Form(
            script(late, told, (ROLE, chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]})), 200),
            hidden,
        ),
        "hidden_with_signature": Form(script(late, told, (ROLE, chunk({"reasoning_opaque": "x", "thought_signature": "y"})), 200), hidden),
        "hidden_several_tokens_a_chunk": Form(
            script([chunk({"content": " ab cd"}) for _ in range(5)], told, first=200), replace(hidden, tpot_ms=40 / 9)
        ),
        "reasoning_used_all": Form(
            script([chunk({"content": ""})], (chunk({}, "length"), {**USAGE, "usage": usage(**thought(20))}, DONE)),
            Truth(status="empty", osl=None, ttft_ms=None, tpot_ms=None, words="20 reasoning tokens"),
        ),
    }  # fmt: skip
    return forms


def _usage() -> dict[str, Form]:
    """Usage in every place, under every name, with every nonsense."""
    nothing = (FIN, DONE)

    def last(stated: object, **more: object) -> Pieces:
        return script(end=(FIN, {"choices": [], "usage": stated, **more}, DONE))

    def elsewhere(**more: object) -> Pieces:
        return script(end=({**FIN, **more}, DONE))

    gemini = {"promptTokenCount": PROMPT, "candidatesTokenCount": N, "totalTokenCount": PROMPT + N}
    return {
        "usage_first_1": Form(script((), nothing, ({**ROLE, "usage": usage(1, total=12)},)), replace(TRUE, usage=False)),
        "usage_first_0": Form(script((), nothing, ({**ROLE, "usage": usage(0, total=11)},)), replace(TRUE, usage=False)),
        "usage_first_and_last": Form(script((), ({**FIN, "usage": usage()}, DONE), ({**ROLE, "usage": usage(1)},))),
        "usage_first_without_role": Form(script((), END, (chunk({}, usage=usage(1)),))),
        "usage_in_own_chunk_first": Form(script((), END, ({"choices": [], "usage": usage(1, total=12)}, ROLE))),
        "usage_every_chunk": Form(script(with_usage(lambda i: usage(i + 1, total=12 + i)), before=({**ROLE, "usage": usage(0)},))),
        "usage_every_chunk_from_1": Form(script(with_usage(lambda i: usage(i + 1)), before=({**ROLE, "usage": usage(1)},))),
        "usage_every_chunk_no_end": Form(script(with_usage(lambda i: usage(i + 1)), nothing)),
        "usage_every_chunk_zero_but_last": Form(script(with_usage(lambda i: usage(0, 0, 0)), before=({**ROLE, "usage": usage(0, 0, 0)},))),
        "usage_every_chunk_zero": Form(script(with_usage(lambda i: usage(0, 0, 0)), nothing), UNCOUNTED),
        "usage_every_chunk_one": Form(script(with_usage(lambda i: usage(1, total=12)), nothing), replace(TRUE, usage=False)),
        "usage_every_chunk_all": Form(script(with_usage(lambda i: usage()), ({**FIN, "usage": usage()}, DONE))),
        "usage_every_chunk_null": Form(script(with_usage(lambda i: None))),
        "usage_every_chunk_empty": Form(script(with_usage(lambda i: {}))),
        "usage_own_chunk_after_every_token": Form(
            script([event(tok(i)) + event({"choices": [], "usage": usage(i + 1)}) for i in range(N)], nothing)
        ),
        "usage_in_finish_chunk": Form(script(end=({**FIN, "usage": usage()}, DONE))),
        "usage_in_last_token": Form(script([*[tok(i) for i in range(N - 1)], chunk({"content": " w"}, "stop", usage=usage())], (DONE,))),
        "usage_then_zeros": Form(script(end=({**FIN, "usage": usage()}, {"choices": [], "usage": usage(0, 0, 0)}, DONE))),
        "usage_no_choices": Form(script(end=(FIN, {"usage": usage()}, DONE))),
        "usage_null_choices": Form(script(end=(FIN, {"choices": None, "usage": usage()}, DONE))),
        "usage_empty_delta": Form(script(end=(FIN, chunk({}, usage=usage()), DONE))),
        "usage_absent": Form(script(end=nothing), UNCOUNTED),
        "usage_total_only": Form(last({"prompt_tokens": PROMPT, "total_tokens": PROMPT + N})),
        "usage_anthropic_names": Form(last({"input_tokens": PROMPT, "output_tokens": N})),
        "usage_split": Form(script((), ({**FIN, "usage": {"output_tokens": N}}, DONE), ({**ROLE, "usage": {"input_tokens": PROMPT, "output_tokens": 1}},))),
        "usage_x_groq": Form(elsewhere(x_groq={"id": "r", "usage": usage()})),
        "usage_gemini": Form(elsewhere(usage_metadata=gemini)),
        "usage_gemini_camel": Form(elsewhere(usageMetadata=gemini)),
        "usage_in_choice": Form(script(end=({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage()}]}, DONE))),
        "usage_timings": Form(elsewhere(timings={"prompt_n": 3, "cache_n": 8, "predicted_n": N, "predicted_ms": 1.0})),
        "usage_timings_every_chunk": Form(
            script([tok(i, timings={"prompt_n": PROMPT, "predicted_n": i + 1}) for i in range(N)], nothing)
        ),
        "usage_details_null": Form(last(usage(prompt_tokens_details=None, completion_tokens_details=None))),
        "usage_strings": Form(last(usage(str(N), str(PROMPT), "31"))),
        "usage_floats": Form(last(usage(float(N), float(PROMPT), 31.0))),
        "usage_negative": Form(last(usage(-1, -1, -1)), UNCOUNTED),
        "usage_u32": Form(last(usage(2**32 - 1, 2**32 - 1, 2**32 - 1)), UNCOUNTED),
        "usage_u64": Form(last(usage(2**64 - 1, 2**63, 2**64 - 1)), UNCOUNTED),
        "usage_neg64": Form(last(usage(-(2**63), PROMPT, None)), replace(UNCOUNTED, isl=PROMPT)),
        "usage_1e300": Form(last(usage(1e300, 1e300, 1e300)), UNCOUNTED),
        "usage_fraction": Form(last(usage(20.5, 11.5, 31.5)), UNCOUNTED),
        "usage_true": Form(last(usage(True, True, True)), UNCOUNTED),
        "usage_words": Form(last(usage("many", "some", "all")), UNCOUNTED),
        "usage_lists": Form(last(usage([20], {"n": 11}, [])), UNCOUNTED),
        "usage_is_text": Form(script(end=({**FIN, "usage": "20"}, DONE)), UNCOUNTED),
        "usage_is_list": Form(script(end=({**FIN, "usage": [20]}, DONE)), UNCOUNTED),
        "usage_is_number": Form(script(end=({**FIN, "usage": 20}, DONE)), UNCOUNTED),
        "usage_total_with_cache_read": Form(
            last(usage(total=PROMPT + N + 1000, cache_read_input_tokens=1000)), replace(TRUE, isl=PROMPT + 1000)
        ),
        "usage_total_with_citations": Form(last(usage(total=PROMPT + N + 100, citation_tokens=100))),
        "usage_impossible": Form(last(usage(2_000_000_000)), replace(UNCOUNTED, isl=PROMPT, words="not believed")),
        "usage_impossible_in_every_chunk": Form(
            script([tok(i, usage=usage(2**31 - 1)) for i in range(N)], nothing), replace(UNCOUNTED, isl=PROMPT)
        ),
        "usage_reasoning_impossible": Form(
            last(usage(2_000_000_000, **thought(2_100_000_000))), replace(UNCOUNTED, isl=PROMPT)
        ),
        "usage_total_too_small": Form(last(usage(total=0))),
        "usage_total_with_cached": Form(last(usage(total=PROMPT + N + 5, prompt_tokens_details={"cached_tokens": 5}))),
    }  # fmt: skip


def _errors() -> dict[str, Form]:
    """Errors in the stream, bodies that are errors, and what is no answer at all."""
    words = "Model is overloaded"
    return {
        "error_object": failing(words, {"error": {"message": words, "code": 503}}, DONE),
        "error_text": failing(words, {"error": words}),
        "error_object_without_words": failing('"code":503', {"error": {"code": 503}}),
        "error_nested": failing(words, {"error": {"error": {"message": words}}}),
        "error_with_choices": failing(words, {**chunk({"content": ""}, "error"), "error": {"message": words}}),
        "error_detail": failing(words, {"detail": words}, DONE),
        "error_detail_list": failing(words, {"detail": [{"msg": words, "loc": ["body"]}]}),
        "error_errors": failing(words, {"errors": [{"message": words}]}),
        "error_object_type": failing(words, {"object": "error", "message": words, "type": "x", "code": 500}),
        "error_type": failing(words, {"type": "error", "error": {"type": "overloaded_error", "message": words}}),
        "error_message_code": failing(words, {"message": words, "code": 500}),
        "error_message_type": failing(words, {"message": words, "type": "server_error", "param": None}),
        "error_code_msg": failing(words, {"code": 1301, "msg": words}),
        "error_code_name": failing(words, {"code": "Throttling.RateQuota", "message": words}),
        "error_status_code": failing(words, {"statusCode": 503, "message": words}),
        "error_status": failing(words, {"status": "error", "message": words}),
        "error_status_number": failing(words, {"status": 500, "message": words}),
        "error_success_false": failing(words, {"success": False, "message": words}),
        "error_error_msg": failing(words, {"error_code": 336100, "error_msg": words}),
        "error_list": failing(words, [{"error": {"message": words}}]),
        "error_event": failing(words, b'event: error\ndata: {"message": "Model is overloaded"}\n\n'),
        "error_event_words": failing(words, b"event: error\ndata: Model is overloaded\n\n"),
        "error_field": failing(words, b'error: {"message": "Model is overloaded"}\n\n'),
        "error_plain_words": failing(words, b"data: Error: Model is overloaded\n\n"),
        "error_bracketed": failing("overloaded", b"data: [ERROR] overloaded\n\n"),
        "error_in_choice": failing(words, {"choices": [{"index": 0, "error": {"message": words}}]}),
        "error_bare_json": failing(words, b'{"error": {"message": "Model is overloaded"}}\n'),
        "error_unclosed": failing(words, b'data: {"error": {"message": "Model is overloaded"}}'),
        "error_after_tokens": failing(words, {"error": {"message": words}}, DONE, after=8),
        "error_after_usage": failing(words, USAGE, {"error": words}, after=8),
        "finish_error": failing("finish_reason 'error'", chunk({}, "error"), DONE, after=8),
        "finish_abort": failing("finish_reason 'abort'", chunk({}, {"type": "abort", "message": "x"}), DONE, after=8),
        "finish_canceled": failing("finish_reason 'canceled'", chunk({}, "canceled"), DONE, after=8),
        "finish_out_of_resources": failing("insufficient", chunk({}, "insufficient_system_resource"), DONE, after=8),
        "no_finish_no_done": failing("without a finish reason", status="truncated", after=8),
        "nothing": failing("contains no tokens", DONE, status="empty"),
        "nothing_filtered": failing("'content_filter'", chunk({}, "content_filter"), DONE, status="empty"),
        "unknown_events": failing('"token"', {"token": {"text": "x"}}, status="empty"),
        "words_alone": failing("it begins 'hello'", b"data: hello\n\n", status="empty"),
        "words_after_tokens": failing("not JSON: 'hello'", b"data: hello\n\n", status="malformed", after=8),
        "words_of_an_error": failing("internal", b"data: internal error\n\n"),
        "json_end_alone": failing("not JSON", b'data: ontent":"x"}}]}\n\n', status="malformed"),
        "json_cut": failing("not JSON", b'data: {"choices": [{"delta"\n\n', DONE, status="malformed"),
        "json_number": failing("not a JSON object: '5'", b"data: 5\n\n", status="malformed"),
        "usage_huge_digits": failing(
            "not JSON", b'data: {"choices":[],"usage":{"completion_tokens":' + b"9" * 5000 + b"}}\n\n", status="malformed"
        ),
        "json_deep": failing("not JSON", b"data: " + b"[" * 5000 + b"]" * 5000 + b"\n\n", status="malformed"),
        "choices_object": failing("choices is an object, not a list", {"choices": {"0": 1}}, status="malformed"),
        "choices_text": failing("choices is text", {"choices": "x"}, status="malformed"),
        "choice_null": failing("choices holds null", {"choices": [None]}, status="malformed"),
        "choice_list": failing("choices holds a list", {"choices": [[]]}, status="malformed"),
        "delta_text": failing("delta is text, not an object", chunk("x"), status="malformed"),
        "delta_list": failing("delta is a list", chunk(["x"]), status="malformed"),
        "message_text": failing("message is text", {"choices": [{"message": "x"}]}, status="malformed"),
        "text_number": failing("text is a number, not text", text_chunk(5), status="malformed"),
        "content_number": failing("content is a number, not text", chunk({"content": 1.5}), status="malformed"),
        "content_boolean": failing("content is a boolean", chunk({"content": False}), status="malformed"),
        "reasoning_number": failing("reasoning_content is a number", chunk({"reasoning_content": 3}), status="malformed"),
        "tool_calls_text": failing("tool_calls is text, not a list", chunk({"tool_calls": "f()"}), status="malformed"),
        "tool_calls_of_texts": failing("tool_calls holds text", chunk({"tool_calls": ["f"]}), status="malformed"),
        "function_text": failing("function is text", chunk({"tool_calls": [{"function": "f"}]}), status="malformed"),
        "endless_event": failing("no end of event", b"data: " + b"x" * 1_100_000, status="malformed"),
        "endless_comment": failing("no end of event", b":" + b"x" * 1_100_000, status="malformed"),
        "wrong_type_after_tokens": failing("delta is text", chunk("x"), status="malformed", after=8),
        "body_error": plain(words, json.dumps({"error": {"message": words}}).encode()),
        "body_error_line": plain(words, json.dumps({"error": words}).encode() + b"\n"),
        "body_error_pretty": plain(words, json.dumps({"error": {"message": words}}, indent=2).encode()),
        "body_error_list": plain(words, json.dumps([{"error": {"message": words, "code": 429}}]).encode()),
        "body_detail": plain(words, json.dumps({"detail": words}).encode()),
        "body_error_as_sse": plain(words, json.dumps({"error": {"message": words}}).encode(), content_type=SSE),
        "body_html": plain("not JSON: '<html>", b"<html><body>Hi</body></html>", "malformed", "text/html"),
        "body_words": plain("not JSON: 'Model", b"Model is overloaded", "malformed", "text/plain"),
        "body_empty_object": plain("contains no tokens", b"{}", "empty"),
        "body_usage_alone": plain("contains no tokens", json.dumps({"choices": [], "usage": usage()}).encode(), "empty"),
        "body_choices_object": plain("choices is an object", b'{"choices": {"a": 1}}', "malformed"),
    }  # fmt: skip


FORMS: dict[str, Form] = {**_transport(), **_content(), **_reasoning(), **_usage(), **_errors()}


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places."""
    edges = [0, *sorted(set(at)), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]
