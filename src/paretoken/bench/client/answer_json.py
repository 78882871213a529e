"""What a JSON document of an OpenAI-compatible server says: tokens and text of a choice, errors, why it ended."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import orjson

from paretoken.bench.client.http1 import MalformedError, excerpt
from paretoken.foreign_text import error_text

Json = dict[str, Any]
"""A JSON object of a server, whose values may have any type."""
_STRICT = ("content", "text", "reasoning_content", "reasoning", "refusal")
"""Fields that are text, parts of text or null in every server; a number there is malformed."""
_NAMES_TEXT = re.compile(r"content|text|refusal|transcript|parts|summary|reason|think|thought|analysis")
_NAMES_REASONING = re.compile(r"reason|think|thought|analysis")
_NAMES_OTHER = re.compile(
    r"finish|stop|effort|format|type|_id\b|signature|encrypt|opaque|redacted|token|duration|time|status|index|level"
    r"|enabled|annotation|context|prompt|filter|offset"
)
_PLAIN = ("content", "text", "role", "index")
_CALLS = ("tool_calls", "function_call")
_OPENS_REASONING = ("<think", "<thought", "<reason", "<|channel|>analysis")
_BROKEN_OFF = re.compile(r"abort|error|cancel|time.?out|timed|fail|insufficient|overload|interrupt|reject", re.I)
MAX_DEPTH = 6
"""Levels of nested content that are read."""
_ERROR_KEYS = ("error", "errors", "detail", "error_message", "error_msg", "errorMessage", "exception", "fault")
_FINE = ("", "ok", "success", "queued", "pending", "processing", "waiting", "running")
"""Codes beside a message that are not those of an error."""


class InBandError(Exception):
    """An error object inside an answer that began as a success; the text is the server's."""


def weigh(choice: Json, delta: Json) -> tuple[int, int]:
    """Tokens of one choice of one chunk and the characters they make: ids, log-probabilities, else one."""
    text = delta.get("text" if delta is choice else "content")
    size = len(text) if text and type(text) is str else text_size(delta)
    ids = choice.get("token_ids")
    if ids and isinstance(ids, list):
        return len(ids), size
    logprobs = choice.get("logprobs")
    if logprobs:
        listed = (logprobs.get("content") or logprobs.get("tokens")) if isinstance(logprobs, dict) else logprobs
        if listed and isinstance(listed, list):
            return len(listed), size
    return (1 if size else 0), size


def text_size(delta: Json) -> int:
    """Characters that a model emits in a delta: content, reasoning, refusals, tool calls. Raises MalformedError."""
    size = 0
    for name, value in delta.items():
        if type(value) is str:
            if name in _STRICT or _is_text(name):
                size += len(value)
            elif value and name in _CALLS:
                raise MalformedError(f"{name} is text, not a list")
        elif value is None or (not value and isinstance(value, (list, dict))):
            continue
        elif name in _CALLS:
            size += _calls_size(value, name)
        elif name == "audio" or _is_text(name):
            if name in _STRICT and not isinstance(value, (list, dict)):
                raise MalformedError(f"{name} is {kind(value)}, not text")
            size += _nested_size(value, 0)
    return size


def beside_content(delta: Json) -> bool:
    """Whether a delta carries more than plain content: reasoning, a refusal, a tool call."""
    for name, value in delta.items():
        if value and name not in _PLAIN and (name in _CALLS or name == "audio" or _is_text(name)):
            return True
    return False


def has_reasoning(delta: Json) -> bool:
    """Whether a delta carries the text of reasoning, in a field or a part of its own, or opens it in the content."""
    return any(value and _is_text(name) and _holds_reasoning(name, value) for name, value in delta.items())


def _holds_reasoning(name: str, value: object) -> bool:
    if isinstance(value, str) and value.lstrip().startswith(_OPENS_REASONING):
        return True
    if _is_reasoning(name):
        return bool(_nested_size(value, 0))
    return isinstance(value, list) and any(map(_reasons, value))


def _reasons(part: object) -> bool:
    """Whether a part of some content is reasoning."""
    if not isinstance(part, dict) or not _nested_size(part, 0):
        return False
    return _is_reasoning(str(part.get("type"))) or any(part[name] and _is_reasoning(name) for name in part)


