"""Lengths of requests from the buckets of a histogram, with a mean that is met exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.bench.workload.lengths import MOST_TOKENS
from paretoken.traffic.increases import Increase
from paretoken.traffic.traffic import Floats, Ints

OPEN_END = 2.0
"""The bucket without an upper bound reaches to this multiple of its lower one, before the mean moves its lengths."""


@dataclass(frozen=True, slots=True)
class LengthBuckets:
    """`counts[step, k]` of requests whose length lies above `low[k]` and is at most `high[k]` tokens."""

    low: Floats
    high: Floats
    counts: Floats


def buckets_of(increases: Sequence[Increase], steps: int) -> LengthBuckets:
    """The buckets of all instances, whose bounds may differ, from series whose counts are those up to `le` tokens."""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, Floats]]] = defaultdict(list)
    for increase in increases:
        labels = dict(increase.series.labels)
        bound = _bound(labels.pop("le", ""))
        if bound is not None:
            groups[tuple(sorted(labels.items()))].append((bound, increase.counts))
    pooled: dict[tuple[float, float], Floats] = defaultdict(lambda: np.zeros(steps))
    for group in groups.values():
        low, below = 0.0, np.zeros(steps)
        for bound, counts in sorted(group, key=lambda pair: pair[0]):
            pooled[low, bound] = pooled[low, bound] + np.maximum(counts - below, 0.0)
            low, below = bound, np.maximum(counts, below)
    edges = sorted(pooled)
    high = np.array([h if np.isfinite(h) else max(low, 1.0) * OPEN_END for low, h in edges])
    table = np.array([pooled[edge] for edge in edges]).reshape(len(edges), steps).T
    return LengthBuckets(np.array([low for low, _ in edges]), high, table)


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return bound if bound > 0 else None


def draw_buckets(counts: Floats, n: int, rng: np.random.Generator) -> Ints:
    """n buckets, shape (n,), in random order, in the shares of the counts: none differs from its share by 1 or more."""
    shares = np.cumsum(counts) / counts.sum()
    places = (np.arange(n) + rng.random()) / n
    drawn = np.minimum(np.searchsorted(shares, places, side="right"), len(counts) - 1)
    return rng.permutation(drawn)


def lengths_in(buckets: LengthBuckets, drawn: Ints, mean: float | None, rng: np.random.Generator) -> Ints:
    """Whole tokens of requests in these buckets, shape (n,), spread evenly over the logarithm within each.

    With a mean, the lengths lean to one side of their buckets until they have it; if no leaning will do, all are
    scaled. Their sum is then that of the mean to a token, but that none is below 1.
    """
    low, high = np.maximum(buckets.low[drawn], 0.5), np.maximum(buckets.high[drawn], 1.0)
    place = rng.random(len(drawn))
    if mean is None:
        return np.maximum(np.ceil(low * (high / low) ** place), 1).astype(np.int64)
    target = max(mean * len(drawn), float(len(drawn)))
    lengths = low * (high / low) ** (place ** _leaning(low, high, place, target))
    return whole_with_sum(lengths * (target / lengths.sum()), round(target))


def _leaning(low: Floats, high: Floats, place: Floats, target: float) -> float:
    """The power of the place within the bucket, 1 for none, at which the lengths have the sum, or come nearest."""
    stretch, least, most = np.log(high / low), -12.0, 12.0
    for _ in range(40):
        power = (least + most) / 2
        over = float((low * np.exp(stretch * place**2.0**power)).sum()) - target
        if abs(over) < 0.5:
            break
        least, most = (power, most) if over > 0 else (least, power)
    return float(2.0**power)


def whole_with_sum(lengths: Floats, total: int) -> Ints:
    """Whole numbers of at least 1 next to the lengths, with that sum where it is at least their number."""
    whole = np.clip(np.floor(lengths), 1, MOST_TOKENS).astype(np.int64)
    over = int(total - whole.sum())
    order = np.argsort(whole - lengths, kind="stable")
    if over > 0:
        whole += over // len(whole)
        whole[order[: over % len(whole)]] += 1
    while over < 0:
        longer = [k for k in order[::-1][: -over * 4] if whole[k] > 1][:-over]
        if not longer:
            break
        whole[longer] -= 1
        over += len(longer)
    return whole
