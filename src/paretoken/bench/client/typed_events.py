"""What the typed events and answers of Anthropic's Messages and OpenAI's Responses say: text, counts, why it ended.

Every document of theirs has a `type` or an `object` instead of `choices`. Of a prompt, Messages counts what was read
from the cache and what was written to it apart from `input_tokens`, so the three are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from paretoken.bench.client.answer_json import InBandError, Json, kind, objects
from paretoken.bench.client.http1 import MalformedError
from paretoken.bench.client.usage import UNKNOWN, TokenUsage, number, usage_of
from paretoken.foreign_text import error_text

_ENDS_OF_RESPONSE = ("response.completed", "response.incomplete", "response.cancelled")
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
_TEXTS = ("text", "thinking", "partial_json", "refusal")
"""Fields of blocks, parts and deltas that hold what the model wrote."""


@dataclass(frozen=True, slots=True)
class TypedEvent:
    """One event: the characters that the model wrote in it, and what else it says.

    `whole` is the text of the answer once more; it counts where no event before held any. `field` names the field of a
    delta that holds the text.
    """

    size: int = 0
    reasoning: bool = False
    finish: str = ""
    usage: TokenUsage | None = None
    done: bool = False
    whole: int = 0
    field: str = ""


_NOTHING = TypedEvent()


def typed_event(name: str, event: Json) -> TypedEvent | None:
    """What an event of this type says, None for types of neither API. Raises MalformedError, InBandError."""
    if name == "content_block_delta":
        return _block_delta(_object(event, "delta"))
    if name.startswith("response."):
        return _response_event(name, event)
    if name == "content_block_start":
        size, reasoning = _block(_object(event, "content_block"))
        return TypedEvent(size, reasoning)
    if name == "message_start":
        usage = _message_usage(_object(event, "message"))
        # Its output tokens are a start that more will follow.
        return TypedEvent(usage=TokenUsage(prompt=usage.prompt, cached=usage.cached) if usage else None)
    if name == "message_delta":
        return TypedEvent(finish=_text(_object(event, "delta"), "stop_reason"), usage=_message_usage(event))
    if name == "message_stop":
        return TypedEvent(done=True)
    return _NOTHING if name in ("content_block_stop", "ping") else None


def typed_answer(answer: Json) -> TypedEvent | None:
    """What an answer in one piece says, None where it is of neither API. Raises MalformedError, InBandError."""
    if answer.get("object") == "response":
        return _end_of_response(answer)
    if answer.get("type") == "message":
        size, reasoning = _blocks(answer.get("content"), "content")
        usage = _message_usage(answer)
        return TypedEvent(finish=_text(answer, "stop_reason"), usage=usage, reasoning=reasoning, done=True, whole=size)
    return None


def _block_delta(delta: Json) -> TypedEvent:
    for name in _TEXTS:
        if text := delta.get(name):
            return TypedEvent(len(_checked(text, name)), name == "thinking", field=name)
    return _NOTHING


def _block(block: Json) -> tuple[int, bool]:
    """Characters of a block or part, and whether they are reasoning; the name of a tool is output, too."""
    if block.get("type") in ("tool_use", "function_call"):
        arguments = block.get("input") or block.get("arguments") or ""
        return len(_text(block, "name")) + len(
            arguments if isinstance(arguments, str) else orjson.dumps(arguments)
        ), False
    size = sum(len(_checked(block[name], name)) for name in _TEXTS if block.get(name))
    return size, size > 0 and block.get("type") in ("thinking", "reasoning_text", "summary_text")


def _blocks(blocks: object, name: str) -> tuple[int, bool]:
    """The same of a list of them."""
    each = [_block(block) for block in objects(blocks, name)]
    return sum(size for size, _ in each), any(reasoning for _, reasoning in each)


def _message_usage(document: Json) -> TokenUsage | None:
    """The counts of Messages; the prompt together with what was read from the cache and written to it."""
    usage = document.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, beside = number(usage, "input_tokens"), [max(number(usage, name), 0) for name in _BESIDE]
    return TokenUsage(
        prompt=prompt + sum(beside) if prompt >= 0 else UNKNOWN,
        output=number(usage, "output_tokens"),
        cached=number(usage, "cache_read_input_tokens"),
    )


def _response_event(name: str, event: Json) -> TypedEvent:
    if name.endswith(".delta"):
        return TypedEvent(len(_checked(event.get("delta") or "", "delta")), "reasoning" in name, field="delta")
    if name == "response.output_item.added":
        item = _object(event, "item")
        return TypedEvent(*_block(item)) if item.get("type") == "function_call" else _NOTHING
    if name == "response.failed":
        raise InBandError(error_text(event.get("response") or event))
    return _end_of_response(_object(event, "response")) if name in _ENDS_OF_RESPONSE else _NOTHING


def _end_of_response(response: Json) -> TypedEvent:
    """What the whole of a response says: its status, or why it is incomplete, and the text of its items."""
    size, reasoning = 0, False
    for item in objects(response.get("output"), "output"):
        parts = [_blocks(item.get(name), name) for name in ("content", "summary")]
        parts += [_block(item)] if item.get("type") == "function_call" else []
        size += sum(part[0] for part in parts)
        reasoning = reasoning or any(part[1] for part in parts)
    status = _text(response, "status") or "completed"
    reason = _text(_object(response, "incomplete_details"), "reason") if status == "incomplete" else ""
    return TypedEvent(finish=reason or status, usage=usage_of(response), reasoning=reasoning, done=True, whole=size)


def _object(document: Json, name: str) -> Json:
    value = document.get(name)
    if value is None or isinstance(value, dict):
        return value or {}
    raise MalformedError(f"{name} is {kind(value)}, not an object")


def _text(document: Json, name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _checked(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"{name} is {kind(value)}, not text")
    return value
