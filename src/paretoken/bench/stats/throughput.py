"""Tokens and requests per second over a span of a load level, each kind counted on its own.

Output tokens count when their chunk arrives; input tokens when the first token of their request arrives,
which is when the server has read them; requests when they end. A span is (start, end]: what arrives at its
end is inside, so that two spans that touch share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.metrics import NS, Samples

_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True)
class Throughput:
    """What arrived within a span of `seconds`, in tokens and completed requests of the whole deployment."""

    seconds: float
    input_tokens: float
    output_tokens: float
    requests: int

    @property
    def input_tok_s(self) -> float | None:
        return self._rate(self.input_tokens)

    @property
    def output_tok_s(self) -> float | None:
        return self._rate(self.output_tokens)

    @property
    def total_tok_s(self) -> float | None:
        return self._rate(self.input_tokens + self.output_tokens)

    @property
    def requests_s(self) -> float | None:
        return self._rate(self.requests)

    def _rate(self, amount: float) -> float | None:
        return amount / self.seconds if self.seconds > 0 else None


def inside(at_ns: np.ndarray, start_ns: int, end_ns: int) -> np.ndarray:
    """Which of the times lie in (start, end]."""
    return (at_ns > start_ns) & (at_ns <= end_ns)


def throughput(samples: Samples, start_ns: int, end_ns: int) -> Throughput:
    """What arrived within (start, end], of complete answers and of those cut by us at the end."""
    chunks = samples.chunks
    read = samples.counted & (samples.first_ns >= 0) & inside(samples.first_ns, start_ns, end_ns)
    return Throughput(
        seconds=max(end_ns - start_ns, 0) * NS,
        input_tokens=float(np.nansum(samples.isl[read])),
        output_tokens=float(chunks.tokens[inside(chunks.at_ns, start_ns, end_ns)].sum()),
        requests=int((samples.ok & inside(samples.last_ns, start_ns, end_ns)).sum()),
    )


def whole_run(samples: Samples) -> Throughput:
    """The value other tools report: complete answers only, first start to last end, ramp and tail included."""
    ok = samples.ok
    if not ok.any():
        return Throughput(0.0, 0.0, 0.0, 0)
    started = np.where(samples.sent_ns >= 0, samples.sent_ns, samples.due_ns)
    return Throughput(
        seconds=float(samples.last_ns[ok].max() - started.min()) * NS,
        input_tokens=float(np.nansum(samples.isl[ok])),
        output_tokens=float(np.nansum(samples.osl[ok])),
        requests=int(ok.sum()),
    )


def binned(at_ns: np.ndarray, weights: np.ndarray | None, start_ns: int, end_ns: int, bins: int) -> np.ndarray:
    """Amounts per second in equal bins of (start, end], shape (bins,)."""
    found = np.zeros(bins)
    for k in range(0, len(at_ns), _BLOCK):  # millions of arrivals at once would be copied several times over
        at = at_ns[k : k + _BLOCK]
        chosen = inside(at, start_ns, end_ns)
        place = np.minimum((at[chosen] - start_ns - 1) * bins // max(end_ns - start_ns, 1), bins - 1)
        picked = None if weights is None else weights[k : k + _BLOCK][chosen]
        found += np.bincount(place, weights=picked, minlength=bins)
    return found / ((end_ns - start_ns) * NS / bins)


def output_rates(samples: Samples, start_ns: int, end_ns: int, bins: int) -> np.ndarray:
    """Output tokens per second in equal bins."""
    return binned(samples.chunks.at_ns, samples.chunks.tokens, start_ns, end_ns, bins)


def input_rates(samples: Samples, start_ns: int, end_ns: int, bins: int) -> np.ndarray:
    """Input tokens per second in equal bins, at first tokens."""
    read = samples.counted & (samples.first_ns >= 0)
    return binned(samples.first_ns[read], np.nan_to_num(samples.isl[read]), start_ns, end_ns, bins)


def in_flight(samples: Samples, at_ns: np.ndarray) -> np.ndarray:
    """Requests due and not yet ended at each of the times, shape of `at_ns`."""
    begun = np.searchsorted(np.sort(samples.due_ns), at_ns, side="right")
    ended = np.searchsorted(np.sort(samples.end_ns), at_ns, side="right")
    return begun - ended


def mean_in_flight(samples: Samples, start_ns: int, end_ns: int) -> float:
    """Mean number of requests in flight over the span: their time inside it over its length."""
    if end_ns <= start_ns:
        return 0.0
    spent = np.clip(samples.end_ns, start_ns, end_ns) - np.clip(samples.due_ns, start_ns, end_ns)
    return float(spent.sum()) / (end_ns - start_ns)
