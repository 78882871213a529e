"""Which layouts a search predicts: those that are best by rough figures.

Rough figures come from workers alone. With r(n) requests per second and TPOT(n) of a decode worker with n users, and
c requests per second of a full prefill worker, D decode workers and N users take D·r(N/D) requests per second, for
which D·r/(c·u) prefill workers are busy the share u of their time. With fewer, they set the rate, and TPOT is that of
the decode workers at this rate.

All rates are of the steady state. Those of whole runs have a start and an end, which would pass for seconds of TTFT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from paretoken.predict.arrays import Floats, Ints, Mask
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools.layout import MOST_WORKERS, PooledCase, Pools
from paretoken.predict.pools.predictor import PoolPredictions
from paretoken.slo import Slo

MOST_OF_A_LAYOUT = 144
"""Most GPUs of a layout. More GPUs serve replicas, at the same tokens per GPU: larger layouts only add finer ratios."""
LOADS = tuple(dict.fromkeys(round(2 ** (i / 2)) for i in range(33)))
"""Users that a search tries if no loads are stated: 1 to 65,536, two per doubling."""
USERS_OF_A_WORKER = np.array([2.0 ** (i / 2) for i in range(33)])
SATURATING = 4096.0
"""Users at which a prefill worker is never idle."""
FILLED = (0.95, 0.85, 0.7, 0.5, 0.3, 0.2, 0.1, 1.3, 2.0, 4.0)
"""Shares of the prefill pool's time in use for which prefill workers are tried; beyond 1 the decode pool waits."""
FULL = 0.98
"""The most of the prefill pool's time that is in use."""
BAND, OF_A_BAND, OF_A_PAIR = 1.15, 80, 2
"""Ratio of the ends of a band of TPOT; layouts of a size kept in each band, and of each pair of kinds at each `FILLED`.

Rough figures leave the queue out, so those of full prefill pools look best, and may all miss the limits.
"""
CLASS = 2
"""Ratio of GPUs of layouts of a size. Large ones have finer ratios, and would crowd out small ones that are as good."""
SLACK = 1.2
"""How far a rough figure may exceed a limit."""

