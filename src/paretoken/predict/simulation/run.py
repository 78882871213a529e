"""Run a source of requests through an engine, or through a prefill and a decode pool."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from heapq import heapify, heappop, heappush
from math import ceil, inf
from operator import add

import numpy as np

from paretoken.errors import BadConfig
from paretoken.predict.arrays import Floats, Ints
from paretoken.predict.simulation.engine import EngineSimulator, SimulatedLengths
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.sources import ClosedLoop, RequestSource
from paretoken.predict.steptime import StepTime

FINEST_ACCEPTANCE = 100
MOST_ACCEPTED = 16
"""The acceptance length is below the tokens of a KV block."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """A pool of its own for prompts. The KV cache goes over to the decode pool when the prompt's step ends.

    That takes `transfer_latency_s` + prompt tokens · `transfer_s_per_token`; the first token is out when it is
    there, and the prefill pool's blocks are free at the beginning of it.
    """

    step_time: StepTime
    limits: SchedulerLimits
    transfer_latency_s: float = 0.0
    transfer_s_per_token: float = 0.0


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """What the engine does beyond plain decoding.

    `prefix_hit_rate`: share of each prompt that needs no compute (its KV takes memory all the same).
    `acceptance_length`: tokens a decode step yields, 1 without speculation; taken to the nearest hundredth or
    finer. `frontend_s`: from due to the scheduler's queue, for each request uniform within `frontend_spread` of it (0.5
    is from half to one and a half times as long), with the same draws every time.

    `stages` of the pipeline that prefills: a step is a round of that many micro-batches, which share the step's token
    budget. A prompt takes of the step what it takes of one stage, and is on its way through the others besides.
    """

    prefix_hit_rate: float = 0.0
    acceptance_length: float = 1.0
    frontend_s: float = 0.0
    frontend_spread: float = 0.0
    prefill: Prefill | None = None
    stages: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.prefix_hit_rate <= 1:
            raise BadConfig(f"prefix hit rate is {self.prefix_hit_rate:g}: it is a share from 0 to 1")
        if not 1 <= self.acceptance_length <= MOST_ACCEPTED:
            raise BadConfig(
                f"acceptance length is {self.acceptance_length:g} tokens a step: 1 to {MOST_ACCEPTED} is possible"
            )
        if not self.frontend_s >= 0:
            raise BadConfig(f"frontend time is {self.frontend_s:g} s: it cannot be negative")
        if not 0 <= self.frontend_spread <= 1:
            raise BadConfig(f"frontend spread is {self.frontend_spread:g}: it is a share from 0 to 1")
        if self.stages < 1:
            raise BadConfig(f"stages are {self.stages}: a pipeline has 1 or more")

    @property
    def acceptance(self) -> Fraction:
        return Fraction(self.acceptance_length).limit_denominator(FINEST_ACCEPTANCE)

    def frontends_s(self, requests: int) -> Floats:
        """Frontend seconds of each request, shape (requests,)."""
        drawn = np.random.default_rng(0).uniform(-self.frontend_spread, self.frontend_spread, requests)
        seconds: Floats = self.frontend_s * (1 + drawn)
        return seconds

    def before_queue_s(self, step_time: StepTime, limits: SchedulerLimits, prompt: int, cached: int) -> float:
        """Seconds from due to the scheduler's queue, on average."""
        return self.frontend_s + self.pipeline_s(step_time, limits, prompt, cached)

    def pipeline_s(self, step_time: StepTime, limits: SchedulerLimits, prompt: int, cached: int) -> float:
        """Seconds that a pipeline adds to the way of a prompt.

        That is (stages − 1) times the last chunk, put first, as it delays this request and holds up no other.
        """
        if self.stages == 1:
            return 0.0
        chunk = min(prompt - cached, limits.max_batched_tokens // self.stages)
        pairs = chunk * (prompt - chunk) + chunk * (chunk + 1) // 2
        return (self.stages - 1) * step_time.prefill(chunk, pairs)


PLAIN = ServingOptions()


def simulate(
    step_time: StepTime, limits: SchedulerLimits, source: RequestSource, serving: ServingOptions = PLAIN
) -> SimulationResult:
    """Serve every request of the source to its end.

    The order within a step is that of vLLM: running sequences first, one token each; then prompts in order of
    arrival, cut to the token budget, each admitted if its whole prompt fits into free KV blocks. A sequence
    that finds no block costs the latest admitted its cache. Requests that end together are handled in order of
    index. Deterministic. Raises BadConfig where a request is larger than the KV cache.
    """
    inputs, outputs = np.asarray(source.input_tokens), np.asarray(source.output_tokens)
    skipped = np.minimum((inputs * serving.prefix_hit_rate).astype(np.int64), inputs - 1)
    lengths = SimulatedLengths(inputs.tolist(), outputs.tolist(), skipped.tolist())
    check_capacity(limits, inputs, outputs, serving)
    prompts = serving.prefill or Prefill(step_time, limits)
    pipeline = partial(serving.pipeline_s, prompts.step_time, prompts.limits)
    frontends = serving.frontends_s(len(inputs)).tolist()
    feed = _Feed(source, list(map(add, frontends, map(pipeline, lengths.inputs, lengths.cached))))
    if serving.prefill:
        ends: list[tuple[float, int]] = []

        def end(request: int, at_s: float) -> None:
            heappush(ends, (at_s, request))

        decode = EngineSimulator(step_time, limits, lengths, serving.acceptance, end, ready=True, coupled=True)
        engines = _pools(serving.prefill, decode, lengths, feed, ends)
    else:
        engines = _one(step_time, limits, lengths, serving, feed)
    last = engines[-1]
    return SimulationResult(
        due_s=np.array(feed.due),
        first_s=np.array(last.first),
        last_s=np.array(last.last),
        user=np.array(feed.user, dtype=np.int32),
        input_tokens=inputs,
        output_tokens=outputs,
        cached_tokens=skipped,
        preempted=np.array([e.preempted for e in engines], dtype=np.int64).sum(axis=0),
        engines=engines,
    )


def check_capacity(limits: SchedulerLimits, inputs: Ints, outputs: Ints, serving: ServingOptions = PLAIN) -> None:
    """Raise BadConfig unless every request alone fits into the KV cache."""
    room = limits.kv_blocks * limits.block_tokens
    if serving.acceptance > limits.block_tokens:
        raise BadConfig(
            f"acceptance length {serving.acceptance_length:g} is above the {limits.block_tokens} tokens of a KV block"
        )
    needs = inputs + outputs + ceil(serving.acceptance) - 2 + limits.drafted_tokens
    if needs.size and needs.max() > room:
        worst = int(needs.argmax())
        raise BadConfig(
            f"request {worst} ({inputs[worst]:,} tokens in, {outputs[worst]:,} out) needs {needs[worst]:,} tokens "
            f"of KV cache, there is room for {room:,}: use more GPUs or shorter requests"
        )
    if serving.prefill:
        room = serving.prefill.limits.kv_blocks * serving.prefill.limits.block_tokens
        if inputs.size and inputs.max() > room:
            raise BadConfig(f"a prompt of {inputs.max():,} tokens is above the prefill pool's KV cache of {room:,}")


class _Feed:
    """Hands requests to an engine when they are due; `before_s[i]` is from then to the scheduler's queue."""

    def __init__(self, source: RequestSource, before_s: list[float]) -> None:
        n = len(source.input_tokens)
        self.before_s, self.requests = before_s, n
        self.pending: list[tuple[float, int]] = []
        if isinstance(source, ClosedLoop):
            self.think_s, self.next, self.due = source.think_s, min(source.users, n), [0.0] * n
            self.user = list(range(self.next)) + [0] * (n - self.next)
        else:
            self.think_s, self.next, self.due = 0.0, n, np.asarray(source.due_s, dtype=float).tolist()
            self.user = [-1] * n

    def open(self, engine: EngineSimulator) -> None:
        """Put in what is due by the clock, or each user's first request."""
        self.pending = engine.pending
        self.pending += [(self.due[i] + self.before_s[i], i) for i in range(self.next)]
        heapify(self.pending)

    def ended(self, request: int, at_s: float) -> None:
        """A user of a closed loop goes on to the next request."""
        i = self.next
        if i < self.requests:
            self.next = i + 1
            self.user[i] = self.user[request]
            self.due[i] = due = at_s + self.think_s
            heappush(self.pending, (due + self.before_s[i], i))


def _one(
    step_time: StepTime, limits: SchedulerLimits, lengths: SimulatedLengths, serving: ServingOptions, feed: _Feed
) -> tuple[EngineSimulator, ...]:
    engine = EngineSimulator(step_time, limits, lengths, serving.acceptance, feed.ended)
    feed.open(engine)
    engine.advance()
    return (engine,)


def _pools(
    pool: Prefill, decode: EngineSimulator, lengths: SimulatedLengths, feed: _Feed, ends: list[tuple[float, int]]
) -> tuple[EngineSimulator, ...]:
    """Two engines, each moved on while it is the one behind: what the other may still send lies ahead of it.

    `ends` are the requests that `decode` ended and `feed` has not heard of, a heap.
    """

    def hand_over(request: int, at_s: float) -> None:
        arrives_s = at_s + pool.transfer_latency_s + lengths.inputs[request] * pool.transfer_s_per_token
        decode.first[request] = decode.stint_s[request] = arrives_s
        if lengths.outputs[request] == 1:
            decode.last[request] = arrives_s
            heappush(ends, (arrives_s, request))
        else:
            heappush(decode.pending, (arrives_s, request))

    prompts = SimulatedLengths(lengths.inputs, [1] * len(lengths.inputs), lengths.cached)
    prefill = EngineSimulator(pool.step_time, pool.limits, prompts, Fraction(1), hand_over, coupled=True)
    feed.open(prefill)
    while True:
        prefill_s, decode_s = prefill.next_s(), decode.next_s()
        end_s = ends[0][0] if ends else inf
        if end_s == prefill_s == decode_s == inf:
            return prefill, decode
        if end_s <= min(prefill_s, decode_s):
            at_s, request = heappop(ends)
            feed.ended(request, at_s)
        elif decode_s <= prefill_s:
            decode.advance(min(prefill_s, end_s))
        else:
            prefill.advance(min(decode_s, end_s))
