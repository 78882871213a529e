"""Errors in the stream, bodies that are errors, and what is no answer at all."""

# ruff: noqa: E501 - a table

from __future__ import annotations

import json

from tests.support.stream_forms.writing import (
    DONE,
    FIRST_MS,
    GAP_MS,
    ROLE,
    SSE,
    USAGE,
    Form,
    Truth,
    chunk,
    event,
    text_chunk,
    tok,
    usage,
)


def failing(words: str, *events: object, status: str = "in_band_error", after: int = 0, **more: object) -> Form:
    """An answer that ends in a failure, after some tokens."""
    tokens = [(FIRST_MS + i * GAP_MS, event(tok(i))) for i in range(after)]
    at = FIRST_MS + after * GAP_MS
    truth = Truth(status=status, osl=None, ttft_ms=None, tpot_ms=None, words=words)
    return Form([(20, event(ROLE)), *tokens, *[(at, event(e)) for e in events]], truth, **more)


def plain(words: str, body: bytes, status: str = "in_band_error", content_type: str = "application/json") -> Form:
    truth = Truth(status=status, osl=None, ttft_ms=None, tpot_ms=None, words=words)
    return Form([(FIRST_MS, body)], truth, content_type)


def forms() -> dict[str, Form]:
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
