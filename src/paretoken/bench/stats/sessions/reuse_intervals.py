"""Intervals of the shares of cached tokens, by a bootstrap over sessions.

They are of the same calls as the shares themselves: those of the span, whether their session is done, failed or cut.
The calls of a session depend on each other, so whole sessions are drawn, in order of the last of these calls.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from paretoken.bench.stats.arrays import Floats, Ints, Mask
from paretoken.bench.stats.bootstrap import ConfidenceInterval
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.sessions.ratio import ratio_interval
from paretoken.bench.stats.sessions.reuse import TokenReuse, counted_requests


def reuse_intervals(
    samples: Samples, possible: Floats, chosen: Mask, reuse: TokenReuse, rng: np.random.Generator
) -> dict[str, ConfidenceInterval | None]:
    """The 95 % interval of each share of `reuse`, None where it is unknown or by the counters of the server."""
    counted, _ = counted_requests(samples, chosen)
    prompt = samples.isl[counted]
    tokens = {"prompt": prompt, "found": np.minimum(samples.cached[counted], prompt), "possible": possible[counted]}
    sums = _by_session(samples.session[counted], samples.end_ns[counted], tokens)
    shares = {
        "found_share": ("found", "prompt", reuse.found_share),
        "possible_share": ("possible", "prompt", reuse.possible_share),
        "found_of_possible": ("found", "possible", reuse.found_of_possible),
    }
    return {
        name: None if share is None or reuse.by == "counters" else ratio_interval(sums[part], sums[whole], rng)
        for name, (part, whole, share) in shares.items()
    }


def _by_session(session: Ints, end_ns: Ints, tokens: Mapping[str, Floats]) -> dict[str, Floats]:
    """The sums of each session, shape (sessions,), in order of its last end and its number."""
    numbers, place = np.unique(session, return_inverse=True)
    last = np.full(len(numbers), -1, dtype=np.int64)
    np.maximum.at(last, place, end_ns)
    order = np.lexsort((numbers, last))
    sums = {name: np.bincount(place, values, len(numbers)).astype(float) for name, values in tokens.items()}
    return {name: values[order] for name, values in sums.items()}
