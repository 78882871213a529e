"""What in a level a reader must know before trusting its figures: each a code and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import QUANTILES, Distribution, needed
from paretoken.bench.stats.steady import Window


@dataclass(frozen=True, slots=True)
class Bounds:
    """Past which share of what a warning is due."""

    short_output: float = 0.02
    mismatch: float = 0.01
    errors: float = 0.01
    coalesced: float = 0.05
    late_ttft: float = 0.01
    cache_hits: float = 0.05


@dataclass(frozen=True, slots=True)
class Warn:
    """One warning: a code for programs, a sentence for people."""

    code: str
    text: str

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text}


def about_records(
    samples: Samples,
    chosen: np.ndarray,
    window: Window,
    errors: Mapping[str, int],
    bounds: Bounds,
    ignore_eos: bool = True,
) -> Iterator[Warn]:
    """Warnings that the requests themselves give rise to; `chosen` are those of the window.

    `ignore_eos` is whether full lengths were asked for.
    """
    ok = samples.ok & chosen
    if not window.steady:
        yield Warn("no_steady_state", window.reason)
    total, failed = len(samples), sum(n for status, n in errors.items() if status != "cancelled")
    if failed > bounds.errors * total:
        kinds = ", ".join(f"{n} {status}" for status, n in errors.items() if status != "cancelled")
        yield Warn("errors", f"{failed} of {total} requests failed ({failed / total:.1%}): {kinds}")
    ran = (samples.due_ns <= window.end_ns) & (samples.end_ns > window.start_ns)
    cut = int((ran & (samples.status == "cancelled")).sum())
    if cut:
        yield Warn("cut", f"{cut} requests of the window were cut at the end: its latencies are too low")
    yield from _lengths(samples, ok, bounds, ignore_eos)
    merged, chunks = int(samples.coalesced[ok].sum()), int(samples.chunks.lengths[ok].sum())
    if chunks and merged > bounds.coalesced * chunks:
        yield Warn(
            "coalesced",
            f"{merged / chunks:.1%} of chunks arrived in a read with a later one; their gaps are left out of the ITL",
        )
    yield from _late_firsts(samples, ok, bounds)


def _late_firsts(samples: Samples, ok: np.ndarray, bounds: Bounds) -> Iterator[Warn]:
    """First tokens that came in one read with later ones, whose stamp they bear."""
    late, mean = samples.ttft_late_s[ok], _mean(samples.ttft_s[ok])
    if mean > 0 and late.mean() > bounds.late_ttft * mean:
        yield Warn(
            "ttft_merged",
            f"the first token of {int((late > 0).sum())} of {len(late)} requests came in one read with later ones, so "
            f"the mean TTFT may be up to {late.mean() * 1000:.2g} ms ({late.mean() / mean:.1%}) too high",
        )


def _lengths(samples: Samples, ok: np.ndarray, bounds: Bounds, ignore_eos: bool) -> Iterator[Warn]:
    """Output short of what was planned, and the client's count against the server's."""
    planned, got = samples.planned_osl[ok], samples.osl[ok]
    both = (planned > 0) & ~np.isnan(got)
    if both.any():
        short = 1 - got[both].sum() / planned[both].sum()
        if short > bounds.short_output:
            hint = "" if ignore_eos else "; try --ignore-eos"
            if np.isnan(samples.server_osl[ok][both]).any():
                hint = "; without usage it was chunks, not tokens, that were counted"
            yield Warn(
                "short_output",
                f"outputs are {short:.1%} shorter than planned ({got[both].mean():.1f} of {planned[both].mean():.1f} "
                f"tokens on average){hint}",
            )
        over = np.clip(got[both] - planned[both], 0, None)
        if over.sum() > bounds.mismatch * planned[both].sum():
            yield Warn(
                "long_output",
                f"{int((over > 0).sum())} requests have more output tokens than max_tokens allows "
                f"({got[both].mean():.1f} of {planned[both].mean():.1f} on average), by the server's usage where it "
                "sent one: either it counts wrongly or it does not keep to max_tokens",
            )
    server, client = samples.server_osl[ok], samples.client_osl[ok]
    if len(server) and np.isnan(server).any():
        share = np.isnan(server).mean()
        yield Warn("no_usage", f"the server sent no usage for {share:.1%} of requests; the client's count stands in")
    both = ~np.isnan(server) & ~np.isnan(client)
    if both.any():
        off = np.abs(server[both] - client[both]).sum() / max(server[both].sum(), 1)
        if off > bounds.mismatch:
            yield Warn(
                "count_mismatch",
                f"client and server disagree on {off:.1%} of output tokens ({client[both].sum():.0f} against "
                f"{server[both].sum():.0f}); the server's usage is used",
            )
    read, plan = samples.isl[ok], samples.planned_isl[ok]
    both = ~np.isnan(read) & (plan > 0)
    if both.any():
        off = read[both].sum() / plan[both].sum() - 1
        if abs(off) > bounds.mismatch:
            yield Warn("input_mismatch", f"the server counted {off:+.1%} input tokens against those planned")


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def about_server(scrape: Mapping[str, Any] | None, implied_hits: float, bounds: Bounds) -> Iterator[Warn]:
    """Warnings from the server's own counters over the run (`Scraped.as_dict()`)."""
    if not scrape:
        return
    delta, gauges = scrape.get("delta") or {}, scrape.get("gauges") or {}
    rate = delta.get("cache_hit_rate")
    if rate is not None and rate > implied_hits + bounds.cache_hits:
        yield Warn(
            "cache_hits",
            f"the server answered {rate:.1%} of prompt tokens from its prefix cache, the workload implies "
            f"{implied_hits:.1%}: the result is too fast; use new prompts or turn the cache off",
        )
    preempted, retracted = delta.get("preemptions"), (gauges.get("retracted") or {}).get("max")
    if preempted or (preempted is None and retracted):
        count = f"{preempted:.0f}" if preempted else f"at least {retracted:.0f}"
        yield Warn("preemptions", f"the server preempted {count} requests for want of KV cache")


def about_client(fidelity: Mapping[str, Any] | None) -> Iterator[Warn]:
    """Whether the client itself was the limit, by its own proof."""
    if fidelity and fidelity.get("client_limited"):
        reasons = fidelity.get("reasons") or []
        said = f": {'; '.join(map(str, reasons))}" if reasons else ""
        yield Warn("client_limited", f"the client, not the server, set the limit{said}")


def about_quantiles(found: Mapping[str, Distribution]) -> Iterator[Warn]:
    """Quantiles left out or thin, once for each number of samples."""
    lacking: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for name, distribution in found.items():
        if distribution.n and distribution.unsupported:
            lacking.setdefault((distribution.n, distribution.unsupported), []).append(name)
    for (n, quantiles), names in lacking.items():
        least = needed(QUANTILES[quantiles[0]])
        yield Warn(
            "quantile_unsupported",
            f"{_label(quantiles[0])} of {n} samples is their maximum: {', '.join(map(_label, quantiles))} of "
            f"{', '.join(names)} left out; {_label(quantiles[0])} needs {least} requests in the window",
        )
    thin = sorted({_label(q) for d in found.values() for q in d.thin})
    if thin:
        yield Warn("quantile_thin", f"fewer than 5 samples lie above {', '.join(thin)}; read them as rough")


def _label(quantile: str) -> str:
    return "p99.9" if quantile == "p999" else quantile
