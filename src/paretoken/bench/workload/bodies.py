"""Request bodies as bytes, in the dialect of the server, and the sources that hand them to the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import orjson

from paretoken.bench.plan import Api, Prepared
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.prompts import LENGTHS, PromptPlan
from paretoken.catalog.engine_files import engine_apis
from paretoken.errors import BadConfig, UnknownName

Message = Mapping[str, object]
MaxTokensField = Literal["max_tokens", "max_completion_tokens", "both"]

_OWNED = {
    "model": "--model",
    "prompt": "--isl or --trace",
    "messages": "--isl or --trace",
    "stream": "--stream or --no-stream",
    "max_tokens": "--osl",
    "max_completion_tokens": "--osl",
}
"""Keys that have an option of their own; a second way to set them would contradict the records."""
_MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server takes beyond OpenAI's own fields. A field it does not take is left out of the body.

    `token_ids`: a list of ids as the prompt of completions. `continuous_usage`: usage in every chunk.
    """

    name: str
    ignore_eos: bool = False
    min_tokens: bool = False
    token_ids: bool = False
    continuous_usage: bool = False
    why_not: str = ""


OPENAI = Dialect("openai", why_not="OpenAI's own fields have no ignore_eos or min_tokens")


@cache
def dialects() -> Mapping[str, Dialect]:
    """Every dialect by name: that of each engine whose API is known, and OpenAI's own."""
    fields = ("ignore_eos", "min_tokens", "token_ids", "continuous_usage", "why_not")
    of_engines = {key: Dialect(key, **{f: getattr(api, f) for f in fields}) for key, api in engine_apis()}
    return of_engines | {OPENAI.name: OPENAI}


def dialect(name: str) -> Dialect:
    """The dialect of that name; UnknownName with the nearest ones otherwise."""
    if name not in dialects():
        raise UnknownName("server dialect", name, list(dialects()))
    return dialects()[name]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bodies:
    """Everything in a body that is the same for all requests of a run.

    `ignore_eos` and `min_tokens` ask for answers of the full length, each where the dialect takes it.
    `extra` is merged into the rest; a null in it takes a field out, as {"stream_options": null}.
    """

    model: str
    api: Api = "completions"
    dialect: Dialect = OPENAI
    stream: bool = True
    ignore_eos: bool = True
    min_tokens: bool = False
    max_tokens_field: MaxTokensField = "max_tokens"
    temperature: float | None = 0.0
    seed: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, value in self.extra.items():
            if key in _OWNED and not (key in _MAX_TOKENS_FIELDS and value is None):
                raise BadConfig(f"the extra body may not set {key!r}; use {_OWNED[key]}")

    @property
    def forces_length(self) -> bool:
        """Whether the body forces answers of the full length; otherwise the model may stop early."""
        return (self.ignore_eos and self.dialect.ignore_eos) or (self.min_tokens and self.dialect.min_tokens)

    def completion(self, prompt: str | list[int] | orjson.Fragment, output_tokens: int) -> bytes:
        """The body of a completions request; a fragment is a list of ids that is JSON already."""
        if not isinstance(prompt, str) and not self.dialect.token_ids:
            raise BadConfig(f"{self.dialect.name} does not accept token ids: use text prompts, with --tokenizer")
        return self._dump({"model": self.model, "prompt": prompt}, output_tokens)

    def chat(
        self,
        messages: Sequence[Message],
        output_tokens: int,
        *,
        tools: Sequence[Mapping[str, object]] = (),
        model: str = "",
    ) -> bytes:
        """The body of a chat request, with definitions of tools; `model` names an adapter."""
        body: dict[str, object] = {"model": model or self.model, "messages": messages}
        return self._dump(body | ({"tools": tools} if tools else {}), output_tokens)

    def of(self, content: str | list[int], output_tokens: int) -> bytes:
        """The body of one prompt by the API chosen; one user message for chat, which takes text only."""
        if self.api == "completions":
            return self.completion(content, output_tokens)
        if isinstance(content, list):
            raise BadConfig("the chat API takes text, not token ids: give --tokenizer, or use --api completions")
        return self.chat([{"role": "user", "content": content}], output_tokens)

    def _dump(self, body: dict[str, object], output_tokens: int) -> bytes:
        # Completions knows no max_completion_tokens; servers that forbid unknown fields would refuse it.
        both_asked = self.api == "completions" and self.max_tokens_field == "both"
        limit = "max_tokens" if both_asked else self.max_tokens_field
        for name in _MAX_TOKENS_FIELDS:
            if limit in (name, "both"):
                body[name] = output_tokens
        if self.min_tokens and self.dialect.min_tokens:
            body["min_tokens"] = output_tokens
        body |= self._shared()
        return orjson.dumps({k: v for k, v in body.items() if v is not None})

    def _shared(self) -> dict[str, object]:
        fields: dict[str, object] = {"stream": self.stream, "temperature": self.temperature, "seed": self.seed}
        if self.stream:
            counts = {"continuous_usage_stats": True} if self.dialect.continuous_usage else {}
            fields["stream_options"] = {"include_usage": True} | counts
        if self.ignore_eos and self.dialect.ignore_eos:
            fields["ignore_eos"] = True
        return fields | dict(self.extra)


