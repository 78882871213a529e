"""The warnings of a load level: what a reader must know before trusting its figures, each a code and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretoken.bench.client.fidelity import Fidelity
from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import Distribution, scarce_quantiles
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.speculation import LevelSpeculation
from paretoken.bench.stats.steady import Window
from paretoken.plural import counted
from paretoken.points.acceptance import whole_tokens
from paretoken.points.server_config import ACTIVE
from paretoken.points.unstated import NONE
from paretoken.significant import significant

TITLES = {
    "emulated": "Emulated, not measured",
    "accuracy": "Failed its accuracy gate",
    "unfinished": "Not finished",
    "failed": "Failed levels",
    "client_limited": "Client-limited",
    "buffered": "Answers in one piece",
    "partly_buffered": "Some answers in one piece",
    "hidden_reasoning": "Hidden reasoning",
    "no_steady_state": "No steady state",
    "errors": "Errors",
    "left_out": "Sessions left out",
    "sent_again": "Sent again",
    "short_output": "Short output",
    "cut": "Requests cut off",
    "cache_hits": "Prefix-cache hits",
    "preemptions": "Preemptions",
    "no_usage": "No usage",
    "count_mismatch": "Counts disagree",
    "input_mismatch": "Input length",
    "coalesced": "Merged reads",
    "ttft_merged": "TTFT overstated",
}
"""By code, in order of gravity; a code that is not here comes last under its own name."""

Grade = Literal["unreliable", "caution", "note"]
_UNRELIABLE = {
    "accuracy",
    "unfinished",
    "failed",
    "client_limited",
    "buffered",
    "no_steady_state",
    "errors",
    "cache_hits",
}
_NOTES = {"emulated", "coalesced", "quantile_unsupported", "quantile_thin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningThresholds:
    """The shares from which each warning is given."""

    short_output: float = 0.02
    mismatch: float = 0.01
    errors: float = 0.01
    coalesced: float = 0.05
    late_ttft: float = 0.01
    buffered: float = 0.5
    partly_buffered: float = 0.05
    not_streamed: float = 0.1
    hidden: float = 0.01
    cache_hits: float = 0.05


@dataclass(frozen=True, slots=True)
class LevelWarning:
    """One warning: a code for programs, a sentence for people."""

    code: str
    text: str


def title_of(code: str) -> str:
    """The heading of a warning's code."""
    return TITLES.get(code, code.replace("_", " ").capitalize())


def grade_of(code: str) -> Grade:
    """How grave a warning is: the figures cannot be relied on, they mean something else, or some are left out."""
    return "unreliable" if code in _UNRELIABLE else "note" if code in _NOTES else "caution"


def by_gravity(code: str) -> tuple[int, int]:
    """The key that sorts codes, the gravest first."""
    order = list(TITLES)
    grade = ("unreliable", "caution", "note").index(grade_of(code))
    return grade, order.index(code) if code in order else len(order)


def record_warnings(
    samples: Samples,
    chosen: Mask,
    window: Window,
    errors: Mapping[str, int],
    thresholds: WarningThresholds,
    ignore_eos: bool = True,
    stream: bool = True,
) -> Iterator[LevelWarning]:
    """Warnings that the requests themselves give rise to; `chosen` are those of the window.

    `ignore_eos` is whether full lengths were requested, `stream` whether streamed answers were.
    """
    ok = samples.ok & chosen
    if not window.steady:
        yield LevelWarning("no_steady_state", window.reason)
    total, failed = len(samples), sum(n for status, n in errors.items() if status != "cancelled")
    if failed > thresholds.errors * total:
        kinds = ", ".join(f"{n} {status}" for status, n in errors.items() if status != "cancelled")
        yield LevelWarning("errors", f"{failed} of {counted(total, 'request')} failed ({failed / total:.1%}): {kinds}")
    ran = (samples.due_ns <= window.end_ns) & (samples.end_ns > window.start_ns)
    cut = int((ran & (samples.status == "cancelled")).sum())
    if cut:
        yield LevelWarning(
            "cut",
            f"the end of the window cut off {counted(cut, 'request')}, so latencies are too low",
        )
    yield from _lengths(samples, ok, thresholds, ignore_eos)
    paced = ok & ~samples.unpaced  # an answer in one piece has no gaps to lose
    merged, chunks = int(samples.coalesced[paced].sum()), int(samples.chunks.lengths[paced].sum())
    if chunks and merged > thresholds.coalesced * chunks:
        yield LevelWarning(
            "coalesced",
            f"{merged / chunks:.1%} of chunks were read together with a later one, so their ITL is unknown (excluded)",
        )
    yield from _late_firsts(samples, ok, thresholds)
    yield from _hidden(samples, ok, thresholds)
    if stream:
        yield from _in_one_piece(samples, ok, thresholds)


