"""The deployments that could serve a task on one's own GPUs, and the cheapest: at full load, and for a day's tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.answers.own_cache import OwnCache, own_cache
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate
from paretoken.points.selection import Axis, Selection
from paretoken.prices.cost import usd_per_mtok
from paretoken.prices.self_host import ApiUse, OwnDay, OwnDeployment, own_day


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOption:
    """The recommended run of a candidate with the effect of cache hits; `day` is the stated volume on copies of it."""

    candidate: PricedCandidate
    cache: OwnCache | None
    day: OwnDay | None

    @property
    def as_run(self) -> OwnDeployment:
        """The deployment at the throughput of its run."""
        return _deployment(self.candidate, self.candidate.recommended["tput_per_gpu"], self.cache)

    @property
    def at_limit(self) -> OwnDeployment:
        """The deployment at the throughput that is interpolated at the limit."""
        return _deployment(self.candidate, self.candidate.tput_per_gpu, self.cache)

    @property
    def usd_per_mtok(self) -> float:
        """A million tokens at full load, as run."""
        return usd_per_mtok(self.as_run.usd_per_gpu_h, self.as_run.tok_s_per_gpu)

    @property
    def usd_per_day(self) -> float:
        """The bill of the stated volume; 0 without one."""
        return self.day.usd_per_day if self.day else 0.0


def own_options(
    candidates: Iterable[PricedCandidate],
    data: Data,
    chosen: Selection,
    axis: Axis,
    *,
    cached_share: float,
    use: ApiUse,
    tokens_per_day: float | None,
) -> tuple[OwnOption, ...]:
    """An option for every candidate that has a price."""
    options = []
    for c in candidates:
        if not c.usd_per_gpu_h:
            continue
        cache = (
            own_cache(data, chosen, axis, c.accelerator, c.engine, c.recommended, cached_share)
            if cached_share
            else None
        )
        as_run = _deployment(c, c.recommended["tput_per_gpu"], cache)
        day = None if tokens_per_day is None else own_day(as_run, tokens_per_day, use.own_day)
        options.append(OwnOption(candidate=c, cache=cache, day=day))
    return tuple(options)


def cheapest_at_full_load(options: Sequence[OwnOption]) -> OwnOption:
    """The cheapest as run; the first of equals."""
    return min(options, key=lambda o: o.usd_per_mtok)


def cheapest_of_day(options: Sequence[OwnOption]) -> OwnOption:
    """The cheapest for the stated volume; of equals the cheapest as run."""
    return min(options, key=lambda o: (o.usd_per_day, o.usd_per_mtok))


def _deployment(candidate: PricedCandidate, tok_s_per_gpu: float, cache: OwnCache | None) -> OwnDeployment:
    factor = cache.factor if cache else 1.0
    return OwnDeployment(candidate.recommended["n_gpus"] or 1, candidate.usd_per_gpu_h or 0.0, tok_s_per_gpu * factor)
