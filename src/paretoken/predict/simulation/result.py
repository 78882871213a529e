"""The outcome of a simulation, as arrays; request records, token times and the timeline on demand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from paretoken.predict.arrays import Floats, Ints
from paretoken.predict.simulation.cache.engine import CachingEngine
from paretoken.predict.simulation.cache.options import GPU
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.feed import Feed
from paretoken.predict.simulation.requests import RequestLog, SimulatedLengths
from paretoken.predict.simulation.sources import RequestSource

if TYPE_CHECKING:
    import polars as pl

NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SimulationResult:
    """Every request of a run, in order of index; arrays of shape (requests,), times in seconds from the start.

    `due_s` is when the user sent it, `first_s` and `last_s` when its first and last token came out, `user` its
    slot in a closed loop (-1 in an open one), `preempted` how often it lost its KV cache, `engine` the index in
    `engines` of the one that decoded it. `prefilled_s` is when its prompt was computed: at its first token, or earlier
    by the transfer of its KV cache. `cached_tokens` are the prompt tokens that it did not compute when it first ran,
    `evicted_tokens` those that prefix caches in GPU memory evicted.
    """

    due_s: Floats
    first_s: Floats
    last_s: Floats
    user: Ints
    input_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints
    preempted: Ints
    prefilled_s: Floats
    engine: Ints
    engines: tuple[EngineSimulator, ...]  # one, or the prefill pool followed by the decode pool
    evicted_tokens: int = 0

    @property
    def cached_by_tier(self) -> dict[str, Ints]:
        """`cached_tokens` by tier: "gpu", and the names of the tiers below it; {} without a cache."""
        engines = [engine for engine in self.engines if isinstance(engine, CachingEngine)]
        tiers: dict[str, Ints] = {GPU: self.cached_tokens.copy()} if engines else {}
        for engine in engines:
            for tier, hits in zip(engine.cache.tiers, engine.tier_hits, strict=True):
                tokens = tiers.setdefault(tier.name, np.zeros_like(self.cached_tokens))
                tokens[np.array([*hits], np.int64)] = [*hits.values()]
        for name in tiers.keys() - {GPU}:
            tiers[GPU] -= tiers[name]
        return tiers

    @property
    def load_s(self) -> dict[str, float]:
        """Seconds that the link of each tier below GPU memory was busy, all engines together."""
        seconds: dict[str, float] = {}
        for engine in self.engines:
            if isinstance(engine, CachingEngine):
                for tier, busy_s in zip(engine.cache.tiers, engine.cache.busy_s, strict=True):
                    seconds[tier.name] = seconds.get(tier.name, 0.0) + busy_s
        return seconds

    @property
    def ttft_s(self) -> Floats:
        """First token − due."""
        return self.first_s - self.due_s

    @property
    def e2e_s(self) -> Floats:
        """Last token − due."""
        return self.last_s - self.due_s

    @property
    def tpot_s(self) -> Floats:
        """(E2E − TTFT) / (OSL − 1), NaN for a single token."""
        gaps = self.output_tokens - 1
        return np.where(gaps > 0, (self.last_s - self.first_s) / np.maximum(gaps, 1), np.nan)

    @property
    def preemptions(self) -> int:
        return sum(e.preemptions for e in self.engines)

    @property
    def steps(self) -> int:
        """Steps that decoded, of all engines together."""
        return sum(e.batch.steps for e in self.engines)

    def timeline(self, engine: int = -1) -> pl.DataFrame:
        """Batch, queue, KV use and preemptions of one engine at every event."""
        return Timeline.of(self.engines[engine]).frame(self.engines[engine].limits.kv_blocks)

    def token_times(self, requests: Iterable[int] | None = None) -> list[tuple[Floats, Ints]]:
        """(s, tokens) of each arrival of the chosen requests (all by default): times and what each carried."""
        ends = {i: Timeline.of(self.engines[i]).step_ends_s() for i in np.unique(self.engine)}
        stints: dict[int, list[tuple[float, int, int]]] = {}
        for request, since_s, start, stop in self.engines[-1].log.lost:
            stints.setdefault(request, []).append((since_s, start, stop))
        chosen = range(len(self.due_s)) if requests is None else requests
        return [self._arrivals(ends[self.engine[i]], i, stints.get(i, [])) for i in chosen]

    def itl_s(self) -> Floats:
        """Every gap between two arrivals of the same request, all requests one after the other."""
        gaps = [np.diff(times) for times, _ in self.token_times()]
        return np.concatenate(gaps) if gaps else np.empty(0)

    def _arrivals(self, ends: Floats, request: int, lost: list[tuple[float, int, int]]) -> tuple[Floats, Ints]:
        engine = self.engines[self.engine[request]]
        log = engine.log
        total, gain, unit = int(self.output_tokens[request]), engine.batch.gain, engine.batch.unit
        times: list[Floats] = []
        made, units = [0], 0
        stints = [*lost, (log.stint_s[request], log.joined[request], log.left[request])]
        for since_s, start, stop in stints:
            times += [np.array([since_s]), ends[start:stop]]
            after = units + unit + gain * np.arange(stop - start + 1)
            made += np.minimum(after // unit, total).tolist()
            units = int(after[-1])
        carried: Ints = np.diff(np.array(made, dtype=np.int64)).astype(np.int64)
        return np.concatenate(times)[carried > 0], carried[carried > 0]

    def requests(self, *, tokens: bool = False) -> pl.DataFrame:
        """The request records of `points.requests`; with `tokens` also every arrival (heavy)."""
        import polars as pl

        from paretoken.points.requests import conform_requests
        from paretoken.points.statuses import OK

        n = len(self.due_s)
        due, first, last = (np.rint(x * NS).astype(np.int64) for x in (self.due_s, self.first_s, self.last_s))
        arrivals = self.token_times() if tokens else [(np.empty(0), np.empty(0, dtype=np.int64))] * n
        frame = pl.DataFrame(
            {
                "due_ns": due,
                "sent_ns": due,
                "headers_ns": first,
                "first_ns": first,
                "last_ns": last,
                "end_ns": last,
                "user": self.user,
                "planned_input": self.input_tokens,
                "planned_output": self.output_tokens,
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "cached_tokens": self.cached_tokens,
                "chunk_ns": pl.Series([np.rint(t * NS).astype(np.int64) for t, _ in arrivals], dtype=pl.List(pl.Int64)),
                "chunk_tokens": pl.Series([c.astype(np.int32) for _, c in arrivals], dtype=pl.List(pl.Int32)),
            }
        )
        constant = {"worker": 0, "endpoint": 0, "session": -1, "turn": 0, "status": OK, "http_status": 200}
        constant |= {"detail": "", "finish_reason": "length", "reasoning_tokens": -1, "coalesced": 0}
        frame = frame.with_row_index("index").with_columns(pl.lit(v).alias(k) for k, v in constant.items())
        return conform_requests(frame.sort("due_ns", maintain_order=True))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Timeline:
    """The segments of one engine as arrays, shape (segments,): each is one step with prompts or k decode steps."""

    start_s: Floats
    moves: Ints  # steps in which the batch decoded
    first_s: Floats  # seconds of the segment's first step
    more_s: Floats  # and what each one after takes more than the one before
    batch: Ints
    prompt_tokens: Ints
    waiting: Ints
    kv_blocks: Ints
    preemptions: Ints

    @classmethod
    def of(cls, engine: EngineSimulator) -> Timeline:
        values = list(zip(*engine.segments, strict=True)) or [()] * len(fields(cls))
        columns = zip(fields(cls), values, strict=True)
        return cls(**{f.name: np.array(v, dtype=float if f.name.endswith("_s") else np.int64) for f, v in columns})

    def step_ends_s(self) -> Floats:
        """When each step that decoded ended, s, shape (steps,)."""
        segment = np.repeat(np.arange(len(self.moves)), self.moves)
        nth = np.arange(len(segment)) - np.repeat(np.cumsum(self.moves) - self.moves, self.moves) + 1
        ends: Floats = self.start_s[segment] + (
            nth * self.first_s[segment] + self.more_s[segment] * (nth * (nth - 1) // 2)
        )
        return ends

    def frame(self, kv_blocks: int) -> pl.DataFrame:
        """A row for each segment; `kv_used` is the share of blocks taken at its end."""
        import polars as pl

        return pl.DataFrame(
            {
                "time_s": self.start_s,
                "decode_steps": self.moves,
                "batch": self.batch,
                "prompt_tokens": self.prompt_tokens,
                "waiting": self.waiting,
                "kv_used": self.kv_blocks / kv_blocks,
                "preemptions": self.preemptions,
            }
        )


def simulation_result(
    source: RequestSource,
    lengths: SimulatedLengths,
    feed: Feed,
    log: RequestLog,
    engines: tuple[EngineSimulator, ...],
    prefill_log: RequestLog | None = None,
    engine: list[int] | None = None,
) -> SimulationResult:
    """The arrays of a run; `engine` are the indices of the engines that decoded, the one engine by default."""
    return SimulationResult(
        due_s=np.array(feed.due),
        first_s=np.array(log.first),
        last_s=np.array(log.last),
        user=np.array(feed.user, dtype=np.int32),
        input_tokens=np.asarray(source.input_tokens),
        output_tokens=np.asarray(source.output_tokens),
        cached_tokens=np.array(lengths.cached, dtype=np.int64),
        preempted=np.array(log.preempted, dtype=np.int64),
        prefilled_s=np.array((prefill_log or log).first),
        engine=np.array(engine or [0] * len(feed.due), dtype=np.int64),
        engines=engines,
        evicted_tokens=sum(map(evicted_tokens, engines)),
    )


def evicted_tokens(engine: EngineSimulator) -> int:
    """Tokens that the prefix cache of an engine evicted."""
    return engine.cache.gpu.evicted * engine.limits.block_tokens if isinstance(engine, CachingEngine) else 0
