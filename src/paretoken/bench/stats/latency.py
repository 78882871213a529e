"""The latency distributions of a set of requests: corrected and uncorrected side by side, and ITL from gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import Distribution, describe, inverse
from paretoken.bench.stats.throughput import inside


@dataclass(frozen=True, slots=True)
class Latency:
    """Distributions in seconds; `from_sent` are the uncorrected forms, which hide the client's lateness."""

    ttft: Distribution
    e2e: Distribution
    tpot: Distribution
    unbiased_tpot: Distribution
    itl: Distribution
    ttft_from_sent: Distribution
    e2e_from_sent: Distribution
    lateness: Distribution
    censored_gaps: int
    gap_tokens: float
    merged_firsts: int
    ttft_late_s: float | None

    @property
    def headline(self) -> dict[str, Distribution]:
        """The four of an operating point, by its names."""
        return {"ttft": self.ttft, "tpot": self.tpot, "itl": self.itl, "e2e": self.e2e}

    def as_dict(self) -> dict[str, Any]:
        """Every distribution under its unit; interactivity is 1/TPOT, so its p99 is the slow tail."""
        return {
            "ttft_s": self.ttft.as_dict() | {"merged": self.merged_firsts, "mean_too_high_at_most": self.ttft_late_s},
            "e2e_s": self.e2e.as_dict(),
            "tpot_s": self.tpot.as_dict(),
            "tpot_unbiased_s": self.unbiased_tpot.as_dict(),
            "itl_s": self.itl.as_dict() | {"censored_gaps": self.censored_gaps, "tokens": self.gap_tokens},
            "interactivity_tok_s": inverse(self.tpot),
            "uncorrected": {"ttft_s": self.ttft_from_sent.as_dict(), "e2e_s": self.e2e_from_sent.as_dict()},
            "send_lateness_s": self.lateness.as_dict(),
        }


def latency(samples: Samples, chosen: np.ndarray, start_ns: int, end_ns: int) -> Latency:
    """Distributions of the chosen requests that succeeded, and of the gaps that end within (start, end]."""
    ok = chosen & samples.ok
    chunks = samples.chunks
    gaps = inside(chunks.at_ns, start_ns, end_ns) & chunks.spread(samples.ok)
    gaps[chunks.starts] = False
    return Latency(
        ttft=describe(samples.ttft_s[ok]),
        e2e=describe(samples.e2e_s[ok]),
        tpot=describe(samples.tpot_s[ok]),
        unbiased_tpot=describe(samples.unbiased_tpot_s[ok]),
        itl=describe(chunks.itl(gaps)),
        ttft_from_sent=describe(samples.ttft_from_sent_s[ok]),
        e2e_from_sent=describe(samples.e2e_from_sent_s[ok]),
        lateness=describe(samples.lateness_s[chosen]),
        censored_gaps=int((gaps & chunks.censored).sum()),
        gap_tokens=float(chunks.tokens[gaps].sum()),
        merged_firsts=int((samples.ttft_late_s[ok] > 0).sum()),
        ttft_late_s=float(samples.ttft_late_s[ok].mean()) if ok.any() else None,
    )
