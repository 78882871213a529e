"""Where the text of a token is, and its reasoning."""

# ruff: noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.support.stream_forms.writing import (
    DONE,
    END,
    FIN,
    FIRST_MS,
    LAST_MS,
    ROLE,
    TRUE,
    USAGE,
    Form,
    Json,
    N,
    Truth,
    chunk,
    deltas,
    event,
    script,
    text_chunk,
    thought,
    tok,
    usage,
    whole,
)


def forms() -> dict[str, Form]:
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


def forms_with_reasoning() -> dict[str, Form]:
    """Reasoning in every field, and reasoning that is not sent."""
    end = (FIN, {**USAGE, "usage": usage(**thought(10))}, DONE)
    fields = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_content", "thoughts", "thought")
    forms = {f"in_{name}": Form(script(deltas(name), end)) for name in fields}
    details: dict[str, Callable[[str], object]] = {
        "reasoning_details": lambda t: [{"type": "reasoning.text", "text": t, "index": 0}],
        "reasoning_summary": lambda t: [{"type": "reasoning.summary", "summary": t}],
    }
    forms |= {
        name: Form(script(deltas("reasoning_details", value=v, rest={"content": ""}), end))
        for name, v in details.items()
    }
    hidden = replace(TRUE, ttft_ms=200, hidden=10)
    late = [tok(i) for i in range(10)]
    xai = (FIN, {**USAGE, "usage": usage(10, **thought(10))}, DONE)
    growing = [tok(i, usage=usage(11 + i, total=22 + i, **thought(10))) for i in range(10)]
    forms |= {
        "reasoning_and_details": Form(
            script(deltas("reasoning", rest={"reasoning_details": [{"type": "reasoning.text", "text": " r"}]}), end)
        ),
        "thinking_blocks": Form(
            script(deltas("thinking_blocks", value=lambda t: [{"type": "thinking", "thinking": t, "signature": "s"}]), end)
        ),
        "reasoning_object": Form(script(deltas("reasoning", value=lambda t: {"content": t}), end)),
        "reasoning_flags": Form(
            script([chunk({"content": f" w{i}", "thinking": False, "reasoning_effort": "low", "thinking_time": 3}) for i in range(N)])
        ),
        "think_tags": Form(script([chunk({"content": "<think>"}), *[tok(i) for i in range(N - 1)]], end)),
        "think_tags_in_chunks": Form(
            script([chunk({"content": "<think> ab"}), *[chunk({"content": " abcdefghi"}) for _ in range(9)]], end),
            replace(TRUE, tpot_ms=90 / 19),
        ),
        "usage_without_reasoning": Form(script(deltas("reasoning_content"), xai)),
        "usage_without_reasoning_or_total": Form(
            script([*deltas("reasoning_content", n=12)], (FIN, {**USAGE, "usage": usage(8, total=None, **thought(12))}, DONE))
        ),
        "hidden": Form(script(late, end, first=200), hidden),
        "hidden_flat": Form(script(late, (FIN, {**USAGE, "usage": usage(reasoning_tokens=10)}, DONE), first=200), hidden),
        "hidden_outside_output": Form(script(late, xai, first=200), hidden),
        "total_beyond_the_chunks": Form(script(late, (FIN, {**USAGE, "usage": usage(10)}, DONE), first=200), replace(hidden, osl=10, hidden=0)),
        "reasoning_in_total_only": Form(script(deltas("reasoning_content"), (FIN, {**USAGE, "usage": usage(10)}, DONE))),
        "hidden_usage_in_every_chunk": Form(script(growing, (FIN, {**USAGE, "usage": usage(**thought(10))}, DONE), first=200), hidden),
        "hidden_encrypted": Form(
            script(late, end, (ROLE, chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]})), 200),
            hidden,
        ),
        "hidden_with_signature": Form(script(late, end, (ROLE, chunk({"reasoning_opaque": "x", "thought_signature": "y"})), 200), hidden),
        "hidden_several_tokens_a_chunk": Form(
            script([chunk({"content": " ab cd"}) for _ in range(5)], end, first=200), replace(hidden, tpot_ms=40 / 9)
        ),
        "reasoning_used_all": Form(
            script([chunk({"content": ""})], (chunk({}, "length"), {**USAGE, "usage": usage(**thought(20))}, DONE)),
            Truth(status="empty", osl=None, ttft_ms=None, tpot_ms=None, words="20 reasoning tokens"),
        ),
    }  # fmt: skip
    return forms
