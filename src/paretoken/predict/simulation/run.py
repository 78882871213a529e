"""Run a source of requests through one engine."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from heapq import heappush
from math import ceil
from operator import add

import numpy as np

from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.arrays import Floats
from paretoken.predict.simulation.cache.blocks import BlockTree, block_tree
from paretoken.predict.simulation.cache.engine import CachingEngine
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.feed import feed_of
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.requests import RequestLog, SimulatedLengths
from paretoken.predict.simulation.result import SimulationResult, simulation_result
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, RequestSource
from paretoken.predict.steptime import StepTime

FINEST_ACCEPTANCE = 100
MOST_ACCEPTED = 16
"""The acceptance length is below the tokens of a KV block."""


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """What the engine does beyond plain decoding.

    `prefix_hit_rate`: share of each prompt that needs no compute (its KV takes memory all the same).
    `acceptance_length`: tokens a decode step yields, 1 without speculation; taken to the nearest hundredth or
    finer. `frontend_s`: from due to the scheduler's queue, for each request uniform within `frontend_spread` of it (0.5
    is from half to one and a half times as long), with the same draws every time.

    `stages` are those of the pipeline that prefills. A step is a round of one micro-batch for each stage; they share
    the token budget of the step. A prompt adds to the step its time in one stage, and passes the other stages before
    it is queued. `own_rank_s`: with attention data parallelism, the further seconds for each token to compute that a
    prompt takes because it runs on one rank alone.
    """

    prefix_hit_rate: float = 0.0
    acceptance_length: float = 1.0
    frontend_s: float = 0.0
    frontend_spread: float = 0.0
    stages: int = 1
    own_rank_s: float = 0.0

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
        return self.frontend_s + self.beside_s(step_time, limits, prompt, cached)

    def beside_s(self, step_time: StepTime, limits: SchedulerLimits, prompt: int, cached: int) -> float:
        """Seconds that a prompt takes beyond the engine's steps: in further stages, and on its own rank.

        The further stages take (stages − 1) times the last chunk. Both come before the queue, because they delay this
        request and no other.
        """
        own_s = self.own_rank_s * (prompt - cached)
        if self.stages == 1:
            return own_s
        chunk = min(prompt - cached, limits.max_batched_tokens // self.stages)
        pairs = chunk * (prompt - chunk) + chunk * (chunk + 1) // 2
        return own_s + (self.stages - 1) * step_time.prefill(chunk, pairs)


PLAIN = ServingOptions()


def simulate(
    step_time: StepTime,
    limits: SchedulerLimits,
    source: RequestSource,
    serving: ServingOptions = PLAIN,
    cache: CacheOptions | None = None,
) -> SimulationResult:
    """Serve every request of the source to its end.

    The order within a step is that of vLLM: running sequences first, one token each; then prompts in order of
    arrival, cut to the token budget, each admitted if its whole prompt fits into free KV blocks. A sequence
    that finds no block costs the latest admitted its cache. Requests that end together are handled in order of
    index. Deterministic. Raises BadConfig where a request is larger than the KV cache.

    With `cache`, prefix-cache hits are an outcome of the source's `prefixes` and of what else needs the memory.
    """
    lengths = request_lengths(source, serving) if cache is None else uncached_lengths(source, serving)
    check_capacity(limits, lengths, serving)
    log, pending = RequestLog(len(lengths.inputs)), list[tuple[float, int]]()
    feed = feed_of(source, before_queue_s(step_time, limits, lengths, serving), partial(heappush, pending))
    feed.open()
    common = (step_time, limits, lengths, serving.acceptance, log, feed.ended)
    if cache is None:
        engine = EngineSimulator(*common)
    else:
        engine = CachingEngine(*common, options=cache, tree=source_tree(source, limits.block_tokens, lengths))
    engine.pending = pending
    engine.run()
    return simulation_result(source, lengths, feed, log, (engine,))


def request_lengths(source: RequestSource, serving: ServingOptions) -> SimulatedLengths:
    """Tokens of every request of a source: input, output, and input tokens in the prefix cache."""
    inputs, outputs = np.asarray(source.input_tokens), np.asarray(source.output_tokens)
    cached = source.cached_tokens if isinstance(source, OpenLoop) else None
    skipped = (inputs * serving.prefix_hit_rate).astype(np.int64) if cached is None else np.asarray(cached)
    skipped = np.minimum(skipped, inputs - 1)
    return SimulatedLengths(inputs.tolist(), outputs.tolist(), skipped.tolist())


def uncached_lengths(source: RequestSource, serving: ServingOptions) -> SimulatedLengths:
    """Tokens of every request of a source, with no hits yet: the simulated cache finds them."""
    if serving.prefix_hit_rate:
        raise BadConfig(
            f"prefix hit rate is {serving.prefix_hit_rate:g}, but the simulated cache finds the hits: leave it at 0"
        )
    inputs, outputs = np.asarray(source.input_tokens).tolist(), np.asarray(source.output_tokens).tolist()
    return SimulatedLengths(inputs, outputs, [0] * len(inputs))


def source_tree(source: RequestSource, block_tokens: int, lengths: SimulatedLengths) -> BlockTree:
    """What the prompts of a source share, in blocks of `block_tokens`."""
    prefixes = None if isinstance(source, ClosedLoop) else source.prefixes
    if prefixes is not None and len(prefixes) != len(lengths.inputs):
        requests = counted(len(lengths.inputs), "request")
        raise BadConfig(f"prefixes of {len(prefixes)} for {requests}: give the tree of the same requests")
    return block_tree(prefixes, block_tokens, lengths.inputs, lengths.outputs)


def before_queue_s(
    step_time: StepTime, limits: SchedulerLimits, lengths: SimulatedLengths, serving: ServingOptions
) -> list[float]:
    """Seconds of each request from due to the queue of the engine that prefills, or to its router."""
    beside = map(partial(serving.beside_s, step_time, limits), lengths.inputs, lengths.cached)
    return list(map(add, serving.frontends_s(len(lengths.inputs)).tolist(), beside))


def check_capacity(limits: SchedulerLimits, lengths: SimulatedLengths, serving: ServingOptions = PLAIN) -> None:
    """Raise BadConfig unless every request alone fits into the KV cache."""
    room = limits.kv_tokens
    if serving.acceptance > limits.block_tokens:
        raise BadConfig(
            f"acceptance length {serving.acceptance_length:g} is above the {limits.block_tokens} tokens of a KV block"
        )
    inputs, outputs = lengths.inputs, lengths.outputs
    needs = list(map(add, inputs, outputs))
    worst = max(range(len(needs)), key=needs.__getitem__, default=0)
    need = needs[worst] + ceil(serving.acceptance) - 2 + limits.drafted_tokens if needs else 0
    if need > room:
        raise BadConfig(
            f"request {worst} ({inputs[worst]:,} tokens in, {outputs[worst]:,} out) needs {need:,} tokens "
            f"of KV cache, there is room for {room:,}: use more GPUs or shorter requests"
        )