@lru_cache(maxsize=256)
def _is_text(name: str) -> bool:
    """Whether a field of this name holds text that the model wrote."""
    return bool(_NAMES_TEXT.search(name)) and not _NAMES_OTHER.search(name)


@lru_cache(maxsize=256)
def _is_reasoning(name: str) -> bool:
    return bool(_NAMES_REASONING.search(name))


def _nested_size(value: object, depth: int) -> int:
    """Characters of text, of a list of parts, or of the text fields of an object."""
    if type(value) is str:
        return len(value)
    if depth == MAX_DEPTH:
        return 0
    if isinstance(value, list):
        return sum(_nested_size(part, depth + 1) for part in value)
    if isinstance(value, dict):
        return sum(_nested_size(part, depth + 1) for name, part in value.items() if _is_text(name))
    return 0


def _calls_size(calls: object, name: str) -> int:
    """Characters of the names and arguments of tool calls."""
    if isinstance(calls, dict):
        calls = [{"function": calls}] if name == "function_call" else [calls]
    if not isinstance(calls, list):
        raise MalformedError(f"{name} is {kind(calls)}, not a list")
    size = 0
    for call in calls:
        if not isinstance(call, dict):
            raise MalformedError(f"{name} holds {kind(call)}, not an object")
        function = call.get("function") or call.get("custom") or {}
        if not isinstance(function, dict):
            raise MalformedError(f"function is {kind(function)}, not an object")
        for part in (function.get("name"), function.get("arguments"), function.get("input")):
            size += len(part if isinstance(part, str) else orjson.dumps(part)) if part else 0
    return size


def json_object(payload: bytes) -> Json:
    """The JSON object in these bytes. Raises MalformedError, InBandError for a list that holds an error."""
    try:
        value = orjson.loads(payload)
    except (ValueError, RecursionError):
        raise MalformedError(f"not JSON: {excerpt(payload)}") from None
    if type(value) is dict:
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict) and is_error(value[0]):
        raise InBandError(error_text(value[0]))
    raise MalformedError(f"not a JSON object: {excerpt(payload)}")


def objects(value: object, name: str) -> list[Json]:
    """A list of objects, empty for null. Raises MalformedError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{name} is {kind(value)}, not a list")
    for item in value:
        if not isinstance(item, dict):
            raise MalformedError(f"{name} holds {kind(item)}, not an object")
    return value


def inner(choice: Json, name: str) -> Json | None:
    """An object inside a choice, None where there is none. Raises MalformedError."""
    value = choice.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise MalformedError(f"{name} is {kind(value)}, not an object")


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def is_error(document: Json) -> bool:
    """Whether a document without choices is an error, in any form that servers give it."""
    if any(document.get(key) for key in _ERROR_KEYS) or document.get("success") is False:
        return True
    if any(_says_error(document.get(key)) for key in ("object", "type", "status", "event")):
        return True
    words = document.get("message") or document.get("msg")
    type_name = document.get("type")
    code = next((document[key] for key in ("code", "status_code", "statusCode") if key in document), None)
    typed = isinstance(type_name, str) and type_name.lower().endswith(("error", "exception"))
    return isinstance(words, str) and bool(words) and (_fails(code) or typed)


def _fails(code: object) -> bool:
    """Whether a code beside a message is that of an error: any name, or any number but 0 and HTTP's below 400."""
    if isinstance(code, str) and code.isdecimal() and len(code) < 9:
        code = int(code)
    if type(code) is int:
        return code < 0 or 0 < code < 100 or code >= 400
    return isinstance(code, str) and code.lower() not in _FINE


def _says_error(value: object) -> bool:
    if type(value) is int:
        return value >= 400
    return isinstance(value, str) and value.lower() in ("error", "failed", "failure", "exception")


def finish_reason(choice: Json) -> str:
    """Why a choice ended, empty while it goes on."""
    reason = choice.get("finish_reason") or ""
    return str(reason.get("type") or "unknown") if isinstance(reason, dict) else str(reason)


def broken_off(reason: str) -> bool:
    """Whether an engine says by this finish reason that it did not finish; the tokens until then are no answer."""
    return bool(_BROKEN_OFF.search(reason))