def parse_extra(text: str) -> dict[str, object]:
    """The user's extra body: one JSON object."""
    try:
        extra = orjson.loads(text)
        orjson.dumps(extra)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as e:  # the second: nested too deep to be sent
        raise BadConfig(f"--extra-body is not JSON that can be sent: {e}") from e
    if not isinstance(extra, dict):
        raise BadConfig("--extra-body must be a JSON object, as in '{\"top_k\": 1}'")
    return extra


class Ahead:
    """Prepared requests of one worker, built before they are wanted.

    Up to `count` are built at once, within `budget_bytes`; `prepare` builds more while the loop is idle, and
    what is not ready when asked for is built then. Finite where `build` gives None.
    """

    def __init__(
        self, build: Callable[[int], Prepared | None], worker: int, workers: int, count: int, budget_bytes: int
    ) -> None:
        self._build, self._next, self._step, self._ended = build, worker, workers, False
        self._ready: deque[Prepared] = deque()
        self._bytes, self._budget_bytes = 0, budget_bytes
        self.built_late = 0
        self.prepare(count)

    @property
    def ready(self) -> int:
        """Requests that wait, already built."""
        return len(self._ready)

    def prepare(self, count: int = 1) -> int:
        """Build up to `count` more within the budget; how many were built."""
        built = 0
        while built < count and self._bytes < self._budget_bytes and (request := self._make()) is not None:
            self._ready.append(request)
            self._bytes += len(request.body)
            built += 1
        return built

    def __iter__(self) -> Ahead:
        return self

    def __next__(self) -> Prepared:
        if self._ready:
            request = self._ready.popleft()
            self._bytes -= len(request.body)
            return request
        late = self._make()
        if late is None:
            raise StopIteration
        self.built_late += 1
        return late

    def _make(self) -> Prepared | None:
        request = None if self._ended else self._build(self._next)
        self._next += self._step
        self._ended = request is None
        return request


@dataclass(frozen=True, eq=False, kw_only=True)
class Synthetic:
    """A source of independent synthetic requests; request k is the same whatever the number of workers.

    `total` ends it; `ahead` is how many requests are built, over all workers, before the first is sent.
    """

    plan: PromptPlan
    lengths: RequestLengths
    bodies: Bodies
    total: int | None = None
    ahead: int = 1000
    budget_bytes: int = 32 * 2**20

    def request(self, k: int) -> Prepared | None:
        """Request k; None past the end."""
        if self.total is not None and k >= self.total:
            return None
        isl, osl = self.lengths.draw(self.plan.rng(LENGTHS, k))
        prompt = self.plan.prompt(k, isl)
        return Prepared(self.bodies.of(prompt.content, osl), prompt.tokens, osl)

    def requests(self, worker: int, workers: int) -> Ahead:
        """Requests worker, worker + workers, …: the worker's part of `ahead` is built when this returns."""
        return Ahead(self.request, worker, workers, -(-self.ahead // workers), self.budget_bytes)
