"""The latency distributions of a set of requests: corrected and uncorrected side by side, and ITL from gaps."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from paretoken.bench.stats.arrays import Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import Distribution, InverseDistribution, describe, inverse
from paretoken.bench.stats.throughput import inside


@dataclass(frozen=True, slots=True, kw_only=True)
class TtftDistribution(Distribution):
    """TTFT; the stamps of `merged` first tokens are later ones', which bounds how far the mean is too high."""

    merged: int
    mean_too_high_at_most: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItlDistribution(Distribution):
    """ITL; `censored_gaps` are left out, `tokens` came after all gaps."""

    censored_gaps: int
    tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UncorrectedLatency:
    """Latency from the moment of sending, which hides the client's own lateness."""

    ttft_s: Distribution
    e2e_s: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """Latency distributions of some requests, in seconds from the moment each was due; interactivity is 1/TPOT."""

    ttft_s: TtftDistribution
    e2e_s: Distribution
    tpot_s: Distribution
    tpot_unbiased_s: Distribution
    itl_s: ItlDistribution
    interactivity_tok_s: InverseDistribution
    uncorrected: UncorrectedLatency
    send_lateness_s: Distribution

    @property
    def by_metric(self) -> dict[str, Distribution]:
        """The four of an operating point: `ttft`, `tpot`, `itl`, `e2e`."""
        return {"ttft": self.ttft_s, "tpot": self.tpot_s, "itl": self.itl_s, "e2e": self.e2e_s}


def latency(samples: Samples, chosen: Mask, start_ns: int, end_ns: int) -> LatencySummary:
    """Distributions of the chosen requests that succeeded, and of the gaps that end within (start, end]."""
    ok = chosen & samples.ok
    chunks = samples.chunks
    gaps = inside(chunks.at_ns, start_ns, end_ns) & chunks.spread(samples.ok & ~samples.held_back)
    gaps[chunks.starts] = False
    late = samples.ttft_late_s[ok]
    tpot = describe(samples.tpot_s[ok])
    return LatencySummary(
        ttft_s=TtftDistribution(
            **asdict(describe(samples.ttft_s[ok])),
            merged=int((late > 0).sum()),
            mean_too_high_at_most=float(late.mean()) if ok.any() else None,
        ),
        e2e_s=describe(samples.e2e_s[ok]),
        tpot_s=tpot,
        tpot_unbiased_s=describe(samples.tpot_unbiased_s[ok]),
        itl_s=ItlDistribution(
            **asdict(describe(chunks.itl(gaps))),
            censored_gaps=int((gaps & chunks.censored).sum()),
            tokens=float(chunks.tokens[gaps].sum()),
        ),
        interactivity_tok_s=inverse(tpot),
        uncorrected=UncorrectedLatency(
            ttft_s=describe(samples.ttft_from_sent_s[ok]), e2e_s=describe(samples.e2e_from_sent_s[ok])
        ),
        send_lateness_s=describe(samples.lateness_s[chosen]),
    )


def whole_run_latency(samples: Samples) -> LatencySummary:
    """Latency of every complete request, first to last."""
    last = int(samples.end_ns.max()) if len(samples) else 0
    return latency(samples, np.ones(len(samples), dtype=bool), -1, last)
