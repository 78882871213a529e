"""Requests as counters and histograms: the sums that a Prometheus server collects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from paretoken.bench.stats.metrics import Samples
from paretoken.exposition import Histogram, labels_of

TTFT_S = (*(0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64), *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92))
TPOT_S = (*(0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03), *(0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.4, 0.8))
E2E_S = (*(0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0), *(30.0, 60.0, 120.0, 240.0, 480.0, 960.0))
LATENESS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
HISTOGRAMS = {
    "ttft_seconds": (TTFT_S, "From when a request was due to its first token."),
    "tpot_seconds": (TPOT_S, "Time per output token behind the first, of complete streamed answers."),
    "e2e_seconds": (E2E_S, "From when a request was due to its last token, of complete answers."),
    "send_lateness_seconds": (LATENESS_S, "From when a request was due to when the client had sent it."),
}


class RequestSums:
    """Sums over requests that ended, by the rules of the report."""

    def __init__(self) -> None:
        self.by_status = Counter[str]()
        self.input_tokens = self.output_tokens = 0
        self.histograms = {name: Histogram(bounds) for name, (bounds, _) in HISTOGRAMS.items()}

    def add(self, samples: Samples) -> None:
        """Count requests."""
        self.by_status.update(samples.status.tolist())
        self.input_tokens += round(float(np.nansum(samples.isl[samples.counted])))
        self.output_tokens += round(float(np.nansum(samples.osl[samples.counted])))
        arrays = (samples.ttft_s, samples.tpot_s, samples.e2e_s, samples.lateness_s)
        for histogram, values in zip(self.histograms.values(), arrays, strict=True):
            histogram.observe_all(values)

    def plus(self, other: RequestSums) -> RequestSums:
        """The sums over the requests of both."""
        both = RequestSums()
        for sums in (self, other):
            both.by_status.update(sums.by_status)
            both.input_tokens += sums.input_tokens
            both.output_tokens += sums.output_tokens
            for name, histogram in sums.histograms.items():
                both.histograms[name].add(histogram.buckets, histogram.sum)
        return both

    def lines(self, prefix: str) -> Iterator[str]:
        """The metrics in Prometheus' text format."""
        yield from head(f"{prefix}requests_total", "counter", "Requests that ended, by how they ended.")
        for status, count in sorted(self.by_status.items()):
            yield f"{prefix}requests_total{{{labels_of(status=status)}}} {count}"
        yield from single(
            f"{prefix}input_tokens_total", "counter", "Prompt tokens of requests that ended.", self.input_tokens
        )
        what = "Tokens of answers that ended, as the report counts them."
        yield from single(f"{prefix}output_tokens_total", "counter", what, self.output_tokens)
        for name, histogram in self.histograms.items():
            yield from head(prefix + name, "histogram", HISTOGRAMS[name][1])
            yield from histogram.lines(prefix + name)


def head(name: str, kind: str, what: str) -> tuple[str, str]:
    """The lines before the samples of a metric."""
    return f"# HELP {name} {what}", f"# TYPE {name} {kind}"


def single(name: str, kind: str, what: str, value: float | None) -> tuple[str, ...]:
    """A metric with one sample; nothing where its value is unknown."""
    return () if value is None else (*head(name, kind, what), f"{name} {value}")
