"""Settings of an emulated server."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from paretoken.emulate.faults import Fault
from paretoken.emulate.prompt import QuarterTokens, TextTokens
from paretoken.errors import BadConfig
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker, WorkerPools
from paretoken.predict.simulation.run import ServingOptions
from paretoken.predict.steptime import StepTime

MOST_NATURAL = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """A model under a name, an engine's step time and limits, and how the server departs from them.

    `time_scale` 2 makes everything twice as fast. An answer that may end by itself has a length drawn with mean
    `natural_tokens` (geometric). `texts` gives the tokens of a text. With `pools`, the engine is a decode worker. With
    `cache`, hits are what is in the prefix cache; without it, the share in `serving`.
    """

    model: str
    step_time: StepTime
    limits: SchedulerLimits
    serving: ServingOptions = ServingOptions()  # noqa: RUF009
    context: int = 131_072
    time_scale: float = 1.0
    natural_tokens: float = 256.0
    tokens_per_chunk: int = 1
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    texts: TextTokens = QuarterTokens()  # noqa: RUF009
    pools: WorkerPools | None = None
    cache: CacheOptions | None = None

    def __post_init__(self) -> None:
        if not self.time_scale > 0:
            raise BadConfig(f"time scale is {self.time_scale:g}: it must be above 0 (2 is twice as fast)")
        if not 1 <= self.natural_tokens <= MOST_NATURAL:
            raise BadConfig(f"natural length is {self.natural_tokens:g} tokens: it must be 1 to {MOST_NATURAL:,}")
        if self.tokens_per_chunk < 1:
            raise BadConfig(f"{self.tokens_per_chunk} tokens per chunk: it must be 1 or more")
        if self.cache and self.pools:
            raise BadConfig("the prefix cache of separate pools is not emulated; leave out the pools or the cache")
        if self.cache and self.serving.prefix_hit_rate:
            raise BadConfig(
                f"prefix hits are {self.serving.prefix_hit_rate:g}, but the cache finds them: leave them at 0"
            )

    @property
    def acceptance(self) -> Fraction:
        return self.serving.acceptance

    @property
    def first(self) -> Worker:
        """The engine that prefills."""
        return self.pools.prefill[0] if self.pools else Worker(self.step_time, self.limits)

    @property
    def most_tokens(self) -> int:
        """Prompt and answer that the context and the KV cache allow together."""
        room = self.limits.most_prompt - ceil(self.acceptance) + 2
        return min(self.context, room, self.first.limits.most_prompt + 1)
