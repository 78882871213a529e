"""How the truth server in Python writes its answers: the events and the whole answers of each API.

A token is the word ` token`. What an event of Messages or Responses is called comes before its data, as the APIs have
it; completions and chat name none and end with `[DONE]`.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson

Body = dict[str, Any]
"""JSON of a request or an answer."""
WORD = " token"
PROMPT_TOKENS = 1


class AnswerForm(Protocol):
    """The events of one answer, as bytes."""

    def begin(self, name: str) -> bytes:
        """What comes with the first token; `name` is the id of the answer."""
        ...

    def tokens(self, name: str, count: int, made: int, left: int, body: Body) -> bytes:
        """An event of `count` tokens, after which `made` are made and `left` are to come."""
        ...

    def end(self, name: str, total: int, body: Body) -> bytes:
        """What comes after the last token."""
        ...

    def whole(self, name: str, total: int) -> Body:
        """The answer in one piece."""
        ...


def _named(event: Body) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), orjson.dumps(event))


def _data(event: Body) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"


class OpenAiForm:
    """Completions, or chat."""

    def __init__(self, chat: bool) -> None:
        self._chat = chat

    def begin(self, name: str) -> bytes:
        return b""

    def tokens(self, name: str, count: int, made: int, left: int, body: Body) -> bytes:
        inner: Body = {"delta": {"content": WORD * count}} if self._chat else {"text": WORD * count}
        event: Body = {"id": name, "choices": [inner | {"index": 0, "finish_reason": None if left else "length"}]}
        if _options(body).get("continuous_usage_stats"):
            event["usage"] = _usage(made)
        return _data(event)

    def end(self, name: str, total: int, body: Body) -> bytes:
        usage = _data({"id": name, "choices": [], "usage": _usage(total)})
        return (usage if _options(body).get("include_usage") else b"") + b"data: [DONE]\n\n"

    def whole(self, name: str, total: int) -> Body:
        inner: Body = {"message": {"role": "assistant", "content": "tokens"}} if self._chat else {"text": "tokens"}
        return {"id": name, "choices": [inner | {"finish_reason": "length"}], "usage": _usage(total)}


class MessagesForm:
    """Anthropic's Messages."""

    def begin(self, name: str) -> bytes:
        message = self._message(name, [], None, 0)
        block: Body = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return _named({"type": "message_start", "message": message}) + _named(block)

    def tokens(self, name: str, count: int, made: int, left: int, body: Body) -> bytes:
        delta = {"type": "text_delta", "text": WORD * count}
        return _named({"type": "content_block_delta", "index": 0, "delta": delta})

    def end(self, name: str, total: int, body: Body) -> bytes:
        stop = {"stop_reason": "max_tokens", "stop_sequence": None}
        events: list[Body] = [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": stop, "usage": {"output_tokens": total}},
            {"type": "message_stop"},
        ]
        return b"".join(map(_named, events))

    def whole(self, name: str, total: int) -> Body:
        return self._message(name, [{"type": "text", "text": "tokens"}], "max_tokens", total)

    def _message(self, name: str, content: list[Body], stop: str | None, output: int) -> Body:
        usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": output}
        return {
            "id": name,
            "type": "message",
            "role": "assistant",
            "content": content,
            "model": "truth",
            "stop_reason": stop,
            "usage": usage,
        }


class ResponsesForm:
    """OpenAI's Responses."""

    def begin(self, name: str) -> bytes:
        item = {"id": name, "type": "message", "role": "assistant", "content": []}
        created: Body = {"type": "response.created", "response": self._response(name, "in_progress")}
        return _named(created) + _named({"type": "response.output_item.added", "output_index": 0, "item": item})

    def tokens(self, name: str, count: int, made: int, left: int, body: Body) -> bytes:
        event = {"type": "response.output_text.delta", "item_id": name, "output_index": 0, "delta": WORD * count}
        return _named(event | {"sequence_number": made})

    def end(self, name: str, total: int, body: Body) -> bytes:
        return _named({"type": "response.incomplete", "response": self.whole(name, total)})

    def whole(self, name: str, total: int) -> Body:
        content = [{"type": "output_text", "text": "tokens", "annotations": []}]
        usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": total, "total_tokens": PROMPT_TOKENS + total}
        return self._response(name, "incomplete") | {
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [{"type": "message", "role": "assistant", "content": content}],
            "usage": usage,
        }

    def _response(self, name: str, status: str) -> Body:
        return {"id": name, "object": "response", "status": status, "error": None}


FORMS: dict[bytes, AnswerForm] = {
    b"/chat/completions": OpenAiForm(chat=True),
    b"/completions": OpenAiForm(chat=False),
    b"/messages": MessagesForm(),
    b"/responses": ResponsesForm(),
}
"""By the end of the path, the longer of two that end alike first."""


def form_of(path: bytes) -> AnswerForm | None:
    """The form of the API at a path, None where no text is made there."""
    return next((form for end, form in FORMS.items() if path.endswith(end)), None)


def embedded(body: Body) -> Body:
    """The embeddings of the inputs of a request, all alike, with a token counted for each."""
    inputs = body.get("input")
    if not isinstance(inputs, list) or not inputs or isinstance(inputs[0], int):
        inputs = [inputs]
    data = [{"object": "embedding", "index": i, "embedding": [0.5, -0.5]} for i in range(len(inputs))]
    count = PROMPT_TOKENS * len(inputs)
    return {"object": "list", "data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}


def wanted_tokens(body: Body, otherwise: int) -> int:
    """The tokens that a request asks for, by the limit of its API."""
    limits = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    return max(1, int(next((body[name] for name in limits if body.get(name)), otherwise)))


def _options(body: Body) -> Body:
    return body.get("stream_options") or {}


def _usage(made: int) -> Body:
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": made, "total_tokens": PROMPT_TOKENS + made}
