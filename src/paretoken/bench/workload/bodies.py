"""Request bodies as bytes, in the dialect of the server, and the sources that hand them to the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import orjson

from paretoken.bench.apis import IN_TURNS
from paretoken.bench.plan import Api, Prepared
from paretoken.bench.workload.images import Images
from paretoken.bench.workload.lengths import RequestLengths
from paretoken.bench.workload.message_forms import anthropic_fields, responses_fields
from paretoken.bench.workload.prompts import LENGTHS, PromptPlan
from paretoken.catalog.engine_files import engine_apis
from paretoken.errors import BadConfig, UnknownName
from paretoken.sessions.graph import Message as Message

MaxTokensField = Literal["max_tokens", "max_completion_tokens", "both"]

_OWNED = {
    "model": "--model",
    "prompt": "--isl or --trace",
    "messages": "--isl or --trace",
    "input": "--isl or --trace",
    "stream": "--stream or --no-stream",
    "max_tokens": "--osl",
    "max_completion_tokens": "--osl",
    "max_output_tokens": "--osl",
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
    `extra` is merged into the rest; a null in it takes a field out, as {"stream_options": null}. `images` go into every
    prompt of one message, drawn by `image_seed`.
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
    images: Images | None = None
    image_seed: int = 0

    def __post_init__(self) -> None:
        for key, value in self.extra.items():
            if key in _OWNED and not (key in _MAX_TOKENS_FIELDS and value is None):
                raise BadConfig(f"the extra body may not set {key!r}; use {_OWNED[key]}")

    @property
    def forces_length(self) -> bool:
        """Whether the body forces answers of the full length; otherwise the model may stop early."""
        return bool(self.shared(1).keys() & {"ignore_eos", "min_tokens"})

    @property
    def takes_messages(self) -> bool:
        """Whether prompts are messages of several roles."""
        return self.api in IN_TURNS

    @property
    def streams(self) -> bool:
        """Whether answers are to come token by token."""
        return self.stream and self.api != "embeddings"

    @property
    def limit_field(self) -> str:
        """The field that limits the output, "both" for two of them."""
        if self.api in ("messages", "responses"):
            return "max_tokens" if self.api == "messages" else "max_output_tokens"
        # Completions knows no max_completion_tokens; servers that forbid unknown fields would refuse it.
        both_asked = self.api == "completions" and self.max_tokens_field == "both"
        return "max_tokens" if both_asked else self.max_tokens_field

    def of_model(self, name: str) -> Bodies:
        """The bodies for another model or adapter of the server; for an empty name these."""
        return replace(self, model=name) if name else self

    def completion(self, prompt: str | list[int] | orjson.Fragment, output_tokens: int) -> bytes:
        """The body of a completions request; a fragment is a list of ids that is JSON already."""
        self._check_ids(prompt)
        return self._dump({"model": self.model, "prompt": prompt}, output_tokens)

    def chat(
        self,
        messages: Sequence[Message],
        output_tokens: int,
        *,
        tools: Sequence[Mapping[str, object]] = (),
    ) -> bytes:
        """The body of a request with messages and definitions of tools, both those of chat, in the form of the API."""
        body: dict[str, object] = {"model": self.model}
        if self.api == "messages":
            return self._dump(body | anthropic_fields(messages, tools), output_tokens)
        if self.api == "responses":
            return self._dump(body | responses_fields(messages, tools), output_tokens)
        return self._dump(body | {"messages": messages} | ({"tools": tools} if tools else {}), output_tokens)

    def embeddings(self, inputs: Sequence[str | list[int]]) -> bytes:
        """The body of a request for the embeddings of some texts or token ids."""
        for one in inputs:
            self._check_ids(one)
        return self._dump({"model": self.model, "input": inputs}, 0)

    def of(self, content: str | list[int], output_tokens: int, number: int = 0) -> bytes:
        """The body of one prompt by the API chosen; one user message where it takes messages, which are text only.

        `number` is that of the request among those of its level, for the images that go with it.
        """
        if self.api == "completions":
            return self.completion(content, output_tokens)
        if self.api == "embeddings":
            return self.embeddings([content])
        if isinstance(content, list):
            raise self.takes_text()
        if self.images is None:
            return self.chat([{"role": "user", "content": content}], output_tokens)
        parts = [{"type": "text", "text": content}, *self.images.parts(self.image_seed, number)]
        return self.chat([{"role": "user", "content": parts}], output_tokens)

    def takes_text(self) -> BadConfig:
        """The error that the API takes text and no token ids."""
        return BadConfig(f"the {self.api} API takes text, not token ids: give --tokenizer, or use --api completions")

    def shared(self, output_tokens: int) -> dict[str, object]:
        """The fields beside the prompt, those left out of the body not among them."""
        fields = dict(self.extra) if self.api == "embeddings" else self._generation(output_tokens) | dict(self.extra)
        return {k: v for k, v in fields.items() if v is not None}

    def _check_ids(self, prompt: str | list[int] | orjson.Fragment) -> None:
        if not isinstance(prompt, str) and not self.dialect.token_ids:
            raise BadConfig(f"{self.dialect.name} does not accept token ids: use text prompts, with --tokenizer")

    def _dump(self, body: dict[str, object], output_tokens: int) -> bytes:
        # A null in the extra body takes out what a form puts in by itself, too.
        absent = [name for name, value in self.extra.items() if value is None]
        return orjson.dumps({k: v for k, v in (body | self.shared(output_tokens)).items() if k not in absent})

    def _generation(self, output_tokens: int) -> dict[str, object]:
        limits = _MAX_TOKENS_FIELDS if self.limit_field == "both" else (self.limit_field,)
        fields: dict[str, object] = dict.fromkeys(limits, output_tokens)
        fields |= {"stream": self.stream, "temperature": self.temperature}
        if self.api == "messages":
            return fields  # the fields of engines get lost where they turn such a request into one for chat
        if self.ignore_eos and self.dialect.ignore_eos:
            fields["ignore_eos"] = True
        if self.api == "responses":
            return fields
        if self.min_tokens and self.dialect.min_tokens:
            fields["min_tokens"] = output_tokens
        if self.stream:
            counts = {"continuous_usage_stats": True} if self.dialect.continuous_usage else {}
            fields["stream_options"] = {"include_usage": True} | counts
        return fields | {"seed": self.seed}


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

    `total` ends it; `ahead` is how many requests are built, over all workers, before the first is sent; `batch` is how
    many inputs a request for embeddings has.
    """

    plan: PromptPlan
    lengths: RequestLengths
    bodies: Bodies
    total: int | None = None
    ahead: int = 1000
    budget_bytes: int = 32 * 2**20
    batch: int = 1

    def request(self, k: int) -> Prepared | None:
        """Request k; None past the end."""
        if self.total is not None and k >= self.total:
            return None
        isl, osl = self.lengths.draw(self.plan.rng(LENGTHS, k))
        if self.bodies.api == "embeddings":
            return self._embedded(k)
        prompt = self.plan.prompt(k, isl)
        tokens = prompt.tokens if self.bodies.images is None else -1
        return Prepared(self.bodies.of(prompt.content, osl, k), tokens, osl)

    def _embedded(self, k: int) -> Prepared:
        """A request for the embeddings of `batch` inputs, each with a length of its own."""
        numbers = range(k * self.batch, (k + 1) * self.batch)
        lengths = [self.lengths.draw(self.plan.rng(LENGTHS, n))[0] for n in numbers]
        prompts = [self.plan.prompt(n, isl) for n, isl in zip(numbers, lengths, strict=True)]
        tokens = sum(p.tokens for p in prompts) if all(p.tokens >= 0 for p in prompts) else -1
        return Prepared(self.bodies.embeddings([p.content for p in prompts]), tokens, 0)

    def requests(self, worker: int, workers: int) -> Ahead:
        """Requests worker, worker + workers, …: the worker's part of `ahead` is built when this returns."""
        return Ahead(self.request, worker, workers, -(-self.ahead // workers), self.budget_bytes)
