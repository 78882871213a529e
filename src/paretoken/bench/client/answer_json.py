"""What a JSON document of an OpenAI-compatible server says: tokens and text of a choice, usage, errors."""

from __future__ import annotations

from typing import Any

import orjson

from paretoken.bench.client.http1 import MalformedError, excerpt

Json = dict[str, Any]
"""A JSON object of a stranger; one of another shape than expected raises AttributeError, TypeError or KeyError."""
_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")


class InBandError(Exception):
    """An error object inside an answer that began as a success; the text is the server's."""


def weigh(choice: Json, delta: Json) -> tuple[int, int]:
    """Tokens of one choice of one chunk and the characters they make: ids, log-probabilities, else one."""
    text = delta.get("text")
    if text is None:
        text = delta.get("content")
    size = len(text) if text else _other_size(delta)
    ids = choice.get("token_ids")
    if ids:
        return len(ids), size
    logprobs = choice.get("logprobs")
    if logprobs:
        listed = logprobs.get("content") or logprobs.get("tokens") or ()
        if listed:
            return len(listed), size
    return (1 if size else 0), size


def beside_content(delta: Json) -> bool:
    """Whether a delta carries more than plain content: reasoning, a refusal, a tool call."""
    return any(delta.get(f) for f in (*_TEXT_FIELDS[1:], "tool_calls", "function_call"))


def _other_size(delta: Json) -> int:
    """Characters of what a model emits beside plain text: reasoning, refusals, tool calls."""
    size = 0
    for field in _TEXT_FIELDS:
        text = delta.get(field)
        if text:
            size += len(text)
    calls = delta.get("tool_calls") or ()
    for call in [*calls, {"function": delta.get("function_call")}]:
        function = call.get("function") or {}
        size += len(function.get("name") or "") + len(function.get("arguments") or "")
    return size


def json_object(payload: bytes) -> Json:
    """The JSON object in these bytes. Raises MalformedError."""
    try:
        value = orjson.loads(payload)
    except ValueError:
        raise MalformedError(f"not JSON: {excerpt(payload)}") from None
    if type(value) is not dict:
        raise MalformedError(f"not a JSON object: {excerpt(payload)}")
    return value


def number(document: Json, *path: str) -> int:
    """The integer at a path of nested objects, -1 where there is none."""
    value: object = document
    for name in path:
        if not isinstance(value, dict):
            return -1
        value = value.get(name)
    return value if type(value) is int else -1


def cached_tokens(usage: Json) -> int:
    """Prompt tokens that the server took from its prefix cache, -1 where it did not say."""
    return number(usage, "prompt_tokens_details", "cached_tokens")


def reasoning_tokens(usage: Json) -> int:
    """Output tokens spent on reasoning: OpenAI's nested place, else SGLang's flat one."""
    nested = number(usage, "completion_tokens_details", "reasoning_tokens")
    return nested if nested >= 0 else number(usage, "reasoning_tokens")


def error_text(document: Json) -> str:
    """The message in an error document, in the forms of OpenAI, FastAPI, SGLang and llama.cpp."""
    error = document.get("error", document)
    for name in ("message", "detail", "error", "msg"):
        if isinstance(error, dict) and error.get(name):
            error = error[name]
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        error = error.get("msg") or error.get("message") or orjson.dumps(error).decode()
    return str(error)
