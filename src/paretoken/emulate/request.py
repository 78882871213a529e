"""A request to any API, read strictly: what an engine would refuse is an error in the form of that API."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.fields import Body, flag, whole
from paretoken.emulate.prompt import Ids, QuarterTokens, TextTokens, count_tokens, token_ids
from paretoken.emulate.surfaces.surface import Ask, Surface
from paretoken.emulated import unmarked
from paretoken.errors import quoted

QUARTERS = QuarterTokens()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """One valid request. `ids` are the tokens of its prompt, if the engine has a prefix cache."""

    surface: type[Surface]
    ask: Ask
    model: str
    stream: bool
    prompt_tokens: int
    max_tokens: int
    min_tokens: int
    ignore_eos: bool
    ids: Ids | None = None


def read(
    raw: bytes,
    *,
    surface: type[Surface],
    model: str,
    context: int,
    texts: TextTokens = QUARTERS,
    with_ids: bool = False,
) -> CompletionRequest:
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
    ask = surface.read(body)
    ids = token_ids(ask.pieces, texts) if with_ids else None
    prompt = count_tokens(ask.pieces, texts) if ids is None else len(ids)
    limit = ask.most_tokens
    if prompt >= context or prompt + (limit or 1) > context:
        raise ApiError(
            400,
            f"this model's context is {context} tokens, but {prompt} of the prompt and {limit or 1} of the answer "
            f"are requested; shorten one of them",
            surface.prompt_field,
        )
    most = limit or min(surface.default_tokens or context, context - prompt)
    least = whole(body, "min_tokens", 0) or 0
    if least > most:
        raise ApiError(400, f"min_tokens is {least}, above {surface.limit_field} of {most}", "min_tokens")
    return CompletionRequest(
        surface=surface,
        ask=ask,
        model=model,
        stream=flag(body, "stream"),
        prompt_tokens=prompt,
        max_tokens=most,
        min_tokens=least,
        ignore_eos=flag(body, "ignore_eos"),
        ids=ids,
    )


def _refuse_unsupported(body: Body) -> None:
    for name, allowed in (("n", (None, 1)), ("best_of", (None, 0, 1)), ("logprobs", (None, False, 0))):
        if body.get(name) not in allowed:
            raise ApiError(
                400, f"{name} is {quoted(body[name])}; an emulated engine answers once, without probabilities", name
            )