def _hidden(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """Reasoning that the server counts but does not send."""
    hidden, output = samples.hidden[ok], samples.osl[ok]
    if hidden.sum() > thresholds.hidden * np.nansum(output):
        yield LevelWarning(
            "hidden_reasoning",
            f"{hidden.mean():.1f} of {np.nanmean(output):.1f} output tokens on average are reasoning that the server "
            "does not send: TTFT is the time to the first visible token, reasoning included; TPOT and ITL are those of "
            "visible tokens; throughput counts all tokens",
        )


def _in_one_piece(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """Answers whose pace nobody saw although streams were requested."""
    answers, whole = int(ok.sum()), int((samples.unpaced & ok).sum())
    plain = int((ok & ~samples.streamed).sum())
    if whole <= thresholds.partly_buffered * answers:
        return
    unknown = "TTFT, TPOT and ITL of these answers are unknown"
    share = f"{whole} of {counted(answers, 'request')}"
    if plain > thresholds.not_streamed * answers:
        why = f"the server does not stream although streaming was requested ({share}): {unknown}"
        yield LevelWarning("buffered", why)
    elif whole > thresholds.buffered * answers:
        why = f"the stream arrives in one piece ({share}), because the server or a proxy holds it back: {unknown}"
        yield LevelWarning("buffered", f"{why}; measure the server directly")
    else:
        yield LevelWarning("partly_buffered", f"some answers arrive in one piece ({share}): {unknown}")


def _late_firsts(samples: Samples, ok: Mask, thresholds: WarningThresholds) -> Iterator[LevelWarning]:
    """First tokens that were read together with later ones, and so carry their time stamp."""
    late, mean = samples.ttft_late_s[ok], _mean(samples.ttft_s[ok])
    if mean > 0 and late.mean() > thresholds.late_ttft * mean:
        yield LevelWarning(
            "ttft_merged",
            f"the first token of {int((late > 0).sum())} of {counted(len(late), 'request')} was read together with "
            f"later ones, so the mean TTFT is up to {significant(late.mean() * 1000, 2)} ms "
            f"({late.mean() / mean:.1%}) too high",
        )


def _lengths(samples: Samples, ok: Mask, thresholds: WarningThresholds, ignore_eos: bool) -> Iterator[LevelWarning]:
    """Output short of what was planned, and the client's count against the server's."""
    planned, got = samples.planned_osl[ok], samples.osl[ok]
    both = (planned > 0) & ~np.isnan(got)
    if both.any():
        short = 1 - got[both].sum() / planned[both].sum()
        if short > thresholds.short_output:
            hint = "" if ignore_eos else "; try --ignore-eos"
            if np.isnan(samples.server_osl[ok][both]).any():
                hint = "; the server sent no usage, so chunks, not tokens, were counted"
            yield LevelWarning(
                "short_output",
                f"outputs are {short:.1%} shorter than planned ({got[both].mean():.1f} of {planned[both].mean():.1f} "
                f"tokens on average){hint}",
            )
        over = np.clip(got[both] - planned[both], 0, None)
        if over.sum() > thresholds.mismatch * planned[both].sum():
            yield LevelWarning(
                "long_output",
                f"more output tokens than max_tokens allows in {counted((over > 0).sum(), 'request')} "
                f"({got[both].mean():.1f} of {planned[both].mean():.1f} on average): either the server's usage is "
                "wrong or it ignores max_tokens",
            )
    server, client = samples.server_osl[ok] - samples.hidden[ok], samples.client_osl[ok]
    if len(server) and np.isnan(server).any():
        share = np.isnan(server).mean()
        lost = int((samples.uncounted & ok).sum())
        beside = (
            f", and none exists for {counted(lost, 'answer')} in one piece: output throughput is unknown"
            if lost
            else ""
        )
        yield LevelWarning(
            "no_usage",
            f"the server sent no usage, or one that cannot be true, for {share:.1%} of requests; the client's count is "
            f"used there{beside}",
        )
    both = ~np.isnan(server) & ~np.isnan(client)
    if both.any():
        off = np.abs(server[both] - client[both]).sum() / max(server[both].sum(), 1)
        if off > thresholds.mismatch:
            yield LevelWarning(
                "count_mismatch",
                f"client and server disagree on {off:.1%} of output tokens ({client[both].sum():.0f} counted by the "
                f"client, {server[both].sum():.0f} by the server); the server's usage is used",
            )
    read, plan = samples.isl[ok], samples.planned_isl[ok]
    both = ~np.isnan(read) & (plan > 0)
    if both.any():
        off = read[both].sum() / plan[both].sum() - 1
        if abs(off) > thresholds.mismatch:
            yield LevelWarning("input_mismatch", f"the server counted {off:+.1%} input tokens relative to the plan")


def _mean(values: Floats) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else 0.0


def left_out_warnings(sessions: int, of: int, context_tokens: int | None) -> Iterator[LevelWarning]:
    """That sessions of the trace were left out because they exceed the served context, so the longest are missing."""
    if sessions and context_tokens is not None:
        yield LevelWarning(
            "left_out",
            f"{sessions:,} of {counted(of, 'session')} of the trace ({sessions / of:.0%}) exceed the server's context "
            f"of {context_tokens:,} tokens and were left out: the load is lighter than the trace",
        )


def server_warnings(
    metrics: ServerMetrics | None, implied_hit_rate: float, thresholds: WarningThresholds
) -> Iterator[LevelWarning]:
    """Warnings from the server's own counters over the level."""
    if metrics is None:
        return
    hit_rate = metrics.delta.cache_hit_rate
    if hit_rate is not None and hit_rate > implied_hit_rate + thresholds.cache_hits:
        yield LevelWarning(
            "cache_hits",
            f"the server answered {hit_rate:.1%} of prompt tokens from its prefix cache, but the workload implies "
            f"{implied_hit_rate:.1%}: the result is too fast; use new prompts or turn the cache off",
        )
    preempted, retracted = metrics.delta.preemptions, metrics.gauges.retracted
    if preempted or (preempted is None and retracted and retracted.max):
        count = f"{preempted:.0f}" if preempted else f"at least {retracted.max:.0f}" if retracted else ""
        yield LevelWarning("preemptions", f"the server preempted {count} requests because the KV cache was full")


def speculation_warnings(drafted: LevelSpeculation | None, columns: Mapping[str, object]) -> Iterator[LevelWarning]:
    """Where counters and configuration disagree on speculative decoding, or the acceptance length is unknown."""
    stated, tokens = columns.get("speculative"), columns.get("speculative_tokens")
    if drafted is None:
        return
    if stated == NONE and drafted.drafting:
        yield LevelWarning(
            "drafts", f"the server drafted tokens, though speculative is {NONE}; the points say {ACTIVE}"
        )
    if drafted.problem and (drafted.drafting or stated not in (None, NONE)):
        yield LevelWarning("no_acceptance", f"acceptance length not measured: {drafted.problem}")
    mean, whole = drafted.drafted_per_step, whole_tokens(drafted.drafted_per_step)
    if mean and whole is None:
        yield LevelWarning("draft_length", f"{mean:.2f} tokens drafted a step on average")
    elif mean and tokens is not None and whole != tokens:
        yield LevelWarning("draft_length", f"{mean:.2f} tokens drafted a step, though speculative_tokens is {tokens}")


def client_warnings(fidelity: Fidelity | None) -> Iterator[LevelWarning]:
    """Whether the client itself was the limit, by its own measurements."""
    if fidelity and fidelity.client_limited:
        reasons = f": {'; '.join(fidelity.reasons)}" if fidelity.reasons else ""
        yield LevelWarning("client_limited", f"client-limited{reasons}")
    if fidelity and fidelity.sent_again:
        yield LevelWarning(
            "sent_again",
            f"{counted(fidelity.sent_again, 'request')} sent again on a fresh connection, because the server closed "
            "the kept one as it was used; TTFT counts from the first attempt",
        )


def quantile_warnings(distributions: Mapping[str, Distribution]) -> Iterator[LevelWarning]:
    """Quantiles left out, and those that too few samples support."""
    for scarce in scarce_quantiles(distributions):
        if scarce.word == "left out":
            yield LevelWarning("quantile_unsupported", str(scarce))
        else:
            yield LevelWarning("quantile_thin", str(scarce))
