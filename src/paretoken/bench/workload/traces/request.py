"""What every trace becomes: requests with a time, lengths, and, where it holds them, prompts or shared blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paretoken import plural
from paretoken.bench.workload.arrivals import Replay
from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.lengths import Empirical
from paretoken.errors import BadConfig, BadFile

# Mooncake's: one hash stands for 512 tokens and all blocks before it.
BLOCK_TOKENS = 512
MOST_RATE = 1000.0
"""Requests per second above which a note doubts the unit of a trace's times."""
STAND_IN: Message = {"role": "assistant", "content": ""}
"""An answer that was not recorded; text of the length that was asked for stands in for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """One recorded request. None is what the trace does not say.

    `blocks` are ids of prompt blocks; equal ids are equal prompts up to the end of that block. `answer` is the
    recorded answer, whose length is asked for again. A request with `after_s` follows the answer to the one before
    it in its session after that many seconds; its own time is then only that of the session. `tools` are definitions
    of tools that the recorded request held. `output_is_limit` is whether `output_tokens` is only a limit on the answer.
    """

    time_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    blocks: tuple[int, ...] = ()
    prompt: str | None = None
    messages: tuple[Message, ...] | None = None
    answer: str | None = None
    session: str = ""
    after_s: float | None = None
    tools: int = 0
    output_is_limit: bool = False

    @property
    def texts(self) -> list[str]:
        """The recorded texts of the prompt, none where the trace holds only lengths."""
        if self.prompt is not None:
            return [self.prompt]
        return [text for m in self.messages or () if isinstance(text := m.get("content"), str) and text]


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """The part of a trace that is used: requests that begin in `seconds` from `start_s`, the first `requests` of them.

    Requests longer than `max_input` or `max_output` tokens are left out, for a server would refuse them.
    """

    requests: int | None = None
    start_s: float = 0.0
    seconds: float | None = None
    max_input: int | None = None
    max_output: int | None = None

    def __post_init__(self) -> None:
        positive = (self.requests, self.seconds, self.max_input, self.max_output)
        if self.start_s < 0 or any(value is not None and value <= 0 for value in positive):
            raise BadConfig("limits of a trace must be above 0, its start 0 or more")

    def take(self, request: TraceRequest, since_first_s: float) -> bool:
        """Whether the request is used."""
        too_long = (self.max_input is not None and (request.input_tokens or 0) > self.max_input) or (
            self.max_output is not None and (request.output_tokens or 0) > self.max_output
        )
        early = self.start_s > 0 and since_first_s < self.start_s
        return not too_long and not early and since_first_s < self.end_s

    @property
    def end_s(self) -> float:
        """Where the window ends, after the first request of the trace."""
        return float("inf") if self.seconds is None else self.start_s + self.seconds


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace as used: requests in the order of their time, which begins at 0.

    `failed` counts those left out because they had no prompt or no answer, `limited` those left out by limits.
    `block_tokens` are the prompt tokens of a block; `rule` says how the format was read.
    `begin_unix_s` is the recorded time of the first request, seconds since 1970, None where the file has no dates.
    """

    file: str
    format: str
    requests: tuple[TraceRequest, ...]
    failed: int = 0
    limited: int = 0
    block_tokens: int = BLOCK_TOKENS
    rule: str = ""
    begin_unix_s: float | None = None

    @property
    def timed(self) -> bool:
        """Whether the requests carry times, so that they can be replayed as they came."""
        return self.requests[0].time_s is not None

    def replay(self, speed: float = 1.0) -> Replay:
        """The recorded arrivals; `.at_rate` stretches them."""
        if not self.timed:
            raise BadConfig(f"{self.file} contains no times; use --arrivals poisson or constant with --rate")
        return Replay(np.array([r.time_s for r in self.requests]), speed)

    def isl(self) -> Empirical:
        """Input lengths as a distribution, for a load that is not a replay."""
        return self._lengths("input_tokens")

    def osl(self) -> Empirical:
        """Output lengths as a distribution."""
        return self._lengths("output_tokens")

    def _lengths(self, field: str) -> Empirical:
        values = [getattr(r, field) for r in self.requests]
        if None in values:
            raise BadConfig(f"{self.file} does not give all {field.replace('_', ' ')}; count them with --tokenizer")
        return Empirical(tuple(values))

    @property
    def in_turns(self) -> bool:
        """Whether some requests follow the answer to another."""
        return any(r.after_s is not None for r in self.requests)

    def notes(self, *, repeats: bool) -> tuple[str, ...]:
        """How the trace was read, and what a run of it does not reproduce, with counts."""
        total = plural.counted(len(self.requests), "request")
        recorded = [r.prompt or repr(r.messages) for r in self.requests if r.prompt or r.messages]
        again, tools = len(recorded) - len(set(recorded)), sum(r.tools > 0 for r in self.requests)
        notes = [f"{self.format}, {self.rule}, {total}"]
        rate = self.replay().rate if self.timed and len(self.requests) > 1 else 0.0
        if MOST_RATE < rate < math.inf:
            notes.append(f"{rate:,.0f} requests per second; check that its times are in the unit of the format")
        if self.failed:
            notes.append(f"{plural.counted(self.failed, 'request')} left out: no prompt or no answer")
        if self.limited:
            notes.append(f"{plural.counted(self.limited, 'request')} left out: too long for the server's context")
        if again:
            notes.append(f"{plural.counted(again, 'prompt')} the same as an earlier one, which a prefix cache finds")
        if repeats and recorded:
            notes.append(f"after its {total} the trace begins again with the same prompts, which a prefix cache finds")
        if tools:
            notes.append(f"{plural.counted(tools, 'request')} with tools, whose definitions are not sent")
        return tuple(f"{Path(self.file).name}: {note}" for note in notes)

    def hit_rate(self) -> float:
        """Share of prompt tokens that an endless prefix cache finds, by the trace's block ids."""
        earlier: set[int] = set()
        cached = prompted = 0
        for request in self.requests:
            shared = next((i for i, b in enumerate(request.blocks) if b not in earlier), len(request.blocks))
            earlier.update(request.blocks)
            prompted += request.input_tokens or 0
            cached += min(shared * self.block_tokens, request.input_tokens or 0)
        return cached / prompted if prompted else 0.0

    def counted(self, count: Callable[[str], int] | None = None, output_tokens: int | None = None) -> Trace:
        """With the lengths that the trace does not say: counted from its text, or `output_tokens` for answers."""
        requests = tuple(self._counted(r, count, output_tokens) for r in self.requests)
        return replace(self, requests=requests)

    def within(self, context: int) -> Trace:
        """Without the requests whose prompt and answer exceed a server's context."""
        kept = tuple(r for r in self.requests if (r.input_tokens or 0) + (r.output_tokens or 0) <= context)
        if not kept:
            raise BadFile(f"{self.file} holds no request within the server's context of {context:,} tokens")
        return replace(self, requests=kept, limited=self.limited + len(self.requests) - len(kept))

    def _counted(
        self, request: TraceRequest, count: Callable[[str], int] | None, output_tokens: int | None
    ) -> TraceRequest:
        isl, osl = request.input_tokens, request.output_tokens
        if osl is None and request.answer is not None and count is not None:
            osl = max(1, count(request.answer))
        osl = output_tokens if osl is None else osl
        if osl is None:
            raise BadConfig(f"{self.file} does not give output lengths; give --tokenizer to count them, or --osl")
        if isl is None and count is not None and STAND_IN not in (request.messages or ()):
            plain = all(isinstance(m.get("content"), str) for m in request.messages or ())
            isl = sum(map(count, request.texts)) if request.texts and plain else None
        return replace(request, input_tokens=isl, output_tokens=osl)
