"""The warnings of a load level: what a reader must know before trusting its figures, each a code and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from paretoken.bench.client.fidelity import Fidelity
from paretoken.bench.stats.quantiles import Distribution, scarce_quantiles
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.speculation import LevelSpeculation
from paretoken.plural import counted
from paretoken.points.acceptance import whole_tokens
from paretoken.points.server_config import ACTIVE
from paretoken.points.unstated import NONE

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
    "answers_lost": "Answers not kept",
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
    if fidelity and fidelity.answers_lost:
        yield LevelWarning(
            "answers_lost",
            f"{counted(fidelity.answers_lost, 'answer')} of the server too long or unreadable to be kept; later "
            "prompts hold recorded or synthetic text instead, which its prefix cache does not",
        )


def quantile_warnings(distributions: Mapping[str, Distribution]) -> Iterator[LevelWarning]:
    """Quantiles left out, and those that too few samples support."""
    for scarce in scarce_quantiles(distributions):
        if scarce.word == "left out":
            yield LevelWarning("quantile_unsupported", str(scarce))
        else:
            yield LevelWarning("quantile_thin", str(scarce))