Predict = Callable[[Sequence[PooledCase]], PoolPredictions]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """What a search chooses from: workers of each kind on rented `gpus`, under a disaggregated `engine`."""

    engine: str
    prefill: tuple[Deployment, ...]
    decode: tuple[Deployment, ...]
    gpus: int
    lengths: Lengths
    loads: tuple[int, ...] = LOADS

    @property
    def most(self) -> int:
        """The most GPUs of a layout."""
        return min(self.gpus, MOST_OF_A_LAYOUT)

    def used(self, gpus: Ints) -> Floats:
        """The share of the rented GPUs that replicas of layouts of `gpus` use, shape (n,)."""
        return self.gpus // gpus * gpus / self.gpus

    def case(self, p: int, d: int, prefill_workers: int, decode_workers: int, users: float) -> PooledCase:
        """A layout of prefill kind p and decode kind d under a load, unchecked."""
        pools = Pools(
            engine=self.engine,
            prefill=self.prefill[p],
            decode=self.decode[d],
            prefill_workers=prefill_workers,
            decode_workers=decode_workers,
        )
        return PooledCase(pools=pools, lengths=self.lengths, concurrency=float(users))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RoughLayouts:
    """Layouts at loads with rough figures, shape (n,): places of kinds, loads and shares `FILLED`, workers, GPUs;
    seconds, tokens/s per rented GPU."""

    prefill: Ints
    decode: Ints
    prefill_workers: Ints
    decode_workers: Ints
    load: Ints
    filled: Ints
    gpus: Ints
    tpot_s: Floats
    ttft_s: Floats
    tput: Floats

    def take(self, index: Ints | Mask) -> RoughLayouts:
        """The rows of `index`."""
        return RoughLayouts(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def layouts(self) -> Ints:
        """A number for each layout, shape (n,)."""
        key = np.zeros_like(self.prefill)
        for part in (self.prefill, self.decode, self.prefill_workers, self.decode_workers):
            key = key * (MOST_WORKERS + 1) + part
        return key


def rough_layouts(space: SearchSpace, predict: Predict) -> RoughLayouts:
    """Every layout in lowest terms at every load that needs its prefill workers."""
    capacity, first_s = _prefill_alone(space, predict)
    alone = _decode_alone(space, predict)
    parts = [part for d in range(len(space.decode)) for part in _of_decode_kind(space, d, alone[d], capacity, first_s)]
    return RoughLayouts(**{f.name: np.concatenate([getattr(x, f.name) for x in parts]) for f in fields(RoughLayouts)})


def _prefill_alone(space: SearchSpace, predict: Predict) -> tuple[Floats, Floats]:
    """Requests per second of one full worker of each prefill kind, and its TTFT with one user, seconds."""
    biggest = max(range(len(space.decode)), key=lambda d: space.decode[d].gpus)
    kinds = range(len(space.prefill))
    full = predict([space.case(p, biggest, 1, MOST_WORKERS, SATURATING) for p in kinds])
    alone = predict([space.case(p, biggest, 1, 1, 1) for p in kinds])
    return SATURATING / full.state.e2e_s, alone.state.ttft_s


@dataclass(frozen=True, slots=True, eq=False)
class DecodeAlone:
    """A decode worker whose prefill pool is never busy, shape (USERS_OF_A_WORKER,): ln of TPOT and of requests/s.

    `waiting_s` is the TTFT beyond that of one user: for a slot.
    """

    tpot: Floats
    rate: Floats
    waiting_s: Floats


def _decode_alone(space: SearchSpace, predict: Predict) -> list[DecodeAlone]:
    """One worker of each decode kind."""
    biggest = max(range(len(space.prefill)), key=lambda p: space.prefill[p].gpus)
    cases = [space.case(biggest, d, MOST_WORKERS, 1, n) for d in range(len(space.decode)) for n in USERS_OF_A_WORKER]
    s = predict(cases).state
    tpot_s, e2e_s, ttft_s = (x.reshape(len(space.decode), -1) for x in (s.tpot_s, s.e2e_s, s.ttft_s))
    rate = np.maximum.accumulate(np.log(USERS_OF_A_WORKER / e2e_s), axis=1)
    return [DecodeAlone(np.log(tpot_s[d]), rate[d], ttft_s[d] - ttft_s[d, 0]) for d in range(len(space.decode))]


def _of_decode_kind(
    space: SearchSpace, d: int, alone: DecodeAlone, capacity: Floats, first_s: Floats
) -> Iterator[RoughLayouts]:
    """The layouts of one decode kind, for each prefill kind and share of its pool in use."""
    gpus, tokens = space.decode[d].gpus, space.lengths.mean_isl + space.lengths.mean_osl
    grid = np.meshgrid(np.arange(1, (space.most - 1) // gpus + 1), np.arange(len(space.loads)), indexing="ij")
    workers, load = (x.ravel() for x in grid)
    users = np.array(space.loads, dtype=float)[load]
    workers, load, users = (x[users >= workers] for x in (workers, load, users))
    ln_users = np.log(USERS_OF_A_WORKER)
    wanted = workers * np.exp(np.interp(np.log(users / workers), ln_users, alone.rate))
    for p, one in enumerate(space.prefill):
        needed = [np.ceil(wanted / (capacity[p] * u)).astype(int) for u in FILLED]
        for i, prefill_workers in enumerate(needed):
            used = prefill_workers * one.gpus + workers * gpus
            keep = (used <= space.most) & (np.gcd(prefill_workers, workers) == 1)
            for other in needed[:i]:
                keep &= prefill_workers != other
            served = np.minimum(wanted, FULL * capacity[p] * prefill_workers)[keep]
            per_worker = users[keep] / workers[keep]
            decoding = np.exp(np.interp(np.log(served / workers[keep]), alone.rate, ln_users))
            decoding = np.where(served < wanted[keep], np.minimum(decoding, per_worker), per_worker)
            queued_s = (per_worker - decoding) * workers[keep] / served
            before = np.searchsorted(USERS_OF_A_WORKER, decoding * (1 + 1e-9), side="right") - 1
            yield RoughLayouts(
                prefill=np.full(keep.sum(), p),
                decode=np.full(keep.sum(), d),
                prefill_workers=prefill_workers[keep],
                decode_workers=workers[keep],
                load=load[keep],
                filled=np.full(keep.sum(), i),
                gpus=used[keep],
                tpot_s=np.exp(np.interp(np.log(decoding), ln_users, alone.tpot)),
                ttft_s=first_s[p] + queued_s + alone.waiting_s[before],
                tput=served * tokens / used[keep] * space.used(used[keep]),
            )


def promising(rough: RoughLayouts, limits: Sequence[Slo], lengths: Lengths) -> list[int]:
    """Places of the best layouts of each band of TPOT and size that nearly meet the limits, or of the nearest."""
    over = excess(limits, lengths, rough.ttft_s, rough.tpot_s)
    near = np.flatnonzero(over <= max(SLACK, float(over.min()) * SLACK))
    band = np.floor(np.log(rough.tpot_s) / np.log(BAND)).astype(int) * MOST_OF_A_LAYOUT
    band += np.ceil(np.log(rough.gpus) / np.log(CLASS)).astype(int)
    near = near[np.lexsort((-rough.tput[near], band[near]))]
    pair = ((rough.prefill * MOST_WORKERS + rough.decode) * len(FILLED) + rough.filled)[near].tolist()
    layout, bands = rough.layouts()[near].tolist(), band[near].tolist()
    in_band, of_pair, taken = Counter[int](), Counter[tuple[int, int]](), set[tuple[int, int]]()
    places: list[int] = []
    for i, b, kinds, key in zip(near.tolist(), bands, pair, layout, strict=True):
        if in_band[b] < OF_A_BAND and of_pair[b, kinds] < OF_A_PAIR and (b, key) not in taken:
            taken.add((b, key))
            in_band[b] += 1
            of_pair[b, kinds] += 1
            places.append(i)
    return places


def excess(limits: Sequence[Slo], lengths: Lengths, ttft_s: Floats, tpot_s: Floats) -> Floats:
    """The largest ratio of a median to its limit, shape (n,): at most 1 where all are met, 0 without limits."""
    figures = {"ttft": ttft_s, "tpot": tpot_s, "e2e": ttft_s + tpot_s * (lengths.mean_osl - 1)}
    over = np.zeros(len(tpot_s))
    for limit in limits:
        over = np.maximum(over, figures[limit.metric] / limit.bound_s)
    return over
