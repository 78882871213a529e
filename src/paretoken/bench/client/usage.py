"""The token counts that a server states, wherever and under whatever names it puts them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paretoken.bench.client.answer_json import Json

MAX_COUNT = 2**31 - 1
UNKNOWN = -1
MOST_PER_TOKEN, MOST_BESIDE, MOST_UNPLANNED = 8, 256, 1_000_000
"""Most tokens or chunks of an answer per token of `max_tokens` (some servers send letters), plus a constant."""
_PROMPT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count", "generated_tokens")
_TOTAL = ("total_tokens", "totalTokenCount")
_CACHED = (
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cachedContentTokenCount",
    "cache_read_input_tokens",
)
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Counts of prompt tokens that some servers leave out of the prompt's own count."""
_REASONING = (
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "reasoning_tokens",
    "thoughtsTokenCount",
)
_DIGITS = re.compile("[0-9]{1,10}")
_PLACES = ("usage", "x_groq.usage", "usage_metadata", "usageMetadata", "token_usage", "message.usage")

_OTHER_KEYS = frozenset(place.partition(".")[0] for place in _PLACES[1:]) | {"timings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Token counts as a server states them, -1 where it does not; `output` holds the reasoning of `reasoning`.

    `beyond` is the output together with tokens that only the total includes, -1 if there are none.
    """

    prompt: int = UNKNOWN
    output: int = UNKNOWN
    cached: int = UNKNOWN
    reasoning: int = UNKNOWN
    beyond: int = UNKNOWN

    def updated(self, later: TokenUsage) -> TokenUsage:
        """With what a later statement adds; one that leaves a count out, or puts 0 for it, takes none back."""
        return TokenUsage(
            prompt=later.prompt if later.prompt > 0 else self.prompt,
            output=later.output if later.output > 0 else max(self.output, later.output),
            cached=max(self.cached, later.cached),
            reasoning=later.reasoning if later.output > 0 else max(self.reasoning, later.reasoning),
            beyond=later.beyond if later.output > 0 else self.beyond,
        )


def most_tokens(planned: int) -> int:
    """The most output tokens that an answer may have; `planned` is -1 if unknown."""
    return MOST_PER_TOKEN * planned + MOST_BESIDE if planned > 0 else MOST_UNPLANNED


def nowhere_else(event: Json) -> bool:
    """Whether a chunk without `usage` states its tokens nowhere else, seen at a glance."""
    return _OTHER_KEYS.isdisjoint(event) and not (event.get("choices") and "usage" in event["choices"][0])


def usage_of(document: Json) -> TokenUsage | None:
    """What a chunk or an answer states of its tokens, None where it states nothing."""
    for place in _PLACES:
        stated = _at(document, place)
        if stated and isinstance(stated, dict):
            return _read(stated)
    choices = document.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        stated = choices[0].get("usage")  # Moonshot
        if stated and isinstance(stated, dict):
            return _read(stated)
    timings = document.get("timings")  # llama.cpp where no usage was requested
    if isinstance(timings, dict):
        prompt, cached = number(timings, "prompt_n"), number(timings, "cache_n")
        return TokenUsage(
            prompt=_bounded(prompt + max(cached, 0)) if prompt >= 0 else UNKNOWN,
            output=number(timings, "predicted_n"),
            cached=cached,
        )
    return None


def _read(stated: Json) -> TokenUsage:
    """Counts of one usage object.

    Some servers leave reasoning out of the output tokens (xAI, Gemini): reasoning is added if it exceeds the output, or
    if it is the difference between the total and prompt plus output. Any other difference is decided by the chunks.
    """
    prompt, output, total = _first(stated, _PROMPT), _first(stated, _OUTPUT), _first(stated, _TOTAL)
    cached, reasoning = _first(stated, _CACHED), _first(stated, _REASONING)
    rest = total - prompt if 0 <= prompt <= total else UNKNOWN  # tokens that are not the prompt's
    beside = sum(max(number(stated, name), 0) for name in _BESIDE)
    beyond = UNKNOWN
    if beside and (cached > prompt or 0 <= output == rest - beside):
        prompt += beside
    elif output < 0:
        output = rest
    elif reasoning > output or (reasoning > 0 and rest - output == reasoning):
        output += reasoning
    elif reasoning < 0 and rest > output:
        beyond = rest
    return TokenUsage(
        prompt=_bounded(prompt), output=_bounded(output), cached=cached, reasoning=reasoning, beyond=beyond
    )


def _bounded(count: int) -> int:
    """A sum of counts, unknown where it exceeds what any count may be."""
    return count if count <= MAX_COUNT else UNKNOWN


def _first(stated: Json, paths: tuple[str, ...]) -> int:
    for path in paths:
        count = number(stated, path)
        if count >= 0:
            return count
    return UNKNOWN


def number(document: Json, path: str) -> int:
    """The count at a dotted path, -1 where there is none from 0 to 2³¹ − 1; `20.0` and `"20"` are 20."""
    value = _at(document, path)
    if isinstance(value, str):
        value = int(value) if _DIGITS.fullmatch(value) else UNKNOWN
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else UNKNOWN
    return value if type(value) is int and 0 <= value <= MAX_COUNT else UNKNOWN


def _at(document: Json, path: str) -> object:
    if path in document:
        return document[path]
    if "." not in path:
        return None
    value: object = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
