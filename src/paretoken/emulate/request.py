"""A completion request, read strictly: what an engine would refuse is refused in OpenAI's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from paretoken.emulated import unmarked
from paretoken.errors import quoted

CHARS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
COMPLETION_TOKENS = 16

Count = Callable[[str], int]


class ApiError(Exception):
    """An answer that is an error; becomes `{"error": {"message", "type", "param", "code"}}`."""

    def __init__(self, status: int, message: str, param: str | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.status, self.param = status, param
        self.kind = kind or {404: "NotFoundError", 429: "RateLimitError"}.get(
            status, "BadRequestError" if status < 500 else "InternalServerError"
        )

    def body(self) -> bytes:
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.status}
        return orjson.dumps({"error": error})


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """One valid request."""

    chat: bool
    model: str
    stream: bool
    usage: bool
    prompt_tokens: int
    max_tokens: int
    min_tokens: int
    ignore_eos: bool
    stops: tuple[str, ...]
    echo: str = ""


def estimate(text: str) -> int:
    """Tokens of a text where no tokenizer is given: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


def read(raw: bytes, *, chat: bool, model: str, context: int, count: Count = estimate) -> CompletionRequest:
    """The request in a body. Raises ApiError.

    `context`: tokens that a prompt and its answer may take together. `model` is taken with and without its mark.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    if body.get("model") not in (None, "", model, unmarked(model)):
        raise ApiError(404, f"the model {quoted(body['model'])} does not exist; this server has {model!r}", "model")
    _refuse_unsupported(body)
    prompt = _chat_tokens(body, count) if chat else _prompt_tokens(body.get("prompt"), count)
    limit = _whole(body, "max_completion_tokens" if body.get("max_completion_tokens") else "max_tokens", 1)
    if prompt >= context or prompt + (limit or 1) > context:
        raise ApiError(
            400,
            f"this model's context is {context} tokens, but {prompt} of the prompt and {limit or 1} of the answer "
            f"are requested; shorten one of them",
            "prompt" if not chat else "messages",
        )
    most = limit or (context - prompt if chat else min(COMPLETION_TOKENS, context - prompt))
    least = _whole(body, "min_tokens", 0) or 0
    if least > most:
        raise ApiError(400, f"min_tokens is {least}, above max_tokens of {most}", "min_tokens")
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise ApiError(400, "stream_options is not an object", "stream_options")
    return CompletionRequest(
        chat=chat,
        model=model,
        stream=_flag(body, "stream"),
        usage=_flag(options, "include_usage"),
        prompt_tokens=prompt,
        max_tokens=most,
        min_tokens=least,
        ignore_eos=_flag(body, "ignore_eos"),
        stops=_stops(body.get("stop")),
        echo=body["prompt"] if _flag(body, "echo") and isinstance(body.get("prompt"), str) else "",
    )


def _refuse_unsupported(body: Mapping[str, object]) -> None:
    for name, allowed in (("n", (None, 1)), ("best_of", (None, 0, 1)), ("logprobs", (None, False, 0))):
        if body.get(name) not in allowed:
            raise ApiError(
                400, f"{name} is {quoted(body[name])}; an emulated engine answers once, without probabilities", name
            )


def _whole(body: Mapping[str, object], name: str, least: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ApiError(400, f"{name} is {quoted(value)}: it must be a whole number of {least} or more", name)
    return value


def _flag(body: Mapping[str, object], name: str) -> bool:
    value = body.get(name)
    if value not in (None, True, False):
        raise ApiError(400, f"{name} is {quoted(value)}: it must be true or false", name)
    return bool(value)


def _stops(stop: object) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(s, str) and s for s in stops):
        raise ApiError(400, f"stop is {quoted(stop)}: it must be a text or a list of them, none empty", "stop")
    return tuple(stops)


def _prompt_tokens(prompt: object, count: Count) -> int:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        tokens = count(prompt)
    elif isinstance(prompt, list) and all(isinstance(t, int) and not isinstance(t, bool) for t in prompt):
        tokens = len(prompt)
    else:
        raise ApiError(400, "prompt must be one text or one list of token ids", "prompt")
    if not tokens:
        raise ApiError(400, "the prompt is empty", "prompt")
    return tokens


def _chat_tokens(body: Mapping[str, object], count: Count) -> int:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise ApiError(400, "messages must be a list of one message or more", "messages")
    return sum(TOKENS_PER_MESSAGE + count(_content(m)) for m in messages)


def _content(message: Mapping[str, object]) -> str:
    content = message.get("content")
    if not isinstance(message.get("role"), str):
        raise ApiError(400, "a message has no role", "messages")
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in content):
        return "".join(p["text"] for p in content)
    raise ApiError(400, "a message's content must be a text or a list of text parts", "messages")
